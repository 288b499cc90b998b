#include "services/coordinator/api/audit_entry.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "services/coordinator/api/audit_subject.h"
#include "services/coordinator/api/audited_calls.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

std::string RequestIdOf(const google::protobuf::Message& request) {
  const auto* const field = request.GetDescriptor()->FindFieldByName("request_id");
  return field == nullptr ? "" : request.GetReflection()->GetString(request, field);
}

}  // namespace

std::string ShownPeer(std::string_view peer) {
  for (const std::string_view scheme : {"ipv4:", "ipv6:"}) {
    if (!absl::StartsWith(ToAbsl(peer), ToAbsl(scheme))) continue;
    return absl::StrReplaceAll(ToAbsl(peer.substr(scheme.size())), {{"%5B", "["}, {"%5D", "]"}});
  }
  return std::string(peer);
}

std::optional<AuditEntry> AuditEntryOf(const Callers* callers,
                                       const grpc::ServerContextBase& context,
                                       std::string_view method,
                                       const google::protobuf::Message& request) {
  const CallName* const call = FindAuditedCall(method);
  if (call == nullptr) return std::nullopt;
  Caller caller = callers == nullptr ? Caller{.peer = context.peer()} : callers->Of(context);
  return AuditEntry{.role = std::string(RoleName(caller.role)),
                    .name = std::move(caller.name),
                    .user = std::move(caller.user),
                    .peer = ShownPeer(caller.peer),
                    .service = std::string(call->service),
                    .method = std::string(call->method),
                    .request_id = RequestIdOf(request),
                    .subject = AuditSubject(request)};
}

}  // namespace closewrite
