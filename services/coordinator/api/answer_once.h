// Calls that change something: applied by the store loop, only once for one request id, and told
// to the audit.
#ifndef SERVICES_COORDINATOR_API_ANSWER_ONCE_H_
#define SERVICES_COORDINATOR_API_ANSWER_ONCE_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "services/coordinator/api/api_options.h"
#include "services/coordinator/api/audit_entry.h"
#include "services/coordinator/api/violations.h"
#include "services/coordinator/store_loop.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite {

inline constexpr size_t kRequestIdBytesMax = 128;

// Ends a unary call.
inline grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                        const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

inline absl::Status CheckRequestId(std::string_view request_id) {
  if (!request_id.empty() && request_id.size() <= kRequestIdBytesMax) return absl::OkStatus();
  return WrongField("request_id", StrCat("has ", request_id.size(), " bytes; give 1 to ",
                                         kRequestIdBytesMax, ", a new UUID for each request"));
}

// What a call does: runs on the loop's thread inside a transaction. When it returns an error it
// must have written nothing.
template <class Response>
using Change = std::function<absl::Status(Engine&, StoreTransaction&, absl::Time now, Response*)>;

// Answers once `change` is committed. The same request id again within kRequestKept gives the
// recorded answer and changes nothing, since the answer is recorded by the commit that makes the
// change. So is who asked for it and what, when it is one of AuditedCalls. Errors are not recorded:
// they changed nothing. `method` keeps the ids of different calls apart; "" records nothing, for
// calls that only try.
template <class Response, class Request>
grpc::ServerUnaryReactor* AnswerOnce(const ApiOptions& api, grpc::CallbackServerContext* context,
                                     std::string_view method, const Request& request,
                                     Response* response, Change<Response> change) {
  const std::string& request_id = request.request_id();
  if (absl::Status s = CheckRequestId(request_id); !s.ok()) return Answer(context, s);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const std::string key = method.empty() ? "" : StrCat(method, ":", request_id);
  std::optional<AuditEntry> entry = AuditEntryOf(api.callers, *context, method, request);
  Expected expected;
  if (!key.empty()) expected.requests.push_back(key);
  api.loop->Submit(
      [key, response, change = std::move(change), entry = std::move(entry)](
          Engine& engine, StoreTransaction& tx, absl::Time now) mutable -> absl::Status {
        response->Clear();
        if (key.empty()) return change(engine, tx, now, response);
        if (std::optional<std::string> answer = tx.FindRequest(key)) {
          return response->ParseFromString(*answer)
                     ? absl::OkStatus()
                     : absl::InternalError("the recorded answer can't be read: use a new id");
        }
        absl::Status status = change(engine, tx, now, response);
        if (!status.ok()) return status;
        tx.RecordRequest(key, response->SerializeAsString(), now);
        if (entry.has_value()) {
          entry->at = now;
          tx.AppendAudit(*entry);
        }
        return status;
      },
      [reactor](const absl::Status& status) { reactor->Finish(ToGrpc(status)); },
      std::move(expected));
  return reactor;
}

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_ANSWER_ONCE_H_
