#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "services/coordinator/api/api_fixture.h"
#include "services/coordinator/api/lock_view.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr char kLock[] = "picky-api";

class LockServiceTest : public ApiFixture {
 protected:
  // A call of AcquireLock, which goes on until it is dropped.
  class Acquisition {
   public:
    Acquisition(v1::LockService::Stub* stub, const v1::AcquireLockRequest& request)
        : stream_(stub->AcquireLock(&context_, request)) {}
    ~Acquisition() { context_.TryCancel(); }

    // The next message; the last one again when the call has ended.
    const v1::AcquireLockResponse& Next() {
      ended_ = !stream_->Read(&last_);
      return last_;
    }
    // Reads on until it holds the lock.
    const v1::AcquireLockResponse& Held() {
      while (!last_.claim().has_held_since() && !ended_) Next();
      EXPECT_TRUE(last_.claim().has_held_since()) << last_.ShortDebugString();
      return last_;
    }
    grpc::Status End() {
      while (stream_->Read(&last_)) {
      }
      return stream_->Finish();
    }

   private:
    grpc::ClientContext context_;
    std::unique_ptr<grpc::ClientReader<v1::AcquireLockResponse>> stream_;
    v1::AcquireLockResponse last_;
    bool ended_ = false;
  };

  static v1::AcquireLockRequest RequestOf(const std::string& name) {
    v1::AcquireLockRequest request;
    request.set_session_id("session-of-" + name + "-0123456789");
    request.set_lock(kLock);
    request.mutable_program()->set_host("vm-x");
    request.mutable_program()->set_pid(4711);
    request.mutable_program()->set_program(name);
    return request;
  }
  std::unique_ptr<Acquisition> Acquire(const v1::AcquireLockRequest& request) {
    return std::make_unique<Acquisition>(locks_.get(), request);
  }
  std::unique_ptr<Acquisition> Acquire(const std::string& name) { return Acquire(RequestOf(name)); }

  grpc::Status Release(const std::string& name) {
    v1::ReleaseLockRequest request;
    request.set_session_id(RequestOf(name).session_id());
    request.set_lock(kLock);
    grpc::ClientContext context;
    v1::ReleaseLockResponse response;
    return locks_->ReleaseLock(&context, request, &response);
  }
  grpc::Status Renew(const std::string& name) {
    v1::RenewLocksRequest request;
    request.set_session_id(RequestOf(name).session_id());
    grpc::ClientContext context;
    renewed_.Clear();
    return locks_->RenewLocks(&context, request, &renewed_);
  }
  grpc::Status SetCapacity(int capacity) {
    auto request = WithId<v1::SetLockRequest>(StrCat("set-", ++requests_));
    request.set_lock(kLock);
    request.set_capacity(capacity);
    grpc::ClientContext context;
    v1::SetLockResponse response;
    return locks_->SetLock(&context, request, &response);
  }
  v1::Lock List() {
    grpc::ClientContext context;
    v1::ListLocksResponse response;
    EXPECT_TRUE(locks_->ListLocks(&context, {}, &response).ok());
    for (const v1::Lock& lock : response.locks()) {
      if (lock.name() == kLock) return lock;
    }
    return {};
  }
  // Programs and jobs that hold it or wait, by what they are called.
  static std::string Names(const google::protobuf::RepeatedPtrField<v1::LockClaim>& claims) {
    std::string names;
    for (const v1::LockClaim& claim : claims) {
      absl::StrAppend(
          &names, names.empty() ? "" : " ",
          claim.job_id() == 0 ? claim.program().program() : absl::StrCat("job ", claim.job_id()));
    }
    return names;
  }
  void ApplyLocked(int priority = 0) {
    ConnectWatcher();
    v1::Pipeline locked = TestPipeline("enrich");
    locked.add_locks(kLock);
    locked.set_priority(priority);
    Apply(locked);
  }

  v1::RenewLocksResponse renewed_;
  int requests_ = 0;
};

