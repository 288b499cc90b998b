#include "services/coordinator/api/audit_service.h"

#include <string>
#include <vector>

#include "services/coordinator/api/answer_once.h"
#include "services/coordinator/api/audited_calls.h"
#include "services/coordinator/api/page_token.h"
#include "services/coordinator/api/violations.h"
#include "services/coordinator/convert.h"
#include "services/coordinator/core/store.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

v1::AuditEntry ToProto(const AuditEntry& entry) {
  v1::AuditEntry shown;
  shown.set_id(entry.id);
  SetTime(entry.at, shown.mutable_at());
  shown.set_role(entry.role);
  shown.set_name(entry.name);
  shown.set_user(entry.user);
  shown.set_peer(entry.peer);
  shown.set_method(StrCat(entry.service, ".", entry.method));
  shown.set_request_id(entry.request_id);
  shown.set_subject(entry.subject);
  return shown;
}

absl::StatusOr<AuditFilter> DecodeFilter(const v1::ListAuditEntriesRequest& request) {
  AuditFilter filter{.who = request.name()};
  if (request.has_since()) filter.since = FromProto(request.since());
  if (request.has_until() && FromProto(request.until()) < filter.since) {
    return WrongField("since", "is after `until`; give an earlier time");
  }
  if (request.method().empty()) return filter;
  const absl::StatusOr<CallName> call = ParseAuditedCall(request.method());
  if (!call.ok()) return WrongField("method", ToStd(call.status().message()));
  filter.service = std::string(call->service);
  filter.method = std::string(call->method);
  return filter;
}

}  // namespace

grpc::ServerUnaryReactor* AuditService::ListAuditEntries(grpc::CallbackServerContext* context,
                                                         const v1::ListAuditEntriesRequest* request,
                                                         v1::ListAuditEntriesResponse* response) {
  return Answer(context, List(*request, response));
}

absl::Status AuditService::List(const v1::ListAuditEntriesRequest& request,
                                v1::ListAuditEntriesResponse* response) {
  const absl::StatusOr<AuditFilter> filter = DecodeFilter(request);
  if (!filter.ok()) return filter.status();
  v1::ListAuditEntriesRequest without_page = request;
  without_page.clear_page_size();
  without_page.clear_page_token();
  const std::string scope = PageScope("ListAuditEntries", without_page);
  const absl::StatusOr<PageRequest> page =
      OpenPage(scope, request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  const absl::StatusOr<TimeCursor> cursor = ReadTimeCursor(*page);
  if (!cursor.ok()) return cursor.status();
  AuditPlace before{.at = cursor->at, .id = cursor->id};
  if (page->cursor.empty() && request.has_until()) before.at = FromProto(request.until());

  return loop_.store().Read([&](StoreReader& reader) {
    response->Clear();
    PageFill fill(*page);
    AuditPlace last;
    for (const AuditEntry& entry : reader.ListAudit(*filter, before, page->rows + 1)) {
      if (fill.full()) {
        response->set_next_page_token(
            NextPageToken(scope, WriteTimeCursor({.at = last.at, .id = last.id})));
        break;
      }
      *response->add_entries() = ToProto(entry);
      fill.Add(*response->entries().rbegin());
      last = {.at = entry.at, .id = entry.id};
    }
    return absl::OkStatus();
  });
}

}  // namespace closewrite
