#include "services/access/permissions.h"

#include <algorithm>
#include <functional>
#include <map>

#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr std::string_view kPackage = "closewrite.v1.";

constexpr Roles kAll = {Role::kCoordinator, Role::kWatcher,  Role::kExecutor,
                        Role::kPortal,      Role::kViewer,   Role::kUploader,
                        Role::kProgram,     Role::kOperator, Role::kAdmin};
// Decides what is run by everybody's executors, among others.
constexpr Roles kAdmins = {Role::kAdmin};
constexpr Roles kAdminsAndPages = {Role::kPortal, Role::kAdmin};
constexpr Roles kRuns = {Role::kPortal, Role::kOperator, Role::kAdmin};
constexpr Roles kSubmits = {Role::kOperator, Role::kAdmin};
constexpr Roles kReads = {Role::kPortal, Role::kViewer, Role::kOperator, Role::kAdmin};
constexpr Roles kUploaders = {Role::kPortal, Role::kUploader, Role::kOperator, Role::kAdmin};
constexpr Roles kPrograms = {Role::kProgram, Role::kOperator, Role::kAdmin};
constexpr Roles kReadsOfPrograms = kReads + Roles{Role::kProgram};

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
constexpr std::string_view kScaler = "externalscaler.ExternalScaler";
constexpr std::string_view kStore = "closewrite.v1.StoreService";
constexpr std::string_view kTasks = "closewrite.v1.TaskService";
constexpr std::string_view kUploads = "closewrite.v1.UploadService";
constexpr std::string_view kWatch = "closewrite.v1.WatchService";

constexpr Permission kTable[] = {
    {kAlerts, "ListIncidents", kReads},
    {kAlerts, "ListMessages", kReads},
    {kAlerts, "TestAlert", kAdmins},  // has the coordinator call any address
    {kAttend, "Attend", {Role::kExecutor}},
    {kAttend, "EndSession", {Role::kExecutor}},
    {kAudit, "ListAuditEntries", kSubmits},
    {kEvents, "FlushEvents", kReadsOfPrograms},
    {kEvents, "ListEvents", kReads},
    {kEvents, "WatchEvents", kReads},
    {kExecute, "DescribeExecutor", kReads},
    {kFleet, "DrainExecutors", kAdminsAndPages},
    {kFleet, "GetOverview", kReads},
    {kFleet, "GetVersion", kAll},
    {kFleet, "ListExecutors", kReads},
    {kFleet, "ListWatchers", kReads},
    {kJobs, "CancelJobs", kRuns},
    {kJobs, "Explain", kReads},
    {kJobs, "GetJob", kReads},
    {kJobs, "ListJobs", kReads},
    {kJobs, "ReadLog", kReads},
    {kJobs, "RetryJobs", kRuns},
    {kJobs, "SubmitJobs", kSubmits},
    {kJobs, "WatchJobs", kReads},
    {kLocks, "AcquireLock", kPrograms},
    {kLocks, "BreakLock", kAdminsAndPages},
    {kLocks, "ListLocks", kReadsOfPrograms},
    {kLocks, "ListRates", kReadsOfPrograms},
    {kLocks, "ReleaseLock", kPrograms},
    {kLocks, "RenewLocks", kPrograms},
    {kLocks, "SetLock", kAdmins},
    {kLocks, "SetRate", kAdmins},
    {kLocks, "TakeRate", kPrograms},
    {kLocks, "WatchLock", kReadsOfPrograms},
    {kMonitor, "EndExecution", kPrograms},
    {kMonitor, "GetIncrement", kReadsOfPrograms},
    {kMonitor, "GetReport", kReads},
    {kMonitor, "ImportIncrements", kAdmins},
    {kMonitor, "ListExecutions", kReadsOfPrograms},
    {kMonitor, "ListIncrements", kReadsOfPrograms},
    {kMonitor, "ListLoads", kReadsOfPrograms},
    {kMonitor, "LogLoad", kPrograms},
    {kMonitor, "LogModel", kPrograms},
    {kMonitor, "StartExecution", kPrograms},
    {kObserve, "Observe", {Role::kWatcher}},
    {kPipelines, "ApplyPipelines", kAdmins},
    {kPipelines, "DeletePipeline", kAdmins},
    {kPipelines, "ListPipelines", kReads},
    {kPipelines, "TestPipelines", kReads},
    {kStore, "BackUpStore", kAdmins},
    {kTasks, "ApplyTasks", kAdmins},
    {kTasks, "GetTask", kReads},
    {kTasks, "ListTasks", kReads},
    {kTasks, "RemoveTask", kAdmins},
    {kTasks, "RunTask", kSubmits},
    {kTasks, "StartTasks", kRuns},
    {kTasks, "StopTasks", kRuns},
    {kUploads, "BeginUpload", kUploaders},
    {kUploads, "DropUpload", kUploaders},
    {kUploads, "GetUpload", kUploaders},
    {kUploads, "ListUploadPages", kUploaders},
    {kUploads, "PublishUpload", kUploaders},
    {kUploads, "ReadUploadResult", kUploaders},
    {kUploads, "TouchUpload", kUploaders},
    {kWatch, "DescribeVolumes", kReads},
    {kWatch, "FlushVolume", kReads},
    {kScaler, "GetMetricSpec", kReads},
    {kScaler, "GetMetrics", kReads},
    {kScaler, "IsActive", kReads},
    {kScaler, "StreamIsActive", kReads},
    // Probes come without certificates, and learn no more than that something serves.
    {"grpc.health.v1.Health", "", kAll + Roles{Role::kAnybody}},
    {"grpc.reflection.v1alpha.ServerReflection", "", kAll},
};

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

std::string Names(Roles roles) {
  std::string names;
  for (Role role = Role::kCoordinator; role <= Role::kAdmin;
       role = static_cast<Role>(static_cast<int>(role) + 1)) {
    if (roles.Has(role)) StrAppend(&names, names.empty() ? "" : ", ", RoleName(role));
  }
  return names;
}

}  // namespace

absl::Span<const Permission> Permissions() { return kTable; }

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
  if (permission->roles.Has(caller.role)) return absl::OkStatus();
  const std::string needed = Names(permission->roles);
  if (caller.role == Role::kAnybody) {
    return absl::UnauthenticatedError(
        StrCat(ShownCall(path), " needs a certificate or a token with one of the roles ", needed));
  }
  return absl::PermissionDeniedError(StrCat(RoleName(caller.role), " ", caller.name,
                                            " may not call ", ShownCall(path),
                                            "; it takes one of the roles ", needed));
}

}  // namespace closewrite
