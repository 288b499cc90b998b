#include "services/access/permissions.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_join.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

using Roles = std::vector<Role>;

constexpr std::string_view kPackage = "closewrite.v1.";

Roles operator+(Roles roles, const Roles& more) {
  roles.insert(roles.end(), more.begin(), more.end());
  return roles;
}

std::vector<Permission> MakeTable() {
  const Roles all = {Role::kCoordinator, Role::kWatcher,  Role::kExecutor,
                     Role::kPortal,      Role::kViewer,   Role::kUploader,
                     Role::kProgram,     Role::kOperator, Role::kAdmin};
  // Decides what is run by everybody's executors.
  const Roles admin = {Role::kAdmin};
  const Roles from_pages = {Role::kPortal, Role::kAdmin};
  const Roles runs = {Role::kPortal, Role::kOperator, Role::kAdmin};
  const Roles submits = {Role::kOperator, Role::kAdmin};
  const Roles reads = {Role::kPortal, Role::kViewer, Role::kOperator, Role::kAdmin};
  const Roles uploads = {Role::kPortal, Role::kUploader, Role::kOperator, Role::kAdmin};
  const Roles program = {Role::kProgram, Role::kOperator, Role::kAdmin};
  const Roles program_reads = reads + Roles{Role::kProgram};

  constexpr std::string_view kAlerts = "closewrite.v1.AlertService";
  constexpr std::string_view kAttend = "closewrite.v1.AttendService";
  constexpr std::string_view kAudit = "closewrite.v1.AuditService";
  constexpr std::string_view kEvents = "closewrite.v1.EventService";
  constexpr std::string_view kExecute = "closewrite.v1.ExecuteService";
  constexpr std::string_view kFleet = "closewrite.v1.FleetService";
  constexpr std::string_view kJobs = "closewrite.v1.JobService";
  constexpr std::string_view kLocks = "closewrite.v1.LockService";
  constexpr std::string_view kMonitor = "closewrite.v1.MonitorService";
  constexpr std::string_view kObserve = "closewrite.v1.ObserveService";
  constexpr std::string_view kPipelines = "closewrite.v1.PipelineService";
  constexpr std::string_view kStore = "closewrite.v1.StoreService";
  constexpr std::string_view kTasks = "closewrite.v1.TaskService";
  constexpr std::string_view kUploads = "closewrite.v1.UploadService";
  constexpr std::string_view kWatch = "closewrite.v1.WatchService";

  return {
      {kAlerts, "ListIncidents", reads},
      {kAlerts, "ListMessages", reads},
      {kAlerts, "TestAlert", admin},  // has the coordinator call any address
      {kAttend, "Attend", {Role::kExecutor}},
      {kAttend, "EndSession", {Role::kExecutor}},
      {kAudit, "ListAuditEntries", submits},
      {kEvents, "FlushEvents", program_reads},
      {kEvents, "ListEvents", reads},
      {kEvents, "WatchEvents", reads},
      {kExecute, "DescribeExecutor", reads},
      {kFleet, "DrainExecutors", from_pages},
      {kFleet, "GetOverview", reads},
      {kFleet, "GetVersion", all},
      {kFleet, "ListExecutors", reads},
      {kFleet, "ListWatchers", reads},
      {kJobs, "CancelJobs", runs},
      {kJobs, "Explain", reads},
      {kJobs, "GetJob", reads},
      {kJobs, "ListJobs", reads},
      {kJobs, "ReadLog", reads},
      {kJobs, "RetryJobs", runs},
      {kJobs, "SubmitJobs", submits},
      {kJobs, "WatchJobs", reads},
      {kLocks, "AcquireLock", program},
      {kLocks, "BreakLock", from_pages},
      {kLocks, "ListLocks", program_reads},
      {kLocks, "ListRates", program_reads},
      {kLocks, "ReleaseLock", program},
      {kLocks, "RenewLocks", program},
      {kLocks, "SetLock", admin},
      {kLocks, "SetRate", admin},
      {kLocks, "TakeRate", program},
      {kLocks, "WatchLock", program_reads},
      {kMonitor, "EndExecution", program},
      {kMonitor, "GetIncrement", program_reads},
      {kMonitor, "GetReport", reads},
      {kMonitor, "ImportIncrements", admin},
      {kMonitor, "ListExecutions", program_reads},
      {kMonitor, "ListIncrements", program_reads},
      {kMonitor, "ListLoads", program_reads},
      {kMonitor, "LogLoad", program},
      {kMonitor, "LogModel", program},
      {kMonitor, "StartExecution", program},
      {kObserve, "Observe", {Role::kWatcher}},
      {kPipelines, "ApplyPipelines", admin},
      {kPipelines, "DeletePipeline", admin},
      {kPipelines, "ListPipelines", reads},
      {kPipelines, "TestPipelines", reads},
      {kStore, "BackUpStore", admin},
      {kTasks, "ApplyTasks", admin},
      {kTasks, "GetTask", reads},
      {kTasks, "ListTasks", reads},
      {kTasks, "RemoveTask", admin},
      {kTasks, "RunTask", submits},
      {kTasks, "StartTasks", runs},
      {kTasks, "StopTasks", runs},
      {kUploads, "BeginUpload", uploads},
      {kUploads, "DropUpload", uploads},
      {kUploads, "GetUpload", uploads},
      {kUploads, "ListUploadPages", uploads},
      {kUploads, "PublishUpload", uploads},
      {kUploads, "ReadUploadResult", uploads},
      {kUploads, "TouchUpload", uploads},
      {kWatch, "DescribeVolumes", reads},
      {kWatch, "FlushVolume", reads},
      // Probes come without certificates, and learn no more than that something serves.
      {"grpc.health.v1.Health", "", all + Roles{Role::kAnybody}},
      {"grpc.reflection.v1alpha.ServerReflection", "", all},
  };
}

