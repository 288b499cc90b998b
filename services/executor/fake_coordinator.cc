#include "services/executor/fake_coordinator.h"

#include <algorithm>

#include "services/config/config.h"
#include "services/log_record/log_record.h"

namespace closewrite::executor {
namespace {

FakeCoordinator::Key KeyOf(const v1::LeaseRef& lease) { return {lease.job_id(), lease.token()}; }

}  // namespace

FakeCoordinator::FakeCoordinator(absl::Duration session_ttl, int port) : session_ttl_(session_ttl) {
  server_ = *Server::Start(
      {.listen = "127.0.0.1:" + std::to_string(port), .reflection = false, .services = {this}});
}

FakeCoordinator::~FakeCoordinator() {
  server_->Shutdown(absl::ZeroDuration());
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](int* open) { return *open == 0; }, &streams));
}

std::string FakeCoordinator::address() const {
  return "127.0.0.1:" + std::to_string(server_->port());
}

grpc::ServerBidiReactor<v1::AttendRequest, v1::AttendResponse>* FakeCoordinator::Attend(
    grpc::CallbackServerContext*) {
  std::shared_ptr<Stream> stream = Stream::Make();
  {
    absl::MutexLock lock(&mutex_);
    ++streams;
  }
  Stream* reactor = stream.get();
  reactor->Begin(
      {.on_message = [this, stream](v1::AttendRequest request) { OnMessage(stream, request); },
       .on_end =
           [this, stream] {
             absl::MutexLock lock(&mutex_);
             --streams;
             if (stream_ == stream) stream_ = nullptr;
           }});
  return reactor;
}

bool FakeCoordinator::Greet(const std::shared_ptr<Stream>& stream, const v1::ExecutorHello& hello) {
  hellos.push_back(hello);
  if (!hello.session_id().empty() && hello.session_id() != session_) {
    stream->End(absl::NotFoundError("no such session"));
    return false;
  }
  if (hello.session_id().empty()) {
    session_ = "session-" + std::to_string(hellos.size());
    sessions.push_back(session_);
  }
  stream_ = stream;
  v1::AttendResponse response;
  response.set_session_id(session_);
  *response.mutable_session_ttl() = ToProto(session_ttl_);
  stream->Send(std::move(response));
  return true;
}

void FakeCoordinator::OnMessage(const std::shared_ptr<Stream>& stream,
                                const v1::AttendRequest& request) {
  absl::MutexLock lock(&mutex_);
  if (!answer_) return;
  if (request.has_executor() && !Greet(stream, request.executor())) return;
  v1::AttendResponse response;
  response.set_answered_sequence(request.sequence());
  Take(request, &response);
  if (request.heartbeat()) {
    response.set_complete(true);
    response.set_drain(drain_);
    for (const auto& [key, assignment] : leases_) {
      *response.add_held() = assignment.lease();
      if (running.count(key) == 0) *response.add_assignments() = assignment;
    }
  }
  stream->Send(std::move(response));
}

void FakeCoordinator::Take(const v1::AttendRequest& request, v1::AttendResponse* response) {
  draining = request.draining();
  if (request.heartbeat()) {
    ++heartbeats;
    running.clear();
  }
  for (const v1::RunningAttempt& attempt : request.running()) {
    running[KeyOf(attempt.lease())] = attempt;
  }
  for (const v1::LogChunk& chunk : request.logs()) {
    std::string& log = records[KeyOf(chunk.lease())];
    if (chunk.offset() <= static_cast<int64_t>(log.size())) {
      std::string& text = logs[KeyOf(chunk.lease())];
      if (chunk.offset() < static_cast<int64_t>(log.size())) {
        log.resize(static_cast<size_t>(chunk.offset()));
        text = LogText(log);
      }
      log += chunk.data();
      text += LogText(chunk.data());
    }
    v1::LogAck* ack = response->add_log_acks();
    *ack->mutable_lease() = chunk.lease();
    ack->set_length(static_cast<int64_t>(log.size()));
  }
  for (const v1::AttemptResult& result : request.results()) {
    if (leases_.erase(KeyOf(result.lease())) != 0) results[KeyOf(result.lease())] = result;
    if (request.has_health()) health[KeyOf(result.lease())] = request.health();
    running.erase(KeyOf(result.lease()));
    *response->add_settled() = result.lease();
  }
}

grpc::ServerUnaryReactor* FakeCoordinator::EndSession(grpc::CallbackServerContext* context,
                                                      const v1::EndSessionRequest* request,
                                                      v1::EndSessionResponse*) {
  absl::MutexLock lock(&mutex_);
  if (on_end_session_) on_end_session_();
  ended.push_back(request->session_id());
  if (request->session_id() == session_) {
    session_ = "ended";
    leases_.clear();
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

void FakeCoordinator::OnEndSession(std::function<void()> call) {
  absl::MutexLock lock(&mutex_);
  on_end_session_ = std::move(call);
}

void FakeCoordinator::Assign(const v1::Assignment& assignment) {
  absl::MutexLock lock(&mutex_);
  leases_[KeyOf(assignment.lease())] = assignment;
  if (stream_ == nullptr) return;
  v1::AttendResponse response;
  *response.add_assignments() = assignment;
  stream_->Send(std::move(response));
}

void FakeCoordinator::Withdraw(int64_t job, int64_t token) {
  absl::MutexLock lock(&mutex_);
  leases_.erase({job, token});
}

void FakeCoordinator::Drain() {
  absl::MutexLock lock(&mutex_);
  drain_ = true;
}

bool FakeCoordinator::Holds(int64_t job, int64_t token) {
  absl::MutexLock lock(&mutex_);
  return leases_.count({job, token}) != 0;
}

void FakeCoordinator::KnowSession(const std::string& session) {
  absl::MutexLock lock(&mutex_);
  session_ = session;
}

bool FakeCoordinator::HasSession() {
  absl::MutexLock lock(&mutex_);
  return !sessions.empty();
}

void FakeCoordinator::ExpireSession() {
  absl::MutexLock lock(&mutex_);
  session_ = "expired";
  leases_.clear();
  if (stream_ != nullptr) stream_->End(absl::NotFoundError("the session has expired"));
}

void FakeCoordinator::BreakStream() {
  absl::MutexLock lock(&mutex_);
  if (stream_ != nullptr) stream_->End(absl::UnavailableError("broken off by the test"));
}

void FakeCoordinator::Answer(bool answer) {
  absl::MutexLock lock(&mutex_);
  answer_ = answer;
}

void FakeCoordinator::Await(const std::function<bool()>& condition) {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](const std::function<bool()>* condition) { return (*condition)(); }, &condition));
}

}  // namespace closewrite::executor
