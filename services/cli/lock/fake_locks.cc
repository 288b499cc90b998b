#include "services/cli/lock/fake_locks.h"

#include <algorithm>
#include <utility>

#include "closewrite/v1/lock.grpc.pb.h"
#include "services/clock/clock.h"
#include "services/config/duration.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite::cli {
namespace {

constexpr absl::Duration kAwaitMax = absl::Seconds(60);
constexpr absl::Duration kTick = absl::Milliseconds(20);
constexpr int64_t kTime = 4'102'484'400;  // 2100-01-01T11:00:00Z

bool WasPutIn(const v1::LockClaim& claim) {
  return claim.session_id().empty() || claim.session_id().rfind("fake", 0) == 0;
}

std::string Place(int place) { return place == 0 ? "next" : StrCat(place + 1, ". in line"); }

}  // namespace

class FakeLocks::Service : public v1::LockService::Service {
 public:
  Service(FakeLocks* locks, std::shared_ptr<FakeState> state)
      : locks_(*locks), state_(std::move(state)) {}

  grpc::Status AcquireLock(grpc::ServerContext* context, const v1::AcquireLockRequest* request,
                           grpc::ServerWriter<v1::AcquireLockResponse>* writer) override {
    if (const grpc::Status status = Begin(*request); !status.ok()) return status;
    std::string told;
    while (!context->IsCancelled() && !stopping()) {
      v1::AcquireLockResponse response;
      bool over = false;
      {
        absl::MutexLock lock(&locks_.mutex_);
        locks_.Tick();
        int place = 0;
        v1::LockClaim* claim = locks_.Find(request->lock(), request->session_id(), &place);
        if (claim == nullptr) return {grpc::StatusCode::ABORTED, "the claim was taken away"};
        *response.mutable_claim() = *claim;
        *response.mutable_session_ttl() = ToProto(locks_.ttl_);
        response.set_place(place);
        over = claim->token() != 0 || request->no_wait();
        if (claim->token() == 0) Refuse(*request, place, &response);
      }
      const std::string now = response.ShortDebugString();
      if (std::exchange(told, now) != now) writer->Write(response);
      if (over) return grpc::Status::OK;
      Pause();
    }
    return {grpc::StatusCode::UNAVAILABLE, "stopping"};
  }

  grpc::Status RenewLocks(grpc::ServerContext*, const v1::RenewLocksRequest* request,
                          v1::RenewLocksResponse* response) override {
    absl::MutexLock lock(&locks_.mutex_);
    if (!locks_.renewal_status_.ok()) return ToGrpc(locks_.renewal_status_);
    locks_.Tick();
    const auto session = locks_.sessions_.find(request->session_id());
    if (session == locks_.sessions_.end()) {
      return {grpc::StatusCode::NOT_FOUND, "the session has ended"};
    }
    session->second = SinceBoot() + locks_.ttl_;
    *response->mutable_session_ttl() = ToProto(locks_.ttl_);
    for (const auto& [name, each] : locks_.locks_) {
      int place = 0;
      const v1::LockClaim* claim = locks_.Find(name, request->session_id(), &place);
      if (claim != nullptr) (*response->mutable_claims())[name] = *claim;
    }
    ++locks_.renewals_;
    return grpc::Status::OK;
  }

  grpc::Status ReleaseLock(grpc::ServerContext*, const v1::ReleaseLockRequest* request,
                           v1::ReleaseLockResponse*) override {
    Note(*request);
    absl::MutexLock lock(&locks_.mutex_);
    if (locks_.on_release_) locks_.on_release_();
    locks_.Drop(
        [&](const v1::LockClaim& claim) { return claim.session_id() == request->session_id(); });
    return grpc::Status::OK;
  }

  grpc::Status BreakLock(grpc::ServerContext*, const v1::BreakLockRequest* request,
                         v1::BreakLockResponse* response) override {
    absl::MutexLock lock(&locks_.mutex_);
    locks_.broken_ = *request;
    const v1::Lock before = locks_.Get(request->lock());
    for (const v1::LockClaim& claim : before.holders()) {
      if (claim.session_id().empty()) {
        return {grpc::StatusCode::FAILED_PRECONDITION, "a job holds it: cancel it"};
      }
      *response->add_claims() = claim;
    }
    locks_.Get(request->lock()).clear_holders();
    return grpc::Status::OK;
  }

  grpc::Status SetLock(grpc::ServerContext*, const v1::SetLockRequest* request,
                       v1::SetLockResponse*) override {
    absl::MutexLock lock(&locks_.mutex_);
    locks_.Get(request->lock()).set_capacity(request->capacity());
    return grpc::Status::OK;
  }

  grpc::Status ListLocks(grpc::ServerContext*, const v1::ListLocksRequest*,
                         v1::ListLocksResponse* response) override {
    absl::MutexLock lock(&locks_.mutex_);
    locks_.Tick();
    for (const auto& [name, each] : locks_.locks_) *response->add_locks() = each;
    return grpc::Status::OK;
  }

