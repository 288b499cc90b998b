#include "services/coordinator/api/lock_service.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "services/config/duration.h"
#include "services/coordinator/api/answer_once.h"
#include "services/coordinator/api/lock_streams.h"
#include "services/coordinator/api/lock_view.h"
#include "services/coordinator/api/run_codec.h"
#include "services/coordinator/api/violations.h"
#include "services/coordinator/convert.h"
#include "services/coordinator/core/rate_book.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

void CheckSession(const std::string& session, Violations* violations) {
  const bool good =
      session.size() >= kLockSessionBytesMin && session.size() <= kLockSessionBytesMax &&
      std::all_of(session.begin(), session.end(),
                  [](char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-'; });
  if (good) return;
  violations->Add("session_id", StrCat("give ", kLockSessionBytesMin, " to ", kLockSessionBytesMax,
                                       " of `a-z A-Z 0-9 _ -`, made from random bits"));
}

void CheckText(std::string_view field, const std::string& text, Violations* violations) {
  if (text.size() <= kLockTextBytesMax) return;
  violations->Add(field, StrCat("has ", text.size(), " bytes; at most ", kLockTextBytesMax));
}

void CheckNumber(std::string_view field, int64_t value, int64_t low, int64_t high,
                 Violations* violations) {
  if (value >= low && value <= high) return;
  violations->Add(field, StrCat("is ", value, "; give ", low, " to ", high));
}

absl::StatusOr<LockRequest> Decode(const v1::AcquireLockRequest& request) {
  Violations violations;
  CheckSession(request.session_id(), &violations);
  violations.AddUnlessOk("lock", CheckName("lock", request.lock()));
  CheckText("program.host", request.program().host(), &violations);
  CheckText("program.user", request.program().user(), &violations);
  CheckNumber("priority", request.priority(), -kPriorityMax, kPriorityMax, &violations);
  CheckNumber("capacity", request.capacity(), 0, kLockCapacityMax, &violations);
  if (!violations.empty()) return violations.ToStatus();
  return LockRequest{
      .claim = {.lock = request.lock(),
                .holder = request.session_id(),
                .host = request.program().host(),
                .pid = request.program().pid(),
                .program = std::string(Beginning(request.program().program(), kLockTextBytesMax)),
                .user = request.program().user(),
                .priority = request.priority()},
      .capacity = request.capacity()};
}

absl::Status CheckSessionAndLock(const std::string& session, const std::string& lock) {
  Violations violations;
  CheckSession(session, &violations);
  violations.AddUnlessOk("lock", CheckName("lock", lock));
  return violations.ToStatus();
}

void DecodeRate(int64_t limit, const google::protobuf::Duration& per, Rate* rate,
                Violations* violations) {
  *rate = {.limit = limit, .period = FromProto(per)};
  violations->AddUnlessOk("limit", CheckRate(*rate));
}

absl::StatusOr<RateRequest> Decode(const v1::TakeRateRequest& request) {
  Violations violations;
  violations.AddUnlessOk("rate", CheckName("rate", request.rate()));
  RateRequest decoded{.name = request.rate(), .calls = std::max<int64_t>(request.calls(), 1)};
  CheckNumber("calls", request.calls(), 0, kRateLimitMax, &violations);
  if (request.has_wait_max()) decoded.wait_max = FromProto(request.wait_max());
  if (request.limit() != 0 || request.has_per()) {
    DecodeRate(request.limit(), request.per(), &decoded.expected.emplace(), &violations);
  }
  if (!violations.empty()) return violations.ToStatus();
  return decoded;
}

void ShowRate(const StoredRate& stored, absl::Time now, v1::RateStatus* shown) {
  shown->mutable_rate()->set_name(stored.name);
  shown->mutable_rate()->set_limit(stored.rate.limit);
  *shown->mutable_rate()->mutable_per() = ToProto(stored.rate.period);
  shown->set_available(Available(stored.rate, stored.bucket, now));
  if (stored.bucket.full_at > now) SetTime(stored.bucket.full_at, shown->mutable_full_at());
}

// Answers once `step` is committed, for calls that may be made twice: they say what shall be so.
grpc::ServerUnaryReactor* AnswerAfter(StoreLoop& loop, grpc::CallbackServerContext* context,
                                      StoreLoop::Step step) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  loop.Submit(std::move(step),
              [reactor](const absl::Status& status) { reactor->Finish(ToGrpc(status)); });
  return reactor;
}

}  // namespace

