// Executors, supervisors and guardians are killed at random moments. The commands themselves see
// whether two of one job ever live at a time: each holds a lock, and so does all that it starts.
#include <poll.h>
#include <signal.h>

#include <filesystem>
#include <map>
#include <random>
#include <string>

#include "services/executor/executor_process.h"

namespace closewrite::executor {
namespace {

constexpr int kJobs = 3;
constexpr int kActions = 30;
constexpr int kPauseMsMax = 200;

class KillLoopTest : public ExecutorProcess, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    random_.seed(static_cast<unsigned>(testing::UnitTest::GetInstance()->random_seed()));
    Configure(coordinator_.address(),
              std::string("slots: 3\ncommands_outlive: ") + (GetParam() ? "true\n" : "false\n"));
  }

  int Random(int most) { return std::uniform_int_distribution<int>(0, most)(random_); }

  // Gives a job to the executor again when its attempt is over.
  void Tend(int64_t job) {
    if (coordinator_.Holds(job, tokens_[job])) return;
    v1::Assignment assignment =
        Job("exec 9>'" + root_ + "/lock-" + std::to_string(job) + "'; flock -n 9 || { echo >> '" +
            Taken() + "'; exit 1; }; sleep 1 & sleep 0.5; wait");
    assignment.mutable_lease()->set_job_id(job);
    assignment.mutable_lease()->set_token(++tokens_[job]);
    coordinator_.Assign(assignment);
  }

  bool SomethingRuns() {
    for (int64_t job = 1; job <= kJobs; ++job) Tend(job);
    bool runs = false;
    coordinator_.Await([&] {
      for (const auto& [key, attempt] : coordinator_.running) runs = runs || attempt.pid() != 0;
      runs = runs && coordinator_.streams > 0;
      return true;
    });
    return runs;
  }

  void Act() {
    switch (Random(3)) {
      case 0:
        Kill();
        break;
      case 1:
        if (const pid_t supervisor = ChildNamed("cw-supervisor"); supervisor != 0) {
          kill(supervisor, SIGKILL);
        }
        break;
      case 2:
        if (const pid_t guardian = ChildNamed("cw-guardian"); guardian != 0) {
          kill(guardian, SIGKILL);
        }
        Kill();
        break;
      default: {
        const pid_t supervisor = ChildNamed("cw-supervisor");
        Kill();
        if (supervisor != 0) kill(supervisor, SIGKILL);
      }
    }
  }

  bool HasSucceeded(int64_t job) {
    bool succeeded = false;
    coordinator_.Await([&] {
      const auto found = coordinator_.results.find(Key(job, tokens_[job]));
      succeeded = found != coordinator_.results.end() &&
                  found->second.outcome() == v1::ATTEMPT_OUTCOME_SUCCEEDED;
      return true;
    });
    return succeeded;
  }

  std::string Taken() const { return root_ + "/taken"; }

  FakeCoordinator coordinator_{absl::Seconds(3)};
  std::mt19937 random_;
  std::map<int64_t, int64_t> tokens_;
};

TEST_P(KillLoopTest, NoTwoCommandsOfOneJobLiveAtATime) {
  Start();
  for (int actions = 0; actions < kActions; ++actions) {
    if (Random(2) > 0) {
      EXPECT_TRUE(Eventually([&] { return SomethingRuns(); }));
    }
    poll(nullptr, 0, Random(kPauseMsMax));  // the moments are what is random here
    Act();
    poll(nullptr, 0, Random(kPauseMsMax) * Random(1));
    if (executor_ == 0) Start();
  }
  for (int64_t job = 1; job <= kJobs; ++job) {
    EXPECT_TRUE(Eventually([&] {
      if (HasSucceeded(job)) return true;
      Tend(job);
      return false;
    }));
  }
  EXPECT_FALSE(std::filesystem::exists(Taken()));
}

INSTANTIATE_TEST_SUITE_P(Outliving, KillLoopTest, testing::Bool());

}  // namespace
}  // namespace closewrite::executor
