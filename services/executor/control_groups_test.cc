#include "services/executor/control_groups.h"

#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "gtest/gtest.h"
#include "services/executor/command_fixture.h"

namespace closewrite::executor {
namespace {

class ControlGroupsTest : public CommandTest {
 protected:
  ControlGroupsTest() : groups_(ControlGroups::Find(directory_)) {}

  CommandOptions Grouped(const std::string& script, const GroupLimits& limits = {}) {
    CommandOptions options = Shell(script);
    options.groups = groups_;
    options.limits = limits;
    return options;
  }

  // Why there are none here, "" when there are.
  std::string Absent(const GroupLimits& limits = {}) const {
    const auto made = groups_.Make("try", limits);
    groups_.Remove("try");
    if (!made.ok()) return std::string(made.status().message());
    const bool any = made->unified.ok() || !made->limits.empty();
    return any ? "" : "no group can be made here";
  }

  // Of the commands of this test.
  std::vector<std::string> Folders() const {
    struct stat st = {};
    stat(directory_.c_str(), &st);
    const std::string prefix =
        "closewrite-" + std::to_string(st.st_dev) + "-" + std::to_string(st.st_ino) + "-";
    std::vector<std::string> found;
    std::error_code none;
    const auto options = std::filesystem::directory_options::skip_permission_denied;
    for (std::filesystem::recursive_directory_iterator next("/sys/fs/cgroup", options, none), last;
         !none && next != last; next.increment(none)) {
      const std::string name = next->path().filename();
      if (name.rfind(prefix, 0) == 0) found.push_back(name.substr(prefix.size()));
    }
    return found;
  }

  const ControlGroups groups_;
};

TEST_F(ControlGroupsTest, WhoHasNoneRefusesLimitsAndNothingElse) {
  CommandOptions options = Shell("echo done");
  EXPECT_EQ(Run(options).wait_status, 0);
  options = Shell("echo done");
  options.limits.memory_bytes = 64 << 20;
  const auto command = Command::Start(options);
  EXPECT_EQ(command.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(command.status().message().rfind("limits.memory can't be kept on this executor", 0), 0u)
      << command.status();
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/attempts/2-1.state"));
}

TEST_F(ControlGroupsTest, AMemoryLimitCountsForAllProcessesTogether) {
  constexpr GroupLimits kLimits = {.memory_bytes = 64 << 20};
  if (!Absent(kLimits).empty()) GTEST_SKIP() << Absent(kLimits);
  // tail(1) keeps what it can't know to be no part of the last line.
  CommandEnd end = Run(Grouped("head -c 20M /dev/zero | tail -n 1 | wc -c", kLimits));
  EXPECT_EQ(output_, "20971520\n");
  EXPECT_FALSE(end.ran_out_of_memory);
  end = Run(Grouped("head -c 200M /dev/zero | tail -n 1 | wc -c; exit 3", kLimits));
  EXPECT_TRUE(end.ran_out_of_memory);
  EXPECT_NE(end.wait_status, 0);
  EXPECT_EQ(output_.find("209715200"), std::string::npos);
  EXPECT_TRUE(Folders().empty());
}

TEST_F(ControlGroupsTest, ACpuLimitIsTheKernelsQuota) {
  constexpr GroupLimits kLimits = {.cpu_millis = 250};
  if (!Absent(kLimits).empty()) GTEST_SKIP() << Absent(kLimits);
  Run(
      Grouped("for each in $(cut -d: -f3 /proc/self/cgroup); do "
              "cat /sys/fs/cgroup$each/cpu.max /sys/fs/cgroup/cpu*$each/cpu.cfs_*_us; "
              "done 2>/dev/null | grep '^25000\\( 100000\\)\\?$' | sort -u",
              kLimits));
  EXPECT_TRUE(output_ == "25000\n" || output_ == "25000 100000\n") << output_;
  EXPECT_TRUE(Folders().empty());
}

// Nothing but its group is left to know it by.
TEST_F(ControlGroupsTest, WhatHasLeftTheProcessGroupOfADeadSupervisorIsKilled) {
  if (!Absent().empty()) GTEST_SKIP() << Absent();
  auto command = Command::Start(Grouped("setsid sh -c 'echo $$; exec sleep 1000' & wait"));
  ASSERT_TRUE(command.ok()) << command.status();
  const pid_t away = AwaitPidInOutput();
  const pid_t supervisor = files_.ReadState()->supervisor;
  ASSERT_GT(supervisor, 0);
  kill(supervisor, SIGKILL);
  EXPECT_TRUE(Watch(command->get()).lost);
  EXPECT_TRUE(IsDead(away));
  EXPECT_TRUE(Eventually([&] { return Folders().empty(); }));
}

TEST_F(ControlGroupsTest, WhatAnEarlierProcessLeftIsRemovedUnlessItIsKnown) {
  if (!Absent().empty()) GTEST_SKIP() << Absent();
  for (const char* name : {"7-1", "8-1"}) ASSERT_TRUE(groups_.Make(name, {}).ok());
  groups_.RemoveAllBut({"8-1"});
  EXPECT_EQ(Folders(), std::vector<std::string>{"8-1"});
  groups_.RemoveAllBut({});
  EXPECT_TRUE(Folders().empty());
}

}  // namespace
}  // namespace closewrite::executor
