#include "services/coordinator/host_identity.h"

#include "gtest/gtest.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

const Caller kExecutor = {.role = Role::kExecutor, .name = "vm-c", .grants = {"internet", "r"}};
const Caller kWatcher = {.role = Role::kWatcher, .name = "vm-b", .grants = {"unenriched"}};

ExecutorHello Hello(std::string host, std::string name, std::vector<std::string> labels) {
  ExecutorHello hello;
  hello.host = std::move(host);
  hello.name = std::move(name);
  hello.labels = std::move(labels);
  return hello;
}

std::vector<VolumeReport> Volumes(const std::vector<std::string>& names) {
  std::vector<VolumeReport> reports;
  for (const std::string& name : names) {
    VolumeReport report;
    report.volume = name;
    reports.push_back(report);
  }
  return reports;
}

TEST(HostIdentity, AnExecutorSpeaksForItsHostAlone) {
  EXPECT_TRUE(CheckMayAttend(kExecutor, Hello("vm-c", "vm-c", {"internet"})).ok());
  EXPECT_TRUE(CheckMayAttend(kExecutor, Hello("vm-c", "vm-c-2", {"r", "internet"})).ok());
  const absl::Status other = CheckMayAttend(kExecutor, Hello("vm-d", "vm-d", {}));
  EXPECT_TRUE(absl::IsPermissionDenied(other));
  EXPECT_EQ(ToStd(other.message()),
            "the certificate of executor vm-c does not allow to speak for host \"vm-d\"; see "
            "`closewrite certs show` and `certs issue`");
}

TEST(HostIdentity, ANameOfAnotherHostIsNotTaken) {
  EXPECT_TRUE(absl::IsPermissionDenied(CheckMayAttend(kExecutor, Hello("vm-c", "vm-d", {}))));
  EXPECT_TRUE(absl::IsPermissionDenied(CheckMayAttend(kExecutor, Hello("vm-c", "vm-c2", {}))));
}

TEST(HostIdentity, LabelsAreThoseOfTheCertificate) {
  EXPECT_TRUE(
      absl::IsPermissionDenied(CheckMayAttend(kExecutor, Hello("vm-c", "vm-c", {"r", "gpu"}))));
  Caller any = kExecutor;
  any.grants = {"*"};
  EXPECT_TRUE(CheckMayAttend(any, Hello("vm-c", "vm-c", {"r", "gpu"})).ok());
}

TEST(HostIdentity, ASessionIsEndedByItsHost) {
  EXPECT_TRUE(CheckMayEnd(kExecutor, "vm-c").ok());
  EXPECT_TRUE(absl::IsPermissionDenied(CheckMayEnd(kExecutor, "vm-d")));
}

TEST(HostIdentity, AWatcherIsHomeOfItsVolumesAlone) {
  EXPECT_TRUE(CheckMayObserve(kWatcher, "vm-b", Volumes({"unenriched"})).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(CheckMayObserve(kWatcher, "vm-a", {})));
  EXPECT_TRUE(absl::IsPermissionDenied(
      CheckMayObserve(kWatcher, "vm-b", Volumes({"unenriched", "enriched"}))));
}

TEST(HostIdentity, WithoutTlsNobodyHasACertificate) {
  EXPECT_TRUE(CheckMayAttend(Caller(), Hello("vm-d", "x", {"gpu"})).ok());
  EXPECT_TRUE(CheckMayEnd(Caller(), "vm-d").ok());
  EXPECT_TRUE(CheckMayObserve(Caller(), "vm-b", Volumes({"enriched"})).ok());
}

}  // namespace
}  // namespace closewrite
