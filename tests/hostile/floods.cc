#include "tests/hostile/floods.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "services/clock/clock.h"
#include "tests/hostile/sayings.h"
#include "tests/hostile/talk.h"

namespace closewrite::hostile {
namespace {

constexpr int kFloodStreams = 2000;
constexpr int kHalfOpenStreams = 1000;
constexpr size_t kConnections = 8;
// Streams that may wait for their first message: kUngreetedStreamsMax of waiting_room.h, which is
// the coordinator's own.
constexpr int64_t kSilentStreamsMax = 256;
constexpr absl::Duration kLookAgain = absl::Milliseconds(50);

using Talks = std::vector<std::unique_ptr<ExecutorTalk>>;
using Codes = std::map<absl::StatusCode, int64_t>;

struct Streams {
  Talks silent;
  Talks greeting;
};

Streams Open(const Stage& stage, int count) {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  while (channels.size() < kConnections) channels.push_back(stage.dialer.Dial());
  Streams streams;
  for (int i = 0; i < count; ++i) {
    auto talk = Attend(channels[static_cast<size_t>(i) / 2 % kConnections]);
    const bool greets = i % 2 == 1;
    if (greets) talk->Say(ExecutorHello(stage.options, FreshName(stage.options)));
    (greets ? streams.greeting : streams.silent).push_back(std::move(talk));
  }
  return streams;
}

// How the hellos were answered: OK where there is a session now.
void CountHellos(const Stage& stage, const Talks& talks) {
  Codes codes;
  bool good = true;
  for (const auto& talk : talks) {
    const absl::Status answer =
        talk->Hear([](const auto& response) { return !response.session_id().empty(); }).status();
    ++codes[answer.code()];
    good = good && (answer.ok() || IsRefusal(answer));
  }
  stage.findings.Count("hello", codes, good);
}

// What has become of streams by `until`; OK counts those that are open still.
Codes EndsOf(const Talks& talks, absl::Duration until) {
  Codes codes;
  for (const auto& talk : talks) {
    const absl::Duration left = std::max(absl::ZeroDuration(), until - SinceBoot());
    ++codes[talk->AwaitEnd(left).value_or(absl::OkStatus()).code()];
  }
  return codes;
}

// Those that are too many are ended, and then no more.
void CountSilent(const Stage& stage, const Talks& talks) {
  const absl::Duration until = SinceBoot() + kPatience;
  Codes codes = EndsOf(talks, SinceBoot());
  while (codes[absl::StatusCode::kOk] > kSilentStreamsMax && SinceBoot() < until) {
    for (const auto& talk : talks) {
      if (!talk->AwaitEnd(kLookAgain).has_value()) break;
    }
    codes = EndsOf(talks, SinceBoot());
  }
  const int64_t open = codes[absl::StatusCode::kOk];
  const int64_t refused = codes[absl::StatusCode::kResourceExhausted];
  stage.findings.Count(
      "silent", codes,
      open <= kSilentStreamsMax && open + refused == static_cast<int64_t>(talks.size()));
}

// All at once; then each has ended before it goes.
void Cancel(const Streams& streams) {
  for (const Talks* talks : {&streams.silent, &streams.greeting}) {
    for (const auto& talk : *talks) talk->Cancel();
  }
}

}  // namespace

void FloodHellos(const Stage& stage) {
  const Streams streams = Open(stage, kFloodStreams);
  CountHellos(stage, streams.greeting);
  CountSilent(stage, streams.silent);
  Cancel(streams);
}

void HoldHalfOpen(const Stage& stage) {
  const absl::Duration until = SinceBoot() + absl::Seconds(stage.options.seconds);
  const Streams streams = Open(stage, kHalfOpenStreams);
  CountHellos(stage, streams.greeting);
  Codes codes = EndsOf(streams.greeting, until);
  // Of sessions that had expired, or of streams that were too many before they could speak.
  const int64_t gone =
      codes[absl::StatusCode::kNotFound] + codes[absl::StatusCode::kResourceExhausted];
  stage.findings.Count("hello and then nothing", codes,
                       gone == static_cast<int64_t>(streams.greeting.size()));
  CountSilent(stage, streams.silent);
  Cancel(streams);
}

}  // namespace closewrite::hostile
