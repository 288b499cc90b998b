#include "services/executor/guardian.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "closewrite/v1/attend.grpc.pb.h"
#include "services/clock/clock.h"
#include "services/config/command_line.h"
#include "services/executor/hello.h"
#include "services/executor/last_words.h"
#include "services/executor/process_group.h"
#include "services/executor/supervisor_protocol.h"
#include "services/log/log.h"
#include "services/transport/errors.h"

namespace closewrite::executor {
namespace {

// How often the way to the coordinator is looked after while all is well.
constexpr int kLookAfterMs = 10000;
// Between two tries. An executor that starts meanwhile looks for the lock more often.
constexpr int kTryAgainMs = 100;

bool IsPassing(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsCancelled(status);
}

// False when it can't be read.
bool ReadConfig(v1::ExecutorConfig* config) {
  return config->ParseFromFileDescriptor(kGuardianConfigFd) && !config->state().empty();
}

}  // namespace

Guardian::End Guardian::Run() {
  if (!AwaitDeath()) return End::kDismissed;
  for (const pid_t group : groups_) {
    LogWarn("the supervisor of a command was killed; its process group is killed",
            {{"group", group}});
    if (!KillGroup(group)) return End::kStillAlive;
  }
  const absl::Duration give_up_at = SinceBoot() + kSpeakMax;
  for (;;) {
    if (const std::optional<End> end = Speak(); end.has_value()) return *end;
    if (SinceBoot() >= give_up_at) return End::kNotHeard;
    poll(nullptr, 0, kTryAgainMs);
  }
}

bool Guardian::AwaitDeath() {
  for (;;) {
    // Connects, and goes on connecting, so that there is no need to when it counts.
    options_.channel->Get();
    pollfd file = {options_.lifeline, POLLIN, 0};
    if (poll(&file, 1, kLookAfterMs) <= 0) continue;
    LifelineRecord record;
    const ssize_t count = recv(options_.lifeline, &record, sizeof record, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count != sizeof record) return true;
    if (record.kind == LifelineRecord::kDismissed) return false;
    if (record.kind == LifelineRecord::kGroupBegun) groups_.insert(record.pid);
    if (record.kind == LifelineRecord::kGroupEnded) groups_.erase(record.pid);
  }
}

std::optional<Guardian::End> Guardian::Speak() {
  // Nothing is made in a state directory that is gone.
  if (access((options_.config.state() + "/session").c_str(), R_OK) != 0) return End::kNoSession;
  const absl::StatusOr<Journal> journal = Journal::Open(options_.config.state(), kReleaseMax);
  if (absl::IsFailedPrecondition(journal.status())) return End::kTakenOver;
  if (!journal.ok()) {
    LogError("the state directory can't be read", {{"error", journal.status().message()}});
    return End::kNotHeard;
  }
  const std::string session = journal->Session();
  if (session.empty()) return End::kNoSession;
  v1::ExecutorHello hello = HelloOf(options_.config);
  hello.set_session_id(session);
  absl::Status status = SayLastWords(options_.channel->Get(), hello, *journal, kLastWordsMax);
  if (absl::IsAborted(status)) return End::kTakenOver;
  if (IsPassing(status)) return std::nullopt;
  if (!status.ok() && !absl::IsNotFound(status)) {
    LogWarn("the last words were refused", {{"error", status.message()}});
  }
  status = EndSession(session);
  if (IsPassing(status)) return std::nullopt;
  if (!status.ok()) {
    LogError("the session was not ended", {{"error", status.message()}});
    return End::kNotHeard;
  }
  // The next executor need not ask for it.
  [[maybe_unused]] const absl::Status ignored = journal->RecordSession("");
  return End::kEnded;
}

absl::Status Guardian::EndSession(const std::string& session) {
  v1::EndSessionRequest request;
  request.set_session_id(session);
  request.set_executor(options_.config.name());
  request.set_reason("the executor was killed, and all its commands are dead");
  v1::EndSessionResponse response;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(SteadyClock().Now() + kEndSessionMax));
  const auto stub = v1::AttendService::NewStub(options_.channel->Get());
  return FromGrpc(stub->EndSession(&context, request, &response));
}

int RunGuardian() {
  prctl(PR_SET_NAME, "cw-guardian");
  v1::ExecutorConfig config;
  if (!ReadConfig(&config)) {
    fprintf(stderr, "%s: started by closewrite-executor, not by hand\n", kGuardianName);
    return kExitUsage;
  }
  close(kGuardianConfigFd);
  InitLog("guardian");
  CoordinatorChannel channel(config.coordinator());
  Guardian guardian({.lifeline = kGuardianLifelineFd, .config = config, .channel = &channel});
  switch (guardian.Run()) {
    case Guardian::End::kDismissed:
    case Guardian::End::kNoSession:
      return kExitOk;
    case Guardian::End::kEnded:
      LogWarn("the executor was killed; its session is ended", {{"executor", config.name()}});
      return kExitOk;
    case Guardian::End::kTakenOver:
      LogInfo("the executor was killed; another one has taken over", {{"executor", config.name()}});
      return kExitOk;
    case Guardian::End::kStillAlive:
    case Guardian::End::kNotHeard:
      break;
  }
  LogWarn("the executor was killed; its session is left to expire", {{"executor", config.name()}});
  return kExitOurs;
}

}  // namespace closewrite::executor