grpc::ServerWriteReactor<v1::AcquireLockResponse>* LockService::AcquireLock(
    grpc::CallbackServerContext*, const v1::AcquireLockRequest* request) {
  absl::StatusOr<LockRequest> decoded = Decode(*request);
  if (!decoded.ok()) return RefusedStream<v1::AcquireLockResponse>::Open(decoded.status());
  return PushStream<v1::AcquireLockResponse>::Open(
      {.pump = &pump_,
       .feed = &feed_,
       .source =
           std::make_unique<LockAcquisition>(&loop_, *std::move(decoded), request->no_wait())});
}

grpc::ServerUnaryReactor* LockService::RenewLocks(grpc::CallbackServerContext* context,
                                                  const v1::RenewLocksRequest* request,
                                                  v1::RenewLocksResponse* response) {
  return AnswerAfter(loop_, context,
                     [session = request->session_id(), response](
                         Engine& engine, StoreTransaction& tx, absl::Time now) -> absl::Status {
                       response->Clear();
                       if (absl::Status s = engine.locks().Renew(tx, session, now); !s.ok())
                         return s;
                       for (const LockClaim& claim : engine.locks().ClaimsOf(tx, session)) {
                         (*response->mutable_claims())[claim.lock] = ShowClaim(claim);
                       }
                       *response->mutable_session_ttl() = ToProto(engine.fleet().session_ttl);
                       return absl::OkStatus();
                     });
}

grpc::ServerUnaryReactor* LockService::ReleaseLock(grpc::CallbackServerContext* context,
                                                   const v1::ReleaseLockRequest* request,
                                                   v1::ReleaseLockResponse*) {
  if (absl::Status s = CheckSessionAndLock(request->session_id(), request->lock()); !s.ok()) {
    return Answer(context, s);
  }
  return AnswerAfter(loop_, context,
                     [lock = request->lock(), session = request->session_id()](
                         Engine& engine, StoreTransaction& tx, absl::Time) {
                       engine.locks().Release(tx, lock, session);
                       return absl::OkStatus();
                     });
}

