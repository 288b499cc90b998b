#include "tests/hostile/watcher_lies.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/hostile/sayings.h"
#include "tests/hostile/talk.h"

namespace closewrite::hostile {
namespace {

constexpr size_t kLongPathBytes = 5000;
constexpr size_t kShownBytesMax = 60;

// What the coordinator answered to a file's event: OK once it is recorded.
absl::Status Tell(WatcherTalk& talk, const v1::ObserveRequest& events) {
  const int64_t last = events.events(events.events_size() - 1).sequence();
  talk.Say(events);
  return talk.Hear([last](const auto& answer) { return answer.acked_sequence() >= last; }).status();
}

void AddRefused(const Stage& stage, const std::string& what, const absl::Status& answer) {
  stage.findings.Add(what, answer, IsRefusal(answer));
}

void SayHome(const Stage& stage, const std::string& volume) {
  const auto channel = stage.dialer.Dial();
  const auto at_once = Observe(channel);
  AddRefused(stage, absl::StrCat("call ", volume, " its own"),
             Ask(*at_once, WatcherHello(stage.options, {volume})).status());
  auto later = OpenWatcher(channel, stage.options);
  if (!later.ok()) return stage.findings.Add("observe", later.status(), false);
  AddRefused(stage, absl::StrCat("call ", volume, " its own later"),
             Ask(**later, WatcherHello(stage.options, {stage.options.volume, volume})).status());
  if (stage.options.owner_host.empty()) return;
  Options disguised = stage.options;
  disguised.host = stage.options.owner_host;
  const auto in_its_name = Observe(channel);
  AddRefused(stage, absl::StrCat("call ", volume, " its own as ", disguised.host),
             Ask(*in_its_name, WatcherHello(disguised, {volume})).status());
}

void TellOfFiles(const Stage& stage, const std::string& volume) {
  auto talk = OpenWatcher(stage.dialer.Dial(), stage.options);
  if (!talk.ok()) return stage.findings.Add("observe", talk.status(), false);
  v1::ObserveRequest events = Closed(stage.options.volume, "good");
  events.MergeFrom(Closed(volume, "lie.csv"));
  AddRefused(stage, absl::StrCat("tell of a file in ", volume), Tell(**talk, events));
}

// Whether the liar was asked to do something in a volume of another's.
bool IsAboutVolume(const v1::ObserveResponse& answer, const std::string& volume) {
  for (const v1::PublishOrder& order : answer.orders()) {
    if (order.volume() == volume) return true;
  }
  return answer.sweep_size() > 0;
}

// Results that were published there, or can't be. They are ignored, or refused.
void TellOfResults(const Stage& stage, const std::string& volume) {
  const int64_t token = stage.options.token;
  auto talk = OpenWatcher(stage.dialer.Dial(), stage.options);
  if (!talk.ok()) return stage.findings.Add("observe", talk.status(), false);
  for (const int64_t each : {token, token - 1, token + 1}) {
    for (const char* error : {"", "the disk is on fire"}) {
      v1::ObserveRequest request = WatcherHello(stage.options, {stage.options.volume});
      v1::PublishResult* const result = request.add_published();
      *result->mutable_lease() = Lease(stage.options.job, each);
      result->set_error(error);
      // Of the lease that runs, what it stages is still needed.
      v1::StagingDirectory* const staging = request.add_staging();
      staging->set_volume(volume);
      *staging->mutable_lease() = Lease(stage.options.job, token);
      const auto answer = Ask(**talk, request);
      const std::string what = absl::StrCat("tell of results in ", volume, ", token ", each);
      if (!answer.ok()) return AddRefused(stage, what, answer.status());
      stage.findings.Add(what, absl::OkStatus(), !IsAboutVolume(*answer, volume));
    }
  }
}

std::vector<std::string> WrongPaths() {
  return {"",
          "..",
          "../x",
          "../../etc/passwd",
          "d/../../x",
          "d/..",
          ".",
          "./x",
          "/etc/passwd",
          "/",
          "//x",
          "d//x",
          "d/",
          std::string("x\0.csv", 6),
          std::string(1, '\0'),
          std::string(kLongPathBytes, 'n'),
          absl::StrCat("d/", std::string(kLongPathBytes, 'n')),
          ".closewrite",
          ".closewrite/volume",
          ".closewrite/staging/1/1/x"};
}

std::string Shown(const std::string& path) {
  return absl::StrCat("\"", path.substr(0, kShownBytesMax), "\" of ", path.size(), " bytes");
}

void TellOfPath(const Stage& stage, const std::shared_ptr<grpc::Channel>& channel,
                const std::string& volume, const std::string& path) {
  auto talk = OpenWatcher(channel, stage.options);
  if (!talk.ok()) return stage.findings.Add("observe", talk.status(), false);
  AddRefused(stage, absl::StrCat("event of ", Shown(volume), ": ", Shown(path)),
             Tell(**talk, Closed(volume, path)));
}

void ListPath(const Stage& stage, const std::shared_ptr<grpc::Channel>& channel,
              const std::string& path) {
  auto talk = OpenExecutor(channel, stage.options);
  if (!talk.ok()) return stage.findings.Add("attend", talk.status(), false);
  v1::AttendRequest request;
  v1::AttemptResult* const result = request.add_results();
  *result->mutable_lease() = Lease(stage.options.job, stage.options.token);
  result->set_outcome(v1::ATTEMPT_OUTCOME_SUCCEEDED);
  result->add_files()->set_path("good");
  result->add_files()->set_path(path);
  AddRefused(stage, absl::StrCat("result named ", Shown(path)),
             Ask(**talk, std::move(request), 2).status());
}

}  // namespace

void SpeakForForeignVolumes(const Stage& stage) {
  const std::optional<v1::GetJobResponse> before = LookAtJob(stage);
  for (const std::string& volume : stage.options.foreign) {
    SayHome(stage, volume);
    TellOfFiles(stage, volume);
    if (stage.options.job != 0) TellOfResults(stage, volume);
  }
  AddUnchanged(stage, before);
}

void UseWrongPaths(const Stage& stage) {
  const std::optional<v1::GetJobResponse> before = LookAtJob(stage);
  const auto channel = stage.dialer.Dial();
  for (const std::string& path : WrongPaths()) {
    TellOfPath(stage, channel, stage.options.volume, path);
    if (stage.options.job != 0) ListPath(stage, channel, path);
  }
  for (const std::string& volume :
       {std::string(), std::string(".."), std::string("a/b"), std::string("/"),
        std::string("a\0b", 3), std::string(kLongPathBytes, 'v')}) {
    TellOfPath(stage, channel, volume, "x");
    const auto talk = Observe(channel);
    AddRefused(stage, absl::StrCat("call ", Shown(volume), " its own"),
               Ask(*talk, WatcherHello(stage.options, {volume})).status());
  }
  AddUnchanged(stage, before);
}

}  // namespace closewrite::hostile
