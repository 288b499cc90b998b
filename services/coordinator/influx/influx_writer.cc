#include "services/coordinator/influx/influx_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr char kTurn[] = "influx";

// InfluxDB 1 says how many points of a request it has not taken: `... dropped=3`.
int64_t Dropped(absl::string_view answer, int64_t all) {
  const size_t at = answer.rfind("dropped=");
  if (at == absl::string_view::npos) return all;
  absl::string_view digits = answer.substr(at + 8);
  digits = digits.substr(0, digits.find_first_not_of("0123456789"));
  int64_t dropped = 0;
  return absl::SimpleAtoi(digits, &dropped) ? std::min(dropped, all) : all;
}

}  // namespace

InfluxWriter::InfluxWriter(InfluxOptions options, StoreLoop* loop)
    : options_(std::move(options)), loop_(*loop), turn_(kTurn, kWriteTurn, loop) {}

void InfluxWriter::Start() {
  thread_ = std::thread([this] { Run(); });
}

void InfluxWriter::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

InfluxWriter::Numbers InfluxWriter::numbers() const {
  absl::MutexLock lock(&mutex_);
  return numbers_;
}

bool InfluxWriter::Stopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void InfluxWriter::Run() {
  absl::Duration pause = kWriteInterval;
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&stopping_), pause);
      if (stopping_) return;
    }
    while (GiveUpSome() && !Stopping()) {
    }
    Round round = Round::kMore;
    while (round == Round::kMore && !Stopping()) round = WriteSome();
    pause = round == Round::kFailed ? std::min(2 * pause, kWritePauseMax) : kWriteInterval;
  }
}

bool InfluxWriter::GiveUpSome() {
  std::vector<PendingPoint> points;
  const absl::Status read = loop_.store().Read([&](StoreReader& reader) {
    const PointRange range = reader.GetPointRange();
    const int64_t excess = range.newest - range.oldest + 1 - options_.points_max;
    if (excess > 0) points = reader.ReadPoints(0, std::min(excess, kPointsPerWriteMax));
    return absl::OkStatus();
  });
  if (!read.ok() || points.empty() || !Erase(points).ok()) return false;
  absl::MutexLock lock(&mutex_);
  numbers_.overflowed += static_cast<int64_t>(points.size());
  return true;
}

InfluxWriter::Round InfluxWriter::WriteSome() {
  if (!turn_.Mine()) return Round::kNothing;
  std::vector<PendingPoint> points;
  const absl::Status read = loop_.store().Read([&](StoreReader& reader) {
    points = reader.ReadPoints(0, points_per_write_);
    return absl::OkStatus();
  });
  if (!read.ok() || points.empty()) return Round::kNothing;
  return Send(points);
}

InfluxWriter::Round InfluxWriter::Send(const std::vector<PendingPoint>& points) {
  HttpRequest request = options_.write;
  size_t count = 0;
  while (count < points.size() && (count == 0 || request.body.size() < kWriteBytesMax)) {
    StrAppend(&request.body, points[count++].line, "\n");
  }
  const std::vector<PendingPoint> sent(points.begin(), points.begin() + count);
  const absl::StatusOr<HttpAnswer> answer = http_.Send(request, [this] { return Stopping(); });
  if (absl::IsCancelled(answer.status())) return Round::kNothing;
  if (!answer.ok()) return Repeat(std::string(answer.status().message()));
  const auto all = static_cast<int64_t>(sent.size());
  if (answer->code == 413 && all > 1) {  // too large
    points_per_write_ = all / 2;
    return Round::kMore;
  }
  const bool taken = answer->ok();
  const bool refused = answer->code == 400 || answer->code == 413 || answer->code == 422;
  if (!taken && !refused) {
    return Repeat(answer->Shown());
  }
  if (!Erase(sent).ok()) return Round::kFailed;
  points_per_write_ = kPointsPerWriteMax;
  const int64_t dropped = refused ? Dropped(answer->body, all) : 0;
  if (dropped > 0) {
    LogWarn("InfluxDB has refused points, which are given up",
            {{"points", dropped},
             {"answer", answer->body.substr(0, kHttpShownBytesMax)},
             {"first", sent.front().line}});
  }
  absl::MutexLock lock(&mutex_);
  numbers_.written += all - dropped;
  numbers_.refused += dropped;
  if (!numbers_.trouble.empty()) LogInfo("InfluxDB takes points again", {{"url", options_.shown}});
  numbers_.trouble.clear();
  return Round::kMore;
}

InfluxWriter::Round InfluxWriter::Repeat(const std::string& trouble) {
  absl::MutexLock lock(&mutex_);
  ++numbers_.failures;
  if (numbers_.trouble.empty()) {
    LogWarn("InfluxDB does not take points, which wait for it",
            {{"url", options_.shown}, {"why", trouble}});
  }
  numbers_.trouble = trouble;
  return Round::kFailed;
}

absl::Status InfluxWriter::Erase(const std::vector<PendingPoint>& points) {
  std::vector<int64_t> ids;
  ids.reserve(points.size());
  for (const PendingPoint& point : points) ids.push_back(point.id);
  return loop_.Do([ids = std::move(ids)](Engine&, StoreTransaction& tx, absl::Time) {
    tx.ErasePoints(ids);
    return absl::OkStatus();
  });
}

}  // namespace closewrite