TEST_F(LockServiceTest, OneHoldsItAndTheNextOneWaits) {
  const auto first = Acquire("first");
  const v1::AcquireLockResponse held = first->Held();
  EXPECT_GT(held.claim().token(), 0);
  EXPECT_EQ(held.session_ttl().seconds(), 10);
  EXPECT_TRUE(first->End().ok());
  const auto second = Acquire("second");
  const v1::AcquireLockResponse waits = second->Next();
  EXPECT_FALSE(waits.claim().has_held_since());
  EXPECT_EQ(waits.claim().token(), 0);
  EXPECT_EQ(waits.place(), 0);
  EXPECT_EQ(waits.message(),
            "lock picky-api held by first (pid 4711) on vm-x since 10:55:00 UTC, next in line");
  const auto third = Acquire("third");
  EXPECT_TRUE(absl::EndsWith(third->Next().message(), ", 2nd in line"));
  EXPECT_EQ(Names(List().holders()), "first");
  EXPECT_EQ(Names(List().waiters()), "second third");
  EXPECT_TRUE(Release("first").ok());
  EXPECT_GT(second->Held().claim().token(), held.claim().token());
  EXPECT_TRUE(absl::StrContains(third->Next().message(), "held by second"));
  EXPECT_TRUE(Release("second").ok());
  EXPECT_TRUE(Release("second").ok());  // that is no error
  third->Held();
  EXPECT_TRUE(Release("third").ok());
  EXPECT_EQ(List().name(), "");
}

TEST_F(LockServiceTest, LargerPriorityGoesFirst) {
  Acquire("first")->Held();
  const auto second = Acquire("second");
  second->Next();
  v1::AcquireLockRequest urgent = RequestOf("urgent");
  urgent.set_priority(5);
  const auto third = Acquire(urgent);
  third->Next();
  EXPECT_EQ(Names(List().waiters()), "urgent second");
  EXPECT_TRUE(Release("first").ok());
  third->Held();
}

