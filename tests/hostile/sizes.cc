#include "tests/hostile/sizes.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "closewrite/v1/attend.grpc.pb.h"
#include "services/clock/clock.h"
#include "services/transport/errors.h"
#include "tests/hostile/sayings.h"
#include "tests/hostile/talk.h"

namespace closewrite::hostile {
namespace {

// Of a message, 16 MiB are taken; see kMessageBytesMax in transport/channel.h.
constexpr size_t kLargeBytes = (size_t{16} << 20) - (size_t{100} << 10);
constexpr size_t kTooLargeBytes = size_t{17} << 20;
constexpr int kEntries = 100'000;

enum class Wanted {
  kAnswer,    // it is taken in, or refused: only nothing must happen
  kRefusal,   // a limit of ours, which the message of the error names
  kTooLarge,  // gRPC's
};

bool IsAsWanted(Wanted wanted, const absl::Status& answer) {
  switch (wanted) {
    case Wanted::kAnswer:
      return answer.ok() || IsRefusal(answer);
    case Wanted::kRefusal:
      return absl::IsInvalidArgument(answer);
    case Wanted::kTooLarge:
      return absl::IsResourceExhausted(answer) || absl::IsCancelled(answer);
  }
  return false;
}

struct ExecutorTry {
  const char* name;
  Wanted wanted;
  void (*fill)(v1::AttendRequest*);
};

struct WatcherTry {
  const char* name;
  Wanted wanted;
  void (*fill)(v1::ObserveRequest*);
};

template <class Request>
void Many(Request* request, void (*add)(Request*)) {
  for (int i = 0; i < kEntries; ++i) add(request);
}

constexpr ExecutorTry kExecutorTries[] = {
    {"a log of 15.9 MiB", Wanted::kAnswer,
     [](v1::AttendRequest* r) { r->add_logs()->set_data(std::string(kLargeBytes, 'x')); }},
    {"a log of 17 MiB", Wanted::kTooLarge,
     [](v1::AttendRequest* r) { r->add_logs()->set_data(std::string(kTooLargeBytes, 'x')); }},
    {"a message of a result of 15.9 MiB", Wanted::kAnswer,
     [](v1::AttendRequest* r) {
       r->add_results()->set_outcome(v1::ATTEMPT_OUTCOME_FAILED);
       r->mutable_results(0)->set_message(std::string(kLargeBytes, 'x'));
     }},
    {"100,000 logs", Wanted::kRefusal,
     [](v1::AttendRequest* r) { Many<v1::AttendRequest>(r, [](auto* m) { m->add_logs(); }); }},
    {"100,000 running", Wanted::kRefusal,
     [](v1::AttendRequest* r) { Many<v1::AttendRequest>(r, [](auto* m) { m->add_running(); }); }},
    {"100,000 results", Wanted::kRefusal,
     [](v1::AttendRequest* r) { Many<v1::AttendRequest>(r, [](auto* m) { m->add_results(); }); }},
    {"100,000 files of a result", Wanted::kRefusal,
     [](v1::AttendRequest* r) {
       v1::AttemptResult* const result = r->add_results();
       result->set_outcome(v1::ATTEMPT_OUTCOME_SUCCEEDED);
       for (int i = 0; i < kEntries; ++i) result->add_files()->set_path("x");
     }},
    {"100,000 volumes of a host", Wanted::kRefusal,
     [](v1::AttendRequest* r) {
       for (int i = 0; i < kEntries; ++i) r->mutable_health()->add_volumes()->set_volume("x");
     }},
};

constexpr ExecutorTry kHelloTries[] = {
    {"a hello with a version of 15.9 MiB", Wanted::kRefusal,
     [](v1::AttendRequest* r) {
       r->mutable_executor()->set_version(std::string(kLargeBytes, 'x'));
     }},
    {"a hello with 100,000 labels", Wanted::kRefusal,
     [](v1::AttendRequest* r) {
       for (int i = 0; i < kEntries; ++i) r->mutable_executor()->add_labels("x");
     }},
};

constexpr WatcherTry kWatcherTries[] = {
    {"a path of 15.9 MiB", Wanted::kRefusal,
     [](v1::ObserveRequest* r) {
       r->mutable_events(0)->mutable_file()->set_path(std::string(kLargeBytes, 'x'));
     }},
    {"a path of 17 MiB", Wanted::kTooLarge,
     [](v1::ObserveRequest* r) {
       r->mutable_events(0)->mutable_file()->set_path(std::string(kTooLargeBytes, 'x'));
     }},
    {"why nothing was published, in 15.9 MiB", Wanted::kAnswer,
     [](v1::ObserveRequest* r) { r->add_published()->set_error(std::string(kLargeBytes, 'x')); }},
    {"100,000 events", Wanted::kRefusal,
     [](v1::ObserveRequest* r) { Many<v1::ObserveRequest>(r, [](auto* m) { m->add_events(); }); }},
    {"100,000 published", Wanted::kRefusal,
     [](v1::ObserveRequest* r) {
       Many<v1::ObserveRequest>(r, [](auto* m) { m->add_published(); });
     }},
    {"100,000 staging directories", Wanted::kRefusal,
     [](v1::ObserveRequest* r) { Many<v1::ObserveRequest>(r, [](auto* m) { m->add_staging(); }); }},
    {"100,000 flushed", Wanted::kRefusal,
     [](v1::ObserveRequest* r) { Many<v1::ObserveRequest>(r, [](auto* m) { m->add_flushed(); }); }},
    {"100,000 looked", Wanted::kRefusal,
     [](v1::ObserveRequest* r) { Many<v1::ObserveRequest>(r, [](auto* m) { m->add_looked(); }); }},
    {"100,000 uploaded", Wanted::kRefusal,
     [](v1::ObserveRequest* r) {
       Many<v1::ObserveRequest>(r, [](auto* m) { m->add_uploaded(); });
     }},
    {"100,000 volumes", Wanted::kRefusal,
     [](v1::ObserveRequest* r) { Many<v1::ObserveRequest>(r, [](auto* m) { m->add_volumes(); }); }},
};

void Add(const Stage& stage, const char* name, Wanted wanted, const absl::Status& answer) {
  stage.findings.Add(name, answer, IsAsWanted(wanted, answer));
}

void TryExecutor(const Stage& stage, const std::shared_ptr<grpc::Channel>& channel,
                 const ExecutorTry& each) {
  auto talk = OpenExecutor(channel, stage.options);
  if (!talk.ok()) return stage.findings.Add(each.name, talk.status(), false);
  v1::AttendRequest request;
  each.fill(&request);
  Add(stage, each.name, each.wanted, Ask(**talk, std::move(request), 2).status());
}

void TryHello(const Stage& stage, const std::shared_ptr<grpc::Channel>& channel,
              const ExecutorTry& each) {
  const auto talk = Attend(channel);
  v1::AttendRequest hello = ExecutorHello(stage.options, FreshName(stage.options));
  each.fill(&hello);
  Add(stage, each.name, each.wanted, Ask(*talk, std::move(hello), 1).status());
}

void TryWatcher(const Stage& stage, const std::shared_ptr<grpc::Channel>& channel,
                const WatcherTry& each) {
  auto talk = OpenWatcher(channel, stage.options);
  if (!talk.ok()) return stage.findings.Add(each.name, talk.status(), false);
  // Beside a good event, and with all that makes it a heartbeat.
  v1::ObserveRequest request = WatcherHello(stage.options, {stage.options.volume});
  request.MergeFrom(Closed(stage.options.volume, "good"));
  each.fill(&request);
  Add(stage, each.name, each.wanted, Ask(**talk, request).status());
}

// "INVALID_ARGUMENT  a field is missing or too long", says attend.proto.
void TryEndSession(const Stage& stage, const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(WallTime() + kPatience));
  v1::EndSessionRequest request;
  request.set_session_id("x");
  request.set_executor(std::string(kLargeBytes, 'x'));
  v1::EndSessionResponse response;
  const auto stub = v1::AttendService::NewStub(channel);
  Add(stage, "an end of a session, of an executor whose name has 15.9 MiB", Wanted::kRefusal,
      FromGrpc(stub->EndSession(&context, request, &response)));
}

}  // namespace

void SendHugeMessages(const Stage& stage) {
  const std::optional<v1::GetJobResponse> before = LookAtJob(stage);
  const auto channel = stage.dialer.Dial();
  for (const ExecutorTry& each : kExecutorTries) TryExecutor(stage, channel, each);
  for (const ExecutorTry& each : kHelloTries) TryHello(stage, channel, each);
  for (const WatcherTry& each : kWatcherTries) TryWatcher(stage, channel, each);
  TryEndSession(stage, channel);
  AddUnchanged(stage, before);
}

}  // namespace closewrite::hostile