grpc::ServerUnaryReactor* LockService::BreakLock(grpc::CallbackServerContext* context,
                                                 const v1::BreakLockRequest* request,
                                                 v1::BreakLockResponse* response) {
  Violations violations;
  violations.AddUnlessOk("lock", CheckName("lock", request->lock()));
  CheckText("reason", request->reason(), &violations);
  if (!violations.empty()) return Answer(context, violations.ToStatus());
  return AnswerOnce<v1::BreakLockResponse>(
      api_, context, "BreakLock", *request, response,
      [lock = request->lock(), session = request->session_id(), reason = request->reason(),
       peer = context->peer()](Engine& engine, StoreTransaction& tx, absl::Time,
                               v1::BreakLockResponse* answer) -> absl::Status {
        const absl::StatusOr<std::vector<LockClaim>> broken =
            engine.locks().Break(tx, lock, session);
        if (!broken.ok()) return broken.status();
        for (const LockClaim& claim : *broken) {
          *answer->add_claims() = ShowClaim(claim);
          LogWarn("a lock was taken from its holder by force", {{"lock", lock},
                                                                {"holder", Shown(claim)},
                                                                {"session", claim.holder},
                                                                {"by", peer},
                                                                {"reason", reason}});
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* LockService::SetLock(grpc::CallbackServerContext* context,
                                               const v1::SetLockRequest* request,
                                               v1::SetLockResponse* response) {
  Violations violations;
  violations.AddUnlessOk("lock", CheckName("lock", request->lock()));
  CheckNumber("capacity", request->capacity(), 1, kLockCapacityMax, &violations);
  if (!violations.empty()) return Answer(context, violations.ToStatus());
  return AnswerOnce<v1::SetLockResponse>(
      api_, context, "SetLock", *request, response,
      [lock = request->lock(), capacity = request->capacity()](Engine& engine, StoreTransaction& tx,
                                                               absl::Time, v1::SetLockResponse*) {
        return engine.locks().SetCapacity(tx, lock, capacity);
      });
}

grpc::ServerUnaryReactor* LockService::ListLocks(grpc::CallbackServerContext* context,
                                                 const v1::ListLocksRequest*,
                                                 v1::ListLocksResponse* response) {
  std::vector<LockSnapshot> snapshots;
  loop_.Inspect([&](const Engine& engine) { snapshots = SnapshotsOf(engine, kLocksListedMax); });
  return Answer(context, loop_.store().Read([&](StoreReader& reader) {
    for (const LockSnapshot& snapshot : snapshots) {
      *response->add_locks() = ShowLock(reader, snapshot);
    }
    return absl::OkStatus();
  }));
}

grpc::ServerWriteReactor<v1::WatchLockResponse>* LockService::WatchLock(
    grpc::CallbackServerContext*, const v1::WatchLockRequest* request) {
  Violations violations;
  violations.AddUnlessOk("lock", CheckName("lock", request->lock()));
  if (!violations.empty()) {
    return RefusedStream<v1::WatchLockResponse>::Open(violations.ToStatus());
  }
  return PushStream<v1::WatchLockResponse>::Open(
      {.pump = &pump_,
       .feed = &feed_,
       .source = std::make_unique<LockWatch>(&loop_, request->lock())});
}

grpc::ServerUnaryReactor* LockService::TakeRate(grpc::CallbackServerContext* context,
                                                const v1::TakeRateRequest* request,
                                                v1::TakeRateResponse* response) {
  absl::StatusOr<RateRequest> decoded = Decode(*request);
  if (!decoded.ok()) return Answer(context, decoded.status());
  return AnswerOnce<v1::TakeRateResponse>(
      api_, context, "TakeRate", *request, response,
      [request = *std::move(decoded)](Engine&, StoreTransaction& tx, absl::Time now,
                                      v1::TakeRateResponse* answer) {
        absl::Duration wait;
        const absl::Status taken = closewrite::TakeRate(tx, request, now, &wait);
        *answer->mutable_wait() = ToProto(wait);
        return taken;
      });
}

grpc::ServerUnaryReactor* LockService::SetRate(grpc::CallbackServerContext* context,
                                               const v1::SetRateRequest* request,
                                               v1::SetRateResponse* response) {
  Violations violations;
  Rate rate;
  violations.AddUnlessOk("rate.name", CheckName("rate", request->rate().name()));
  DecodeRate(request->rate().limit(), request->rate().per(), &rate, &violations);
  if (!violations.empty()) return Answer(context, violations.ToStatus());
  return AnswerOnce<v1::SetRateResponse>(
      api_, context, "SetRate", *request, response,
      [name = request->rate().name(), rate](Engine& engine, StoreTransaction& tx, absl::Time now,
                                            v1::SetRateResponse*) {
        return engine.locks().SetRate(tx, name, rate, now);
      });
}

grpc::ServerUnaryReactor* LockService::ListRates(grpc::CallbackServerContext* context,
                                                 const v1::ListRatesRequest*,
                                                 v1::ListRatesResponse* response) {
  return Answer(context, loop_.store().Read([&](StoreReader& reader) {
    const absl::Time now = reader.Now(loop_.clock().Now());
    for (const StoredRate& stored : closewrite::ListRates(reader)) {
      ShowRate(stored, now, response->add_rates());
    }
    return absl::OkStatus();
  }));
}

}  // namespace closewrite