  grpc::Status WatchLock(grpc::ServerContext* context, const v1::WatchLockRequest* request,
                         grpc::ServerWriter<v1::WatchLockResponse>* writer) override {
    Begin();
    std::string told;
    while (!context->IsCancelled() && !stopping()) {
      v1::WatchLockResponse response;
      {
        absl::MutexLock lock(&locks_.mutex_);
        locks_.Tick();
        *response.mutable_lock() = locks_.Get(request->lock());
      }
      const std::string now = response.ShortDebugString();
      if (std::exchange(told, now) != now) writer->Write(response);
      Pause();
    }
    return {grpc::StatusCode::UNAVAILABLE, "stopping"};
  }

  grpc::Status TakeRate(grpc::ServerContext*, const v1::TakeRateRequest* request,
                        v1::TakeRateResponse* response) override {
    absl::MutexLock lock(&locks_.mutex_);
    locks_.taken_ = *request;
    *response->mutable_wait() = ToProto(locks_.take_wait_);
    return ToGrpc(locks_.take_status_);
  }

  grpc::Status SetRate(grpc::ServerContext*, const v1::SetRateRequest* request,
                       v1::SetRateResponse*) override {
    absl::MutexLock lock(&locks_.mutex_);
    locks_.rate_set_ = *request;
    return grpc::Status::OK;
  }

  grpc::Status ListRates(grpc::ServerContext*, const v1::ListRatesRequest*,
                         v1::ListRatesResponse* response) override {
    absl::MutexLock lock(&locks_.mutex_);
    *response->mutable_rates() = {locks_.rates_.begin(), locks_.rates_.end()};
    return grpc::Status::OK;
  }

 private:
  bool stopping() {
    absl::MutexLock lock(&state_->mutex);
    return state_->stopping;
  }

  void Note(const google::protobuf::Message& request) {
    absl::MutexLock lock(&state_->mutex);
    state_->Enter(request);
  }

  void Begin() {
    absl::MutexLock lock(&state_->mutex);
    ++state_->streams;
  }

  // Puts the claim in line, if it is not there already.
  grpc::Status Begin(const v1::AcquireLockRequest& request) {
    Begin();
    Note(request);
    absl::MutexLock lock(&locks_.mutex_);
    if (!locks_.acquire_status_.ok()) return ToGrpc(locks_.acquire_status_);
    locks_.Tick();
    v1::Lock& kept = locks_.Get(request.lock());
    if (request.capacity() != 0) kept.set_capacity(request.capacity());
    locks_.sessions_.try_emplace(request.session_id(), SinceBoot() + locks_.ttl_);
    int place = 0;
    if (locks_.Find(request.lock(), request.session_id(), &place) != nullptr) {
      return grpc::Status::OK;
    }
    v1::LockClaim* claim = kept.add_waiters();
    claim->set_session_id(request.session_id());
    *claim->mutable_program() = request.program();
    claim->set_priority(request.priority());
    claim->mutable_asked_at()->set_seconds(kTime);
    return grpc::Status::OK;
  }

