#include "services/coordinator/api/slow_calls.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace closewrite {
namespace {

class SlowCallsTest : public testing::Test {
 protected:
  // Keeps the thread until Release, or until it is told to end.
  void Occupy() {
    calls_.Submit(
        [this](absl::FunctionRef<bool()> go_on) {
          began_.Notify();
          while (go_on() && !released_.HasBeenNotified()) {
            released_.WaitForNotificationWithTimeout(absl::Milliseconds(1));
          }
          return go_on() ? absl::OkStatus() : absl::CancelledError("told to end");
        },
        Record("first"));
    began_.WaitForNotification();
  }
  SlowCalls::Work Nothing() {
    return [](absl::FunctionRef<bool()>) { return absl::OkStatus(); };
  }
  SlowCalls::Done Record(std::string name) {
    return [this, name = std::move(name)](const absl::Status& status) {
      absl::MutexLock lock(&mutex_);
      ended_.push_back(name + ": " + absl::StatusCodeToString(status.code()));
    };
  }
  std::vector<std::string> Ended() {
    absl::MutexLock lock(&mutex_);
    return ended_;
  }

  absl::Notification began_;
  absl::Notification released_;
  absl::Mutex mutex_;
  std::vector<std::string> ended_;
  SlowCalls calls_;
};

TEST_F(SlowCallsTest, RunsOneAfterAnother) {
  Occupy();
  absl::BlockingCounter two(2);
  for (const char* name : {"second", "third"}) {
    calls_.Submit(Nothing(), [&, done = Record(name)](const absl::Status& status) mutable {
      done(status);
      two.DecrementCount();
    });
  }
  EXPECT_TRUE(Ended().empty());
  released_.Notify();
  two.Wait();
  EXPECT_EQ(Ended(), (std::vector<std::string>{"first: OK", "second: OK", "third: OK"}));
}

TEST_F(SlowCallsTest, RefusesWhatIsTooMuch) {
  Occupy();
  for (size_t i = 0; i < kSlowCallsMax; ++i) calls_.Submit(Nothing(), Record("waits"));
  calls_.Submit(Nothing(), Record("too much"));
  EXPECT_EQ(Ended(), std::vector<std::string>{"too much: RESOURCE_EXHAUSTED"});
}

TEST_F(SlowCallsTest, EndsWhatGoesOnAndAnswersWhatWaits) {
  Occupy();
  calls_.Submit(Nothing(), Record("second"));
  calls_.Shutdown();
  EXPECT_EQ(Ended(), (std::vector<std::string>{"second: UNAVAILABLE", "first: UNAVAILABLE"}));
  calls_.Submit(Nothing(), Record("late"));
  EXPECT_EQ(Ended().back(), "late: UNAVAILABLE");
  calls_.Shutdown();
}

TEST_F(SlowCallsTest, MayNeverHaveBegun) { calls_.Shutdown(); }

}  // namespace
}  // namespace closewrite
