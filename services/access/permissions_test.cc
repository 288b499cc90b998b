#include "services/access/permissions.h"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "closewrite/v1/alert.pb.h"
#include "externalscaler/externalscaler.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor_database.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

using google::protobuf::DescriptorPool;

// "closewrite.v1.JobService" and "CancelJobs", for all services of ours that this process has.
std::set<std::pair<std::string, std::string>> AllMethods() {
  v1::ListIncidentsRequest::descriptor();  // the libraries of protos are loaded
  externalscaler::ScaledObjectRef::descriptor();
  std::vector<std::string> files;
  DescriptorPool::internal_generated_database()->FindAllFileNames(&files);
  std::set<std::pair<std::string, std::string>> methods;
  for (const std::string& name : files) {
    const auto* file = DescriptorPool::generated_pool()->FindFileByName(name);
    if (file == nullptr ||
        (file->package() != "closewrite.v1" && file->package() != "externalscaler")) {
      continue;
    }
    for (int i = 0; i < file->service_count(); ++i) {
      for (int k = 0; k < file->service(i)->method_count(); ++k) {
        methods.emplace(file->service(i)->full_name(), file->service(i)->method(k)->name());
      }
    }
  }
  return methods;
}

// A new call without a line in the table fails here.
TEST(Permissions, AreSaidOfEachCall) {
  std::set<std::pair<std::string, std::string>> said;
  for (const Permission& each : Permissions()) {
    EXPECT_TRUE(each.roles.Has(Role::kAdmin) || each.roles.Has(Role::kExecutor) ||
                each.roles.Has(Role::kWatcher))
        << each.method;
    if (each.method.empty()) continue;
    EXPECT_TRUE(said.emplace(each.service, each.method).second) << each.method << " is there twice";
  }
  const auto methods = AllMethods();
  EXPECT_GT(methods.size(), 60U);
  EXPECT_EQ(said, methods);
}

bool May(Role role, const std::string& call) {
  return CheckPermission({.role = role, .name = "x"}, StrCat("/closewrite.v1.", call)).ok();
}

TEST(Permissions, OfServices) {
  EXPECT_TRUE(May(Role::kWatcher, "ObserveService/Observe"));
  EXPECT_TRUE(May(Role::kExecutor, "AttendService/Attend"));
  EXPECT_TRUE(May(Role::kExecutor, "AttendService/EndSession"));
  EXPECT_TRUE(May(Role::kPortal, "UploadService/BeginUpload"));
  EXPECT_TRUE(May(Role::kPortal, "JobService/CancelJobs"));
  EXPECT_FALSE(May(Role::kPortal, "PipelineService/ApplyPipelines"));
}

// What somebody can do who has stolen a certificate of a service: what that service does, and ask
// for versions and health.
TEST(Permissions, AStolenCertificateDoesWhatItsServiceDoes) {
  const std::map<Role, std::set<std::string>> own = {
      {Role::kCoordinator, {}},
      {Role::kWatcher, {"ObserveService.Observe"}},
      {Role::kExecutor, {"AttendService.Attend", "AttendService.EndSession"}}};
  for (const auto& [role, calls] : own) {
    std::set<std::string> may;
    for (const auto& [service, method] : AllMethods()) {
      const std::string path = StrCat("/", service, "/", method);
      if (CheckPermission({.role = role, .name = "x"}, path).ok()) may.insert(ShownCall(path));
    }
    std::set<std::string> expected = calls;
    expected.insert("FleetService.GetVersion");
    EXPECT_EQ(may, expected) << RoleName(role);
  }
}

TEST(Permissions, OfPeople) {
  EXPECT_TRUE(May(Role::kViewer, "JobService/ListJobs"));
  EXPECT_FALSE(May(Role::kViewer, "JobService/CancelJobs"));
  EXPECT_FALSE(May(Role::kViewer, "UploadService/BeginUpload"));
  EXPECT_TRUE(May(Role::kUploader, "UploadService/BeginUpload"));
  EXPECT_FALSE(May(Role::kUploader, "JobService/ListJobs"));
  EXPECT_TRUE(May(Role::kProgram, "LockService/AcquireLock"));
  EXPECT_TRUE(May(Role::kProgram, "MonitorService/LogLoad"));
  EXPECT_FALSE(May(Role::kProgram, "LockService/BreakLock"));
  EXPECT_TRUE(May(Role::kOperator, "JobService/CancelJobs"));
  EXPECT_FALSE(May(Role::kOperator, "PipelineService/ApplyPipelines"));
  for (const auto& [service, method] : AllMethods()) {
    const std::set<std::string> of_services = {"Attend", "EndSession", "Observe"};
    EXPECT_EQ(
        CheckPermission({.role = Role::kAdmin, .name = "x"}, StrCat("/", service, "/", method))
            .ok(),
        of_services.count(method) == 0)
        << method;
  }
}

TEST(Permissions, NobodyGetsNothingButHealth) {
  for (const auto& [service, method] : AllMethods()) {
    const absl::Status status = CheckPermission(Caller(), StrCat("/", service, "/", method));
    EXPECT_TRUE(absl::IsUnauthenticated(status)) << method;
  }
  EXPECT_TRUE(CheckPermission(Caller(), "/grpc.health.v1.Health/Watch").ok());
  const std::string reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  EXPECT_TRUE(absl::IsUnauthenticated(CheckPermission(Caller(), reflection)));
  EXPECT_TRUE(CheckPermission({.role = Role::kViewer, .name = "x"}, reflection).ok());
}

TEST(Permissions, TellWhoMay) {
  EXPECT_EQ(CheckPermission({.role = Role::kViewer, .name = "alice"},
                            "/closewrite.v1.JobService/CancelJobs"),
            absl::PermissionDeniedError("viewer alice may not call JobService.CancelJobs; it takes "
                                        "one of the roles portal, operator, admin"));
  EXPECT_EQ(CheckPermission(Caller(), "/closewrite.v1.StoreService/BackUpStore"),
            absl::UnauthenticatedError("StoreService.BackUpStore needs a certificate or a token "
                                       "with one of the roles admin"));
}

TEST(Permissions, WhatIsNotInTheTableIsNotThere) {
  for (const char* path : {"", "/", "x", "/closewrite.v1.JobService/",
                           "/closewrite.v1.JobService/x", "/closewrite.v1.JobService/CancelJobs/",
                           "//", "/grpc.health.v1.Health", "closewrite.v1.JobService/CancelJobs"}) {
    EXPECT_TRUE(absl::IsUnimplemented(CheckPermission({.role = Role::kAdmin, .name = "x"}, path)))
        << path;
  }
}

}  // namespace
}  // namespace closewrite