  void Refuse(const v1::AcquireLockRequest& request, int place, v1::AcquireLockResponse* response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(locks_.mutex_) {
    const v1::Lock& kept = locks_.Get(request.lock());
    response->set_message(
        StrCat("lock ", request.lock(), " held by ",
               kept.holders().empty() ? "nobody" : kept.holders(0).program().program(), ", ",
               Place(place)));
    if (!request.no_wait()) return;
    locks_.Drop(
        [&](const v1::LockClaim& each) { return each.session_id() == request.session_id(); });
  }

  void Pause() {
    absl::MutexLock lock(&state_->mutex);
    const auto over = [this] { return state_->stopping; };
    state_->mutex.AwaitWithTimeout(absl::Condition(&over), kTick);
  }

  FakeLocks& locks_;
  const std::shared_ptr<FakeState> state_;
};

std::unique_ptr<grpc::Service> FakeLocks::MakeService(std::shared_ptr<FakeState> state) {
  return std::make_unique<Service>(this, std::move(state));
}

void FakeLocks::Tick() {
  const absl::Duration now = SinceBoot();
  for (auto session = sessions_.begin(); session != sessions_.end();) {
    if (session->second > now) {
      ++session;
      continue;
    }
    const std::string id = session->first;
    session = sessions_.erase(session);
    Drop([&](const v1::LockClaim& claim) { return claim.session_id() == id; });
  }
  for (auto& [name, lock] : locks_) {
    while (lock.holders_size() < lock.capacity() && !lock.waiters().empty() &&
           !WasPutIn(lock.waiters(0))) {
      v1::LockClaim* claim = lock.add_holders();
      *claim = lock.waiters(0);
      claim->set_token(++token_);
      claim->mutable_held_since()->set_seconds(kTime);
      lock.mutable_waiters()->DeleteSubrange(0, 1);
    }
    lock.set_waiting(lock.waiters_size());
  }
}

void FakeLocks::Drop(const std::function<bool(const v1::LockClaim&)>& which) {
  for (auto& [name, lock] : locks_) {
    for (auto* claims : {lock.mutable_holders(), lock.mutable_waiters()}) {
      claims->erase(std::remove_if(claims->begin(), claims->end(), which), claims->end());
    }
    lock.set_waiting(lock.waiters_size());
  }
}

v1::Lock& FakeLocks::Get(const std::string& name) {
  v1::Lock& lock = locks_[name];
  lock.set_name(name);
  if (lock.capacity() == 0) lock.set_capacity(1);
  return lock;
}

v1::LockClaim* FakeLocks::Find(const std::string& name, const std::string& session, int* place) {
  v1::Lock& lock = Get(name);
  *place = 0;
  for (v1::LockClaim& claim : *lock.mutable_holders()) {
    if (claim.session_id() == session) return &claim;
  }
  for (v1::LockClaim& claim : *lock.mutable_waiters()) {
    if (claim.session_id() == session) return &claim;
    ++*place;
  }
  return nullptr;
}

bool FakeLocks::Await(const std::function<bool()>& condition) {
  const absl::Duration end = SinceBoot() + kAwaitMax;
  const bool never = false;
  for (;;) {
    Tick();
    if (condition()) return true;
    if (SinceBoot() > end) return false;
    mutex_.AwaitWithTimeout(absl::Condition(&never), kTick);
  }
}

void FakeLocks::SetTtl(absl::Duration ttl) {
  absl::MutexLock lock(&mutex_);
  ttl_ = ttl;
}

void FakeLocks::Put(const v1::Lock& lock) {
  absl::MutexLock mutex(&mutex_);
  locks_[lock.name()] = lock;
  Tick();
}

void FakeLocks::Free(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  v1::Lock& kept = Get(name);
  for (auto* claims : {kept.mutable_holders(), kept.mutable_waiters()}) {
    claims->erase(std::remove_if(claims->begin(), claims->end(), WasPutIn), claims->end());
  }
}

void FakeLocks::Break(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  Get(name).clear_holders();
  Get(name).clear_waiters();
}

void FakeLocks::EndSessions() {
  absl::MutexLock lock(&mutex_);
  for (auto& [id, ends_at] : sessions_) ends_at = absl::ZeroDuration();
}

void FakeLocks::SetRenewalStatus(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  renewal_status_ = status;
}

void FakeLocks::SetAcquireStatus(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  acquire_status_ = status;
}

void FakeLocks::SetOnRelease(std::function<void()> on_release) {
  absl::MutexLock lock(&mutex_);
  on_release_ = std::move(on_release);
}

void FakeLocks::PutRate(const v1::RateStatus& rate) {
  absl::MutexLock lock(&mutex_);
  rates_.push_back(rate);
}

void FakeLocks::SetTake(const absl::Status& status, absl::Duration wait) {
  absl::MutexLock lock(&mutex_);
  take_status_ = status;
  take_wait_ = wait;
}

v1::Lock FakeLocks::lock(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  Tick();
  return Get(name);
}

int FakeLocks::renewals() {
  absl::MutexLock lock(&mutex_);
  return renewals_;
}

v1::TakeRateRequest FakeLocks::taken() {
  absl::MutexLock lock(&mutex_);
  return taken_;
}

v1::SetRateRequest FakeLocks::rate_set() {
  absl::MutexLock lock(&mutex_);
  return rate_set_;
}

v1::BreakLockRequest FakeLocks::broken() {
  absl::MutexLock lock(&mutex_);
  return broken_;
}

std::string FakeLocks::AwaitHolder(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  v1::Lock& kept = Get(name);
  const bool there = Await(
      [&] { return !kept.holders().empty() && !WasPutIn(kept.holders(kept.holders_size() - 1)); });
  return there ? kept.holders(kept.holders_size() - 1).program().program() : "";
}

std::string FakeLocks::AwaitWaiter(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  v1::Lock& kept = Get(name);
  const bool there = Await(
      [&] { return !kept.waiters().empty() && !WasPutIn(kept.waiters(kept.waiters_size() - 1)); });
  return there ? kept.waiters(kept.waiters_size() - 1).program().program() : "";
}

bool FakeLocks::AwaitFree(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  v1::Lock& kept = Get(name);
  return Await([&] { return kept.holders().empty(); });
}

bool FakeLocks::AwaitRenewals(int more) {
  absl::MutexLock lock(&mutex_);
  const int enough = renewals_ + more;
  return Await([&] { return renewals_ >= enough; });
}

}  // namespace closewrite::cli
