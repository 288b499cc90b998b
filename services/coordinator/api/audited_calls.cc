#include "services/coordinator/api/audited_calls.h"

#include <string>
#include <vector>

#include "services/config/nearest.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

// What people decide.
constexpr CallName kAudited[] = {
    {"AlertService", "TestAlert"},
    {"FleetService", "DrainExecutors"},
    {"JobService", "CancelJobs"},
    {"JobService", "RetryJobs"},
    {"JobService", "SubmitJobs"},
    {"LockService", "BreakLock"},
    {"LockService", "SetLock"},
    {"LockService", "SetRate"},
    {"MonitorService", "ImportIncrements"},
    {"PipelineService", "ApplyPipelines"},
    {"PipelineService", "DeletePipeline"},
    {"StoreService", "BackUpStore"},
    {"TaskService", "ApplyTasks"},
    {"TaskService", "RemoveTask"},
    {"TaskService", "RunTask"},
    {"TaskService", "StartTasks"},
    {"TaskService", "StopTasks"},
    {"UploadService", "BeginUpload"},
};

constexpr UnauditedCall kUnaudited[] = {
    {{"LockService", "TakeRate"}, "it is made by programs, many times a second"},
    {{"MonitorService", "EndExecution"}, "it is made by scripts, and kept as an execution"},
    {{"MonitorService", "LogLoad"}, "it is made by scripts, and kept as a load"},
    {{"MonitorService", "LogModel"}, "it is made by scripts, and becomes a point"},
    {{"MonitorService", "StartExecution"}, "it is made by scripts, and kept as an execution"},
};

std::string FullName(const CallName& call) { return StrCat(call.service, ".", call.method); }

bool IsNamed(const CallName& call, std::string_view text) {
  return call.method == text || FullName(call) == text;
}

}  // namespace

absl::Span<const CallName> AuditedCalls() { return kAudited; }
absl::Span<const UnauditedCall> UnauditedCalls() { return kUnaudited; }

const CallName* FindAuditedCall(std::string_view method) {
  for (const CallName& call : kAudited) {
    if (call.method == method) return &call;
  }
  return nullptr;
}

absl::StatusOr<CallName> ParseAuditedCall(std::string_view text) {
  const bool with_service = text.find('.') != std::string_view::npos;
  std::vector<std::string> known;
  for (const CallName& call : kAudited) {
    if (IsNamed(call, text)) return CallName{with_service ? call.service : "", call.method};
    known.push_back(with_service ? FullName(call) : std::string(call.method));
  }
  for (const UnauditedCall& each : kUnaudited) {
    if (!IsNamed(each.call, text)) continue;
    return absl::InvalidArgumentError(StrCat(text, " is in no audit: ", each.why));
  }
  return absl::InvalidArgumentError(
      StrCat(Quote(text), " is no call of the audit: ", SuggestNearest(text, known)));
}

}  // namespace closewrite
