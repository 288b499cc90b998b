#include "tests/hostile/executor_lies.h"

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "closewrite/v1/attend.grpc.pb.h"
#include "services/clock/clock.h"
#include "services/log_record/log_record.h"
#include "services/transport/errors.h"
#include "tests/hostile/sayings.h"
#include "tests/hostile/talk.h"

namespace closewrite::hostile {
namespace {

constexpr int kOutcomeMax = v1::ATTEMPT_OUTCOME_REFUSED;
// As long as a session's id may be in a call; see attend_service.h.
constexpr size_t kSessionIdBytesMax = 128;
constexpr size_t kLongIdBytes = 16 << 10;

// All that can be said of a lease, in one message.
v1::AttendRequest AllLies(const v1::LeaseRef& lease, int outcome) {
  v1::AttendRequest lie;
  lie.set_heartbeat(true);
  v1::RunningAttempt* const running = lie.add_running();
  *running->mutable_lease() = lease;
  running->set_pid(4711);
  running->mutable_progress()->set_done(99);
  running->mutable_progress()->set_total(100);
  v1::LogChunk* const log = lie.add_logs();
  *log->mutable_lease() = lease;
  AppendLogRecord(0, LogStream::kStdout, "a lie\n", log->mutable_data());
  v1::AttemptResult* const result = lie.add_results();
  *result->mutable_lease() = lease;
  result->set_outcome(static_cast<v1::AttemptOutcome>(outcome));
  result->set_message("a lie");
  if (outcome == v1::ATTEMPT_OUTCOME_SUCCEEDED) result->add_files()->set_path("lie.csv");
  return lie;
}

bool IsGivenTo(const v1::AttendResponse& answer, const v1::LeaseRef& lease) {
  for (const auto* leases : {&answer.held(), &answer.cancelled()}) {
    for (const v1::LeaseRef& each : *leases) {
      if (each.job_id() == lease.job_id()) return true;
    }
  }
  for (const v1::Assignment& each : answer.assignments()) {
    if (each.lease().job_id() == lease.job_id()) return true;
  }
  return false;
}

// All outcomes for one token, on a session of the liar's own. One that an executor can't report at
// all ends the stream.
void LieWithToken(const Stage& stage, const std::shared_ptr<grpc::Channel>& channel,
                  int64_t token) {
  const v1::LeaseRef lease = Lease(stage.options.job, token);
  std::unique_ptr<ExecutorTalk> talk;
  int64_t sequence = 1;
  for (int outcome = 0; outcome <= kOutcomeMax + 1; ++outcome) {
    const std::string what = absl::StrCat("token ", token, ", outcome ", outcome);
    if (talk == nullptr) {
      auto opened = OpenExecutor(channel, stage.options);
      if (!opened.ok()) return stage.findings.Add(what, opened.status(), false);
      talk = *std::move(opened);
      sequence = 1;
    }
    const auto answer = Ask(*talk, AllLies(lease, outcome), ++sequence);
    if (!answer.ok()) {
      stage.findings.Add(what, answer.status(), IsRefusal(answer.status()));
      talk.reset();
      continue;
    }
    const bool can_report = outcome >= v1::ATTEMPT_OUTCOME_SUCCEEDED && outcome <= kOutcomeMax &&
                            outcome != v1::ATTEMPT_OUTCOME_PUBLISH_FAILED;
    stage.findings.Add(what, absl::OkStatus(), can_report && !IsGivenTo(*answer, lease));
  }
}

using Channel = std::shared_ptr<grpc::Channel>;

absl::Status Resume(const Channel& channel, const Options& options, const std::string& name,
                    const std::string& session) {
  const auto talk = Attend(channel);
  talk->Say(ExecutorHello(options, name, session));
  return talk->Hear([](const auto& answer) { return !answer.session_id().empty(); }).status();
}

absl::Status End(const Channel& channel, const std::string& name, const std::string& session) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(WallTime() + kPatience));
  v1::EndSessionRequest request;
  request.set_session_id(session);
  request.set_executor(name);
  request.set_reason("a lie");
  v1::EndSessionResponse response;
  const auto stub = v1::AttendService::NewStub(channel);
  return FromGrpc(stub->EndSession(&context, request, &response));
}

std::vector<std::string> Guesses(const std::string& session) {
  std::vector<std::string> guesses = {
      "0",
      "1",
      "session1",
      "' OR '1'='1",
      "../../etc/passwd",
      "%",
      "*",
      "00000000-0000-0000-0000-000000000000",
      std::string(kSessionIdBytesMax, 'a'),
      std::string(kSessionIdBytesMax + 1, 'a'),
      std::string(kLongIdBytes, 'a'),
  };
  if (session.empty()) return guesses;
  guesses.push_back(session.substr(0, session.size() - 1));
  guesses.push_back(absl::StrCat(session, " "));
  guesses.push_back(absl::StrCat(session, std::string(1, '\0')));
  for (const char digit : std::string("0123456789abcdef")) {
    if (digit == session.back()) continue;
    guesses.push_back(session);
    guesses.back().back() = digit;
  }
  return guesses;
}

}  // namespace

void LieOfALease(const Stage& stage) {
  const std::optional<v1::GetJobResponse> before = LookAtJob(stage);
  const auto channel = stage.dialer.Dial();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  for (const int64_t token : {stage.options.token, stage.options.token - 1, stage.options.token + 1,
                              int64_t{-1}, -kMax - 1, kMax}) {
    LieWithToken(stage, channel, token);
  }
  AddUnchanged(stage, before);
}

void StealSessions(const Stage& stage) {
  const Options& options = stage.options;
  const Channel channel = stage.dialer.Dial();
  const std::optional<v1::GetJobResponse> before = LookAtJob(stage);
  const auto add = [&stage](const std::string& what, const absl::Status& answer, bool may_be_ok) {
    stage.findings.Add(what, answer, IsRefusal(answer) || (may_be_ok && answer.ok()));
  };
  if (!options.session.empty()) {
    add("resume a session of another's", Resume(channel, options, options.name, options.session),
        false);
    add("end a session of another's", End(channel, options.name, options.session), false);
  }
  // Without certificates whoever knows both a session and its executor speaks for it.
  if (options.tls() && !options.owner.empty()) {
    add("resume it under its executor's name",
        Resume(channel, options, options.owner, options.session), false);
    add("end it under its executor's name", End(channel, options.owner, options.session), false);
    Options disguised = options;
    disguised.host = options.owner_host;
    add("resume it as its executor's host",
        Resume(channel, disguised, options.owner, options.session), false);
    add("attend as its executor", Resume(channel, disguised, options.owner, ""), false);
  }
  for (const std::string& guess : Guesses(options.session)) {
    const std::string shown = absl::StrCat("session ", guess.substr(0, 40));
    add(absl::StrCat("resume ", shown), Resume(channel, options, options.name, guess), false);
    // One that is not there is left alone, and that is no error.
    add(absl::StrCat("end ", shown), End(channel, options.name, guess), true);
  }
  AddUnchanged(stage, before);
}

}  // namespace closewrite::hostile