TEST_F(LockServiceTest, WhoDoesNotWaitLeavesNothingBehind) {
  v1::AcquireLockRequest request = RequestOf("quick");
  request.set_no_wait(true);
  EXPECT_TRUE(Acquire(request)->Held().claim().has_held_since());
  v1::AcquireLockRequest other = RequestOf("other");
  other.set_no_wait(true);
  const auto busy = Acquire(other);
  EXPECT_FALSE(busy->Next().claim().has_held_since());
  EXPECT_TRUE(busy->End().ok());
  EXPECT_EQ(Names(List().waiters()), "");
  EXPECT_EQ(Renew("other").error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(LockServiceTest, IsFreeAgainWhenTheHolderIsNotHeardOf) {
  Acquire("first")->Held();
  const auto second = Acquire("second");
  second->Next();
  clock_.Advance(absl::Seconds(9));
  EXPECT_TRUE(Renew("first").ok());
  ASSERT_EQ(renewed_.claims().count(kLock), 1u);
  EXPECT_EQ(renewed_.session_ttl().seconds(), 10);
  EXPECT_TRUE(Renew("second").ok());
  clock_.Advance(absl::Seconds(9));
  EXPECT_TRUE(Renew("second").ok());
  Tick();
  EXPECT_EQ(Names(List().holders()), "first");  // it has lived for 18 s
  clock_.Advance(absl::Seconds(2));
  Tick();
  second->Held();
  EXPECT_EQ(Renew("first").error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(LockServiceTest, WhoWaitsAndIsNotHeardOfIsTold) {
  Acquire("first")->Held();
  const auto second = Acquire("second");
  second->Next();
  clock_.Advance(absl::Seconds(6));
  EXPECT_TRUE(Renew("first").ok());
  clock_.Advance(absl::Seconds(6));
  Tick();
  EXPECT_EQ(second->End().error_code(), grpc::StatusCode::ABORTED);
}

TEST_F(LockServiceTest, TheSameCallGoesOnWithItsPlace) {
  Acquire("first")->Held();
  Acquire("second")->Next();  // and breaks off
  const auto third = Acquire("third");
  third->Next();
  const auto again = Acquire("second");
  again->Next();
  EXPECT_EQ(Names(List().waiters()), "second third");
  EXPECT_TRUE(Release("first").ok());
  const int64_t token = again->Held().claim().token();
  EXPECT_EQ(Acquire("second")->Held().claim().token(), token);
}

TEST_F(LockServiceTest, SeveralHoldOneOfLargerCapacity) {
  v1::AcquireLockRequest request = RequestOf("first");
  request.set_capacity(2);
  Acquire(request)->Held();
  Acquire("second")->Held();
  const auto third = Acquire("third");
  EXPECT_TRUE(absl::StrContains(third->Next().message(), " and by 1 other, next in line"));
  EXPECT_EQ(List().capacity(), 2);
  v1::AcquireLockRequest other = RequestOf("other");
  other.set_capacity(3);
  const grpc::Status wrong = Acquire(other)->End();
  EXPECT_EQ(wrong.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(absl::StrContains(wrong.error_message(), "has capacity 2, not 3"));
  EXPECT_TRUE(SetCapacity(3).ok());
  third->Held();
  EXPECT_TRUE(SetCapacity(1).ok());
  EXPECT_EQ(List().holders_size(), 3);  // they go on
}

TEST_F(LockServiceTest, IsTakenAwayByForce) {
  Acquire("first")->Held();
  v1::BreakLockRequest request = WithId<v1::BreakLockRequest>("break");
  request.set_lock(kLock);
  request.set_reason("it hangs");
  v1::BreakLockResponse response;
  grpc::ClientContext context;
  EXPECT_TRUE(locks_->BreakLock(&context, request, &response).ok());
  EXPECT_EQ(Names(response.claims()), "first");
  EXPECT_EQ(Renew("first").error_code(), grpc::StatusCode::NOT_FOUND);
  grpc::ClientContext context2;
  request.set_request_id("again");
  EXPECT_EQ(locks_->BreakLock(&context2, request, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(LockServiceTest, JobsAndProgramsTakeTurns) {
  ApplyLocked();
  const auto first = Acquire("first");
  first->Held();
  const SessionId executor = OpenSession("vm-c-1", 4);
  Announce("a.csv");
  const v1::Job job = Get(1);
  EXPECT_EQ(job.state(), v1::JOB_STATE_AVAILABLE);
  EXPECT_EQ(job.waiting().reason(), v1::WAITING_REASON_LOCK);
  EXPECT_EQ(job.waiting().message(),
            "lock picky-api held by first (pid 4711) on vm-x since 10:55:00 UTC, next in line");
  clock_.Advance(absl::Seconds(1));
  const auto second = Acquire("second");
  EXPECT_EQ(second->Next().place(), 1);
  EXPECT_EQ(Names(List().waiters()), "job 1 second");
  clock_.Advance(absl::Seconds(1));
  Announce("b.csv");
  EXPECT_EQ(Names(List().waiters()), "job 1 second job 2");
  EXPECT_TRUE(Release("first").ok());
  EXPECT_EQ(Get(1).state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(Names(List().holders()), "job 1");
  EXPECT_EQ(List().holders(0).pipeline(), "enrich");
  ReportRunning(executor, Lease{JobId{1}, FencingToken{1}}, 99);
  EXPECT_EQ(List().holders(0).program().pid(), 99);
  ReportEnd(executor, Lease{JobId{1}, FencingToken{1}}, Outcome::kFailed, 3);
  second->Held();
  EXPECT_EQ(Get(2).state(), v1::JOB_STATE_AVAILABLE);
  EXPECT_TRUE(Release("second").ok());
  EXPECT_EQ(Get(2).state(), v1::JOB_STATE_RUNNING);
}

// Otherwise a job for which there is no executor would hold everybody up.
TEST_F(LockServiceTest, JobsWithoutASlotLetProgramsPass) {
  ApplyLocked(/*priority=*/5);
  Announce("a.csv");
  Acquire("first")->Held();
}

TEST_F(LockServiceTest, AJobsLockIsNotTakenByForce) {
  ApplyLocked();
  OpenSession("vm-c-1", 4);
  Announce("a.csv");
  v1::BreakLockRequest request = WithId<v1::BreakLockRequest>("break");
  request.set_lock(kLock);
  v1::BreakLockResponse response;
  grpc::ClientContext context;
  const grpc::Status status = locks_->BreakLock(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(absl::StrContains(status.error_message(), "`closewrite cancel 1`"));
  EXPECT_EQ(Names(List().holders()), "job 1");
}

TEST_F(LockServiceTest, IsWatched) {
  grpc::ClientContext context;
  v1::WatchLockRequest request;
  request.set_lock(kLock);
  const auto stream = locks_->WatchLock(&context, request);
  v1::WatchLockResponse seen;
  ASSERT_TRUE(stream->Read(&seen));
  EXPECT_EQ(seen.lock().name(), kLock);
  EXPECT_EQ(seen.lock().capacity(), 1);
  EXPECT_EQ(seen.lock().holders_size(), 0);
  Acquire("first")->Held();
  while (seen.lock().holders_size() == 0) ASSERT_TRUE(stream->Read(&seen));
  EXPECT_EQ(Names(seen.lock().holders()), "first");
  EXPECT_TRUE(Release("first").ok());
  while (seen.lock().holders_size() != 0) ASSERT_TRUE(stream->Read(&seen));
  context.TryCancel();
}

TEST_F(LockServiceTest, RefusesWhatIsMalformed) {
  const auto code = [&](auto change) {
    v1::AcquireLockRequest request = RequestOf("first");
    change(request);
    return Acquire(request)->End().error_code();
  };
  constexpr auto kWrong = grpc::StatusCode::INVALID_ARGUMENT;
  EXPECT_EQ(code([](auto& r) { r.set_session_id("short"); }), kWrong);
  EXPECT_EQ(code([](auto& r) { r.set_session_id("with/slash-0123456789"); }), kWrong);
  EXPECT_EQ(code([](auto& r) { r.set_lock("Not A Name"); }), kWrong);
  EXPECT_EQ(code([](auto& r) { r.set_priority(1001); }), kWrong);
  EXPECT_EQ(code([](auto& r) { r.set_capacity(1001); }), kWrong);
  EXPECT_EQ(code([](auto& r) { r.mutable_program()->set_host(std::string(256, 'x')); }), kWrong);
  EXPECT_EQ(SetCapacity(0).error_code(), kWrong);
}

TEST_F(LockServiceTest, CallsAreTakenAtTheirRate) {
  const auto take = [&](int64_t calls, int64_t wait_max_s, bool define, bool again = false) {
    auto request = WithId<v1::TakeRateRequest>(StrCat("take-", again ? requests_ : ++requests_));
    request.set_rate("api-x");
    request.set_calls(calls);
    if (wait_max_s >= 0) request.mutable_wait_max()->set_seconds(wait_max_s);
    if (define) request.set_limit(2);
    if (define) request.mutable_per()->set_seconds(10);
    grpc::ClientContext context;
    v1::TakeRateResponse response;
    const grpc::Status status = locks_->TakeRate(&context, request, &response);
    return std::pair(status.error_code(), response.wait().seconds());
  };
  using Answer = std::pair<grpc::StatusCode, int64_t>;
  EXPECT_EQ(take(1, -1, false).first, grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(take(1, -1, true), Answer(grpc::StatusCode::OK, 0));
  EXPECT_EQ(take(1, -1, false), Answer(grpc::StatusCode::OK, 0));
  EXPECT_EQ(take(1, 4, false).first, grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(take(1, 5, false), Answer(grpc::StatusCode::OK, 5));
  EXPECT_EQ(take(1, 5, false, true), Answer(grpc::StatusCode::OK, 5));
  EXPECT_EQ(take(1, -1, false), Answer(grpc::StatusCode::OK, 10));  // after that one
  EXPECT_EQ(take(3, -1, false).first, grpc::StatusCode::INVALID_ARGUMENT);
  clock_.Advance(absl::Seconds(60));
  grpc::ClientContext context;
  v1::ListRatesResponse response;
  EXPECT_TRUE(locks_->ListRates(&context, {}, &response).ok());
  ASSERT_EQ(response.rates_size(), 1);
  EXPECT_EQ(response.rates(0).rate().name(), "api-x");
  EXPECT_EQ(response.rates(0).rate().limit(), 2);
  EXPECT_EQ(response.rates(0).available(), 2);
}

TEST_F(LockServiceTest, JobsBeginAtTheirRate) {
  ConnectWatcher();
  v1::Pipeline limited = TestPipeline("enrich");
  limited.mutable_rate()->set_name("api-x");
  limited.mutable_rate()->set_limit(2);
  limited.mutable_rate()->mutable_per()->set_seconds(4);
  Apply(limited);
  OpenSession("vm-c-1", 8);
  for (const char* name : {"a.csv", "b.csv", "c.csv", "d.csv"}) Announce(name);
  EXPECT_EQ(Get(2).state(), v1::JOB_STATE_RUNNING);
  const v1::Job third = Get(3);
  EXPECT_EQ(third.state(), v1::JOB_STATE_AVAILABLE);
  EXPECT_EQ(third.waiting().reason(), v1::WAITING_REASON_RATE);
  EXPECT_EQ(third.waiting().message(), "rate api-x lets the next one begin in 2s, next in line");
  clock_.Advance(absl::Milliseconds(1900));
  Tick();
  EXPECT_EQ(Get(3).state(), v1::JOB_STATE_AVAILABLE);
  clock_.Advance(absl::Milliseconds(100));
  Tick();
  EXPECT_EQ(Get(3).state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(Get(4).state(), v1::JOB_STATE_AVAILABLE);
  clock_.Advance(absl::Seconds(2));
  Tick();
  EXPECT_EQ(Get(4).state(), v1::JOB_STATE_RUNNING);
}

TEST(PlaceWordsTest, AreEnglish) {
  EXPECT_EQ(PlaceWords(0), "next in line");
  EXPECT_EQ(PlaceWords(1), "2nd in line");
  EXPECT_EQ(PlaceWords(2), "3rd in line");
  EXPECT_EQ(PlaceWords(10), "11th in line");
  EXPECT_EQ(PlaceWords(20), "21st in line");
  EXPECT_EQ(PlaceWords(111), "112th in line");
}

}  // namespace
}  // namespace closewrite