// By "/SERVICE/METHOD"; "/SERVICE/" for all of a service.
const std::map<std::string, const Permission*, std::less<>>& ByPath() {
  static const auto* const by_path = [] {
    auto* made = new std::map<std::string, const Permission*, std::less<>>;
    for (const Permission& each : Permissions()) {
      (*made)[StrCat("/", each.service, "/", each.method)] = &each;
    }
    return made;
  }();
  return *by_path;
}

const Permission* Find(std::string_view path) {
  const auto& by_path = ByPath();
  auto found = by_path.find(path);
  if (found == by_path.end()) found = by_path.find(path.substr(0, path.rfind('/') + 1));
  return found == by_path.end() ? nullptr : found->second;
}

}  // namespace

const std::vector<Permission>& Permissions() {
  static const auto* const table = new std::vector<Permission>(MakeTable());
  return *table;
}

std::string ShownCall(std::string_view path) {
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  if (path.substr(0, kPackage.size()) == kPackage) path.remove_prefix(kPackage.size());
  std::string shown(path);
  std::replace(shown.begin(), shown.end(), '/', '.');
  return shown;
}

absl::Status CheckPermission(const Caller& caller, std::string_view path) {
  const Permission* const permission = Find(path);
  if (permission == nullptr) {
    return absl::UnimplementedError(StrCat("there is no call ", ShownCall(path)));
  }
  const Roles& roles = permission->roles;
  if (std::find(roles.begin(), roles.end(), caller.role) != roles.end()) return absl::OkStatus();
  const std::string needed = absl::StrJoin(
      roles, ", ", [](std::string* out, Role role) { StrAppend(out, RoleName(role)); });
  if (caller.role == Role::kAnybody) {
    return absl::UnauthenticatedError(
        StrCat(ShownCall(path), " needs a certificate or a token with one of the roles ", needed));
  }
  return absl::PermissionDeniedError(StrCat(RoleName(caller.role), " ", caller.name,
                                            " may not call ", ShownCall(path),
                                            "; it takes one of the roles ", needed));
}

}  // namespace closewrite
