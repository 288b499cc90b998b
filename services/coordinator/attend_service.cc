#include "services/coordinator/attend_service.h"

#include <optional>
#include <string_view>
#include <utility>

#include "services/clock/clock.h"
#include "services/config/config.h"
#include "services/coordinator/convert.h"
#include "services/coordinator/host_identity.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

Expected WhatIsRead(const AttendReport& report) {
  Expected expected;
  for (const AttendReport::Running& running : report.running) {
    if (running.pid != 0) expected.jobs.push_back(running.lease.job);
  }
  for (const AttendReport::Result& result : report.results) expected.jobs.push_back(result.job);
  for (const AttendReport::Log& log : report.logs) expected.logs.push_back(log.lease);
  return expected;
}

absl::Status Check(const v1::EndSessionRequest& request) {
  const auto wrong = [](std::string_view field, std::string_view how) {
    return WithField(absl::InvalidArgumentError(StrCat(field, " ", how)), field, how);
  };
  if (request.session_id().empty()) return wrong("session_id", "is missing; say which session");
  if (request.session_id().size() > kSessionIdBytesMax) {
    return wrong("session_id", "is too long to be one");
  }
  if (request.executor().empty()) return wrong("executor", "is missing; say whose session it is");
  if (request.executor().size() > kNameBytesMax) return wrong("executor", "is too long to be one");
  if (request.reason().size() > kEndReasonBytesMax) {
    return wrong("reason", StrCat("is too long; at most ", kEndReasonBytesMax, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace

AttendService::AttendService(StoreLoop* loop, ChangeFeed* feed, HealthBoard* health,
                             const Callers* callers)
    : loop_(*loop),
      health_(*health),
      callers_(callers),
      subscription_(feed->Subscribe([this](const Effects& effects) { OnChange(effects); })) {}

AttendService::~AttendService() { subscription_.reset(); }

grpc::ServerBidiReactor<v1::AttendRequest, v1::AttendResponse>* AttendService::Attend(
    grpc::CallbackServerContext* context) {
  auto visit = std::make_shared<Visit>();
  if (callers_ != nullptr) visit->caller = callers_->Of(*context);
  visit->stream = Stream::Make();
  Stream* reactor = visit->stream.get();
  reactor->Begin(
      {
          .on_message =
              [this, visit](v1::AttendRequest request) { OnMessage(visit, std::move(request)); },
          .on_end = [this, visit] { OnEnd(visit); },
      },
      /*settles=*/true);
  ungreeted_.Enter(visit->stream);
  return reactor;
}

grpc::ServerUnaryReactor* AttendService::EndSession(grpc::CallbackServerContext* context,
                                                    const v1::EndSessionRequest* request,
                                                    v1::EndSessionResponse*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (absl::Status s = Check(*request); !s.ok()) {
    reactor->Finish(ToGrpc(s));
    return reactor;
  }
  const Caller caller = callers_ == nullptr ? Caller() : callers_->Of(*context);
  loop_.Submit(
      [session = SessionId(request->session_id()), executor = request->executor(), caller](
          Engine& engine, StoreTransaction& tx, absl::Time now) {
        const std::optional<SessionRecord> record = tx.FindSession(session);
        if (!record.has_value()) return absl::OkStatus();
        absl::Status may = CheckMayEnd(caller, record->executor.host);
        if (may.ok()) may = engine.dispatch().CheckOwner(tx, session, executor);
        if (may.ok()) engine.dispatch().Bury(tx, session, now);
        return may;
      },
      [reactor, request](const absl::Status& status) {
        if (status.ok()) {
          LogInfo("executor's host ended its session", {{"executor", request->executor()},
                                                        {"session", request->session_id()},
                                                        {"reason", request->reason()}});
        }
        reactor->Finish(ToGrpc(status));
      });
  return reactor;
}

void AttendService::Shutdown() {
  std::map<SessionId, std::shared_ptr<Stream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    streams.swap(streams_);
  }
  for (const auto& [session, stream] : streams) {
    stream->End(absl::UnavailableError("the coordinator is stopping"));
  }
}

void AttendService::OnMessage(const std::shared_ptr<Visit>& visit, v1::AttendRequest request) {
  std::shared_ptr<void> taken = budget_.TakeFor(visit->stream, Stream::TakesBytes(request));
  if (taken == nullptr) return;
  if (!visit->greeted) {
    visit->greeted = true;
    ungreeted_.Leave(visit->stream.get());
    Greet(visit, request);
  }
  Report(visit, std::move(request), std::move(taken));
}

void AttendService::Greet(const std::shared_ptr<Visit>& visit, const v1::AttendRequest& request) {
  if (!request.has_executor()) {
    visit->stream->End(absl::InvalidArgumentError("executor: the first message must carry it"));
    return;
  }
  absl::StatusOr<ExecutorHello> hello = FromProto(request.executor());
  if (!hello.ok()) return visit->stream->End(hello.status());
  absl::Status may = CheckMayAttend(visit->caller, *hello);
  if (!may.ok()) return visit->stream->End(std::move(may));
  auto ttl = std::make_shared<absl::Duration>();
  const std::string name = hello->name;
  loop_.Submit(
      [hello = *hello, visit, ttl](Engine& engine, StoreTransaction& tx, absl::Time now) {
        visit->session.clear();
        absl::StatusOr<SessionId> opened = engine.dispatch().Open(tx, hello, now);
        visit->over = absl::IsNotFound(opened.status());
        if (!opened.ok()) return opened.status();
        visit->session = *opened;
        *ttl = engine.fleet().session_ttl;
        return absl::OkStatus();
      },
      [this, visit, ttl, name](const absl::Status& status) {
        if (!status.ok()) return visit->stream->End(status);
        std::shared_ptr<Stream> replaced;
        {
          absl::MutexLock lock(&mutex_);
          if (stopping_) return visit->stream->End(absl::UnavailableError("stopping"));
          replaced = std::exchange(streams_[visit->session], visit->stream);
        }
        if (replaced != nullptr) replaced->End(absl::AbortedError("a newer stream has taken over"));
        LogInfo("executor attends", {{"executor", name}, {"session", visit->session}});
        v1::AttendResponse response;
        response.set_session_id(visit->session);
        *response.mutable_session_ttl() = ToProto(*ttl);
        visit->stream->Send(std::move(response));
      });
}

void AttendService::Report(const std::shared_ptr<Visit>& visit, v1::AttendRequest request,
                           std::shared_ptr<void> taken) {
  absl::StatusOr<AttendReport> report = FromProto(request);
  if (!report.ok()) return visit->stream->End(report.status());
  auto reply = std::make_shared<AttendReply>();
  const int64_t sequence = request.sequence();
  const bool heartbeat = request.heartbeat();
  Expected expected = WhatIsRead(*report);
  std::optional<v1::HostHealth> health;
  if (request.has_health()) health = std::move(*request.mutable_health());
  const absl::Time heard_at = WallTime();
  loop_.Submit(
      [visit, reply, report = *std::move(report)](Engine& engine, StoreTransaction& tx,
                                                  absl::Time now) mutable {
        // Empty when the hello, which came before in the same order, was refused.
        if (visit->session.empty()) {
          if (visit->over) engine.dispatch().Refuse(report);
          return absl::CancelledError("no session");
        }
        report.session = visit->session;
        absl::StatusOr<AttendReply> got = engine.dispatch().Report(tx, report, now);
        if (!got.ok()) return got.status();
        *reply = *std::move(got);
        return absl::OkStatus();
      },
      [this, visit, reply, sequence, heartbeat, health = std::move(health), heard_at,
       taken = std::move(taken)](const absl::Status& status) {
        if (!status.ok()) return visit->stream->End(status);
        if (health.has_value()) health_.Set(visit->session, visit.get(), *health, heard_at);
        v1::AttendResponse response;
        response.set_answered_sequence(sequence);
        for (const Lease& lease : reply->settled) *response.add_settled() = ToProto(lease);
        for (const auto& [lease, length] : reply->log_lengths) {
          v1::LogAck* ack = response.add_log_acks();
          *ack->mutable_lease() = ToProto(lease);
          ack->set_length(length);
        }
        for (const Grant& grant : reply->resend) *response.add_assignments() = ToProto(grant);
        if (heartbeat) {
          // By the stream that it came by: each numbers its messages from 1, so by a newer one it
          // would answer heartbeats that were not heard, and make leases longer than they are.
          SendHeld(visit->session, visit->stream.get(), std::move(response));
        } else {
          visit->stream->Send(std::move(response));
        }
      },
      std::move(expected));
}

void AttendService::OnEnd(const std::shared_ptr<Visit>& visit) {
  ungreeted_.Leave(visit->stream.get());
  loop_.Submit(
      [this, visit](Engine& engine, StoreTransaction& tx, absl::Time) {
        if (visit->session.empty()) return absl::OkStatus();
        const std::shared_ptr<Stream> newest = Find(visit->session);
        if (newest == nullptr || newest == visit->stream) {
          engine.dispatch().Disconnect(tx, visit->session);
        }
        return absl::OkStatus();
      },
      [this, visit](const absl::Status&) {
        if (visit->session.empty()) return;
        {
          absl::MutexLock lock(&mutex_);
          auto it = streams_.find(visit->session);
          if (it != streams_.end() && it->second == visit->stream) streams_.erase(it);
        }
        health_.Remove(visit->session, visit.get());
        LogInfo("executor's stream ended", {{"session", visit->session}});
      });
}

void AttendService::OnChange(const Effects& effects) {
  std::map<SessionId, v1::AttendResponse> messages;
  for (const Grant& grant : effects.grants) {
    *messages[grant.session].add_assignments() = ToProto(grant);
  }
  for (const SessionId& session : effects.revoked) messages[session].set_complete(true);
  for (auto& [session, message] : messages) {
    const std::shared_ptr<Stream> stream = Find(session);
    if (stream == nullptr) continue;
    if (message.complete()) {
      SendHeld(session, stream.get(), std::move(message));
    } else {
      stream->Send(std::move(message));
    }
  }
  for (const SessionId& session : effects.expired) {
    if (std::shared_ptr<Stream> stream = Find(session)) {
      stream->End(absl::NotFoundError("the session has expired"));
    }
  }
  for (const SessionId& session : effects.moved) {
    if (std::shared_ptr<Stream> stream = Find(session)) {
      stream->End(absl::AbortedError("the session attends another coordinator by now"));
    }
  }
}

void AttendService::SendHeld(const SessionId& session, Stream* stream,
                             v1::AttendResponse response) {
  response.set_complete(true);
  bool alive = false;
  loop_.Inspect([&](const Engine& engine) {
    auto it = engine.fleet().sessions.find(session);
    if (it == engine.fleet().sessions.end()) return;
    alive = true;
    response.set_drain(it->second.told_to_drain);
    for (const Lease& lease : it->second.Kept()) *response.add_held() = ToProto(lease);
    for (const Lease& lease : it->second.Cancelled()) *response.add_cancelled() = ToProto(lease);
  });
  if (alive) stream->Send(std::move(response));
}

std::shared_ptr<AttendService::Stream> AttendService::Find(const SessionId& session) {
  absl::MutexLock lock(&mutex_);
  auto it = streams_.find(session);
  return it == streams_.end() ? nullptr : it->second;
}

}  // namespace closewrite
