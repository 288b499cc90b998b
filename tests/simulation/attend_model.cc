#include "tests/simulation/attend_model.h"

#include <utility>

namespace closewrite::simulation {
namespace {

// The planted bug: whatever token a result carries, it is made to fit.
void MakeTokensFit(StoreTransaction& tx, AttendReport& report) {
  for (AttendReport::Result& result : report.results) {
    const std::optional<Job> job = tx.GetJob(result.job);
    if (job.has_value()) result.end.token = job->token;
  }
}

}  // namespace

void AttendModel::Accept(const std::shared_ptr<AttendStream>& stream) {
  auto visit = std::make_shared<Visit>();
  visit->stream = stream;
  stream->Handle(AttendStream::ServerHandlers{
      .on_message = [this, visit](AttendUp request) { OnMessage(visit, std::move(request)); },
      .on_end = [this, visit] { OnEnd(visit); }});
}

void AttendModel::OnMessage(const std::shared_ptr<Visit>& visit, AttendUp request) {
  if (!visit->greeted) {
    visit->greeted = true;
    Greet(visit, *request.hello);
  }
  Report(visit, request);
}

void AttendModel::Greet(const std::shared_ptr<Visit>& visit, const ExecutorHello& hello) {
  auto ttl = std::make_shared<absl::Duration>();
  options_.loop->Submit(
      [hello, visit, ttl](Engine& engine, StoreTransaction& tx, absl::Time now) {
        visit->session.clear();
        absl::StatusOr<SessionId> opened = engine.dispatch().Open(tx, hello, now);
        if (!opened.ok()) return opened.status();
        visit->session = *opened;
        *ttl = engine.fleet().session_ttl;
        return absl::OkStatus();
      },
      [this, visit, ttl](const absl::Status& status) {
        if (!status.ok()) return visit->stream->End(status);
        const auto replaced = std::exchange(streams_[visit->session], visit->stream);
        if (replaced != nullptr) replaced->End(absl::AbortedError("a newer stream has taken over"));
        AttendDown response;
        response.session = visit->session;
        response.session_ttl = *ttl;
        visit->stream->SendDown(std::move(response));
      });
}

void AttendModel::Report(const std::shared_ptr<Visit>& visit, const AttendUp& request) {
  auto reply = std::make_shared<AttendReply>();
  options_.loop->Submit(
      [this, visit, reply, report = request.report](Engine& engine, StoreTransaction& tx,
                                                    absl::Time now) mutable {
        // Empty when the hello, which came before in the same order, was refused.
        if (visit->session.empty()) return absl::CancelledError("no session");
        report.session = visit->session;
        if (options_.skip_token_check) MakeTokensFit(tx, report);
        absl::StatusOr<AttendReply> got = engine.dispatch().Report(tx, report, now);
        if (!got.ok()) return got.status();
        options_.heard(visit->session);
        *reply = *std::move(got);
        return absl::OkStatus();
      },
      [this, visit, reply, results = request.report.results, sequence = request.sequence,
       heartbeat = request.report.heartbeat](const absl::Status& status) {
        if (!status.ok()) return visit->stream->End(status);
        AttendDown response;
        response.answered_sequence = sequence;
        for (const AttendReport::Result& result : results) {
          response.settled.push_back(Lease{result.job, result.end.token});
        }
        response.log_lengths = reply->log_lengths;
        response.assignments = reply->resend;
        if (heartbeat) {
          SendHeld(visit->session, std::move(response));
        } else {
          visit->stream->SendDown(std::move(response));
        }
      });
}

void AttendModel::OnEnd(const std::shared_ptr<Visit>& visit) {
  options_.loop->Submit(
      [this, visit](Engine& engine, StoreTransaction& tx, absl::Time) {
        if (visit->session.empty()) return absl::OkStatus();
        const AttendStream* const newest = Find(visit->session);
        if (newest != nullptr && newest != visit->stream.get()) return absl::OkStatus();
        if (!options_.renew_for_ever) engine.dispatch().Disconnect(tx, visit->session);
        return absl::OkStatus();
      },
      [this, visit](const absl::Status&) {
        const auto it = streams_.find(visit->session);
        if (it != streams_.end() && it->second == visit->stream) streams_.erase(it);
        if (options_.renew_for_ever && !visit->session.empty()) RenewForEver(visit->session);
      });
}

// The planted bug: nobody is there, and the session lives on.
void AttendModel::RenewForEver(const SessionId& session) {
  if (streams_.contains(session)) return;
  options_.loop->Submit(
      [session](Engine& engine, StoreTransaction& tx, absl::Time now) {
        return engine.dispatch().Report(tx, AttendReport{.session = session}, now).status();
      },
      [this, session](const absl::Status& status) {
        if (status.ok())
          options_.loop->After(absl::Seconds(1), [this, session] { RenewForEver(session); });
      });
}

void AttendModel::OnChange(const Effects& effects) {
  std::map<SessionId, AttendDown> messages;
  for (const Grant& grant : effects.grants) messages[grant.session].assignments.push_back(grant);
  for (const SessionId& session : effects.revoked) messages[session].complete = true;
  for (auto& [session, message] : messages) {
    if (message.complete) {
      SendHeld(session, std::move(message));
    } else if (AttendStream* const stream = Find(session)) {
      stream->SendDown(std::move(message));
    }
  }
  for (const SessionId& session : effects.expired) {
    if (AttendStream* const stream = Find(session)) {
      stream->End(absl::NotFoundError("the session has expired"));
    }
  }
  for (const SessionId& session : effects.moved) {
    if (AttendStream* const stream = Find(session)) {
      stream->End(absl::AbortedError("the session attends another coordinator by now"));
    }
  }
}

void AttendModel::SendHeld(const SessionId& session, AttendDown response) {
  AttendStream* const stream = Find(session);
  if (stream == nullptr) return;
  const auto it = options_.engine->fleet().sessions.find(session);
  if (it == options_.engine->fleet().sessions.end()) return;
  response.complete = true;
  response.held = it->second.Kept();
  stream->SendDown(std::move(response));
}

AttendStream* AttendModel::Find(const SessionId& session) {
  const auto it = streams_.find(session);
  return it == streams_.end() ? nullptr : it->second.get();
}

}  // namespace closewrite::simulation
