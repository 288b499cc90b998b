#include "tests/hostile/sayings.h"

#include <google/protobuf/util/message_differencer.h>
#include <unistd.h>

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "closewrite/v1/job.grpc.pb.h"
#include "services/clock/clock.h"
#include "services/transport/errors.h"

namespace closewrite::hostile {
namespace {

constexpr size_t kLedgerIdBytes = 16;

// The same for the same host, whenever it comes: another one of a host that is there is refused.
std::string LedgerId(const Options& options) {
  std::string id = options.host;
  id.resize(kLedgerIdBytes, 'x');
  return id;
}

}  // namespace

std::string FreshName(const Options& options) {
  static std::atomic<int> number = 0;
  return absl::StrCat(options.name, "-", getpid(), "-", ++number);
}

int64_t NextSequence() {
  // Numbers rise from process to process, too: what has a known one is taken for a repeat.
  static std::atomic<int64_t> next = absl::ToInt64Microseconds(SinceBoot());
  return ++next;
}

v1::AttendRequest ExecutorHello(const Options& options, const std::string& name,
                                const std::string& session) {
  v1::AttendRequest hello;
  hello.set_sequence(1);
  hello.set_heartbeat(true);
  v1::ExecutorHello* const executor = hello.mutable_executor();
  executor->set_name(name);
  executor->set_host(options.host);
  executor->set_session_id(session);
  executor->set_slots(1);
  executor->set_version("hostile");
  if (!options.label.empty()) executor->add_labels(options.label);
  for (const std::string& volume : options.roots) {
    (*executor->mutable_volume_roots())[volume] = "/nowhere";
  }
  return hello;
}

v1::ObserveRequest WatcherHello(const Options& options, const std::vector<std::string>& volumes) {
  v1::ObserveRequest hello;
  hello.set_host(options.host);
  hello.set_ledger_id(LedgerId(options));
  hello.set_version("hostile");
  hello.set_heartbeat(true);
  for (const std::string& volume : volumes) {
    v1::VolumeStatus* const status = hello.add_volumes();
    status->set_volume(volume);
    status->set_root("/nowhere");
    status->set_state(v1::VOLUME_STATE_LIVE);
  }
  return hello;
}

v1::ObserveRequest Closed(const std::string& volume, const std::string& path) {
  v1::ObserveRequest request;
  v1::FileEvent* const event = request.add_events();
  event->set_sequence(NextSequence());
  event->set_kind(v1::EVENT_KIND_CLOSE_WRITE);
  event->set_evidence(v1::EVIDENCE_CLOSED);
  event->set_source(v1::EVENT_SOURCE_INOTIFY);
  event->mutable_file()->set_volume(volume);
  event->mutable_file()->set_path(path);
  event->mutable_file()->set_inode(1);
  event->mutable_file()->set_size(1);
  event->mutable_file()->set_mtime_ns(1);
  return request;
}

v1::LeaseRef Lease(int64_t job, int64_t token) {
  v1::LeaseRef lease;
  lease.set_job_id(job);
  lease.set_token(token);
  return lease;
}

absl::StatusOr<std::unique_ptr<ExecutorTalk>> OpenExecutor(
    const std::shared_ptr<grpc::Channel>& channel, const Options& options) {
  auto talk = Attend(channel);
  talk->Say(ExecutorHello(options, FreshName(options)));
  const auto given = talk->Hear([](const auto& answer) { return !answer.session_id().empty(); });
  if (!given.ok()) return given.status();
  return talk;
}

absl::StatusOr<std::unique_ptr<WatcherTalk>> OpenWatcher(
    const std::shared_ptr<grpc::Channel>& channel, const Options& options) {
  auto talk = Observe(channel);
  const auto accepted = Ask(*talk, WatcherHello(options, {options.volume}));
  if (!accepted.ok()) return accepted.status();
  return talk;
}

absl::StatusOr<v1::AttendResponse> Ask(ExecutorTalk& talk, v1::AttendRequest request,
                                       int64_t sequence) {
  request.set_sequence(sequence);
  talk.Say(request);
  return talk.Hear(
      [sequence](const auto& answer) { return answer.answered_sequence() == sequence; });
}

absl::StatusOr<v1::ObserveResponse> Ask(WatcherTalk& talk, const v1::ObserveRequest& request) {
  talk.Say(request);
  return talk.Hear([](const auto& answer) { return answer.complete(); });
}

std::optional<v1::GetJobResponse> LookAtJob(const Stage& stage) {
  if (stage.options.job == 0) return std::nullopt;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(WallTime() + kPatience));
  v1::GetJobRequest request;
  request.set_job_id(stage.options.job);
  v1::GetJobResponse response;
  const auto stub = v1::JobService::NewStub(stage.dialer.Dial());
  const grpc::Status status = stub->GetJob(&context, request, &response);
  if (status.ok()) return response;
  stage.findings.Add("look at the job", FromGrpc(status), IsRefusal(FromGrpc(status)));
  return std::nullopt;
}

void AddUnchanged(const Stage& stage, const std::optional<v1::GetJobResponse>& before) {
  if (!before.has_value()) return;
  const std::optional<v1::GetJobResponse> after = LookAtJob(stage);
  const bool same =
      after.has_value() && google::protobuf::util::MessageDifferencer::Equals(*before, *after);
  const std::string is_now = after.has_value() ? after->ShortDebugString() : "gone";
  stage.findings.Add("the job is as it was",
                     same ? absl::OkStatus() : absl::DataLossError("it is now " + is_now), same);
}

}  // namespace closewrite::hostile
