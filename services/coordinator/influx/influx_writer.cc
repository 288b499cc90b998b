#include "services/coordinator/influx/influx_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
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
  std::vector<PointBatch> batches;
  const absl::Status read = loop_.store().Read([&](StoreReader& reader) {
    const int64_t excess = reader.GetPointRange().count() - options_.points_max;
    if (excess > 0) batches = reader.ReadPoints(std::min(excess, kPointsPerWriteMax));
    return absl::OkStatus();
  });
  if (!read.ok() || batches.empty() || !Erase(batches).ok()) return false;
  absl::MutexLock lock(&mutex_);
  for (const PointBatch& batch : batches) numbers_.overflowed += batch.count;
  return true;
}

InfluxWriter::Round InfluxWriter::WriteSome() {
  if (!turn_.Mine()) return Round::kNothing;
  std::vector<PointBatch> batches;
  const absl::Status read = loop_.store().Read([&](StoreReader& reader) {
    batches = reader.ReadPoints(kPointsPerWriteMax);
    return absl::OkStatus();
  });
  if (!read.ok() || batches.empty()) return Round::kNothing;
  std::vector<absl::string_view> lines;
  for (const PointBatch& batch : batches) {
    for (const absl::string_view line : absl::StrSplit(batch.lines, '\n')) lines.push_back(line);
  }
  int64_t refused = 0;
  for (size_t next = 0; next < lines.size();) {
    const Round round = Send(lines, &next, &refused);
    if (round != Round::kMore) return round;
  }
  if (!Erase(batches).ok()) return Round::kFailed;
  absl::MutexLock lock(&mutex_);
  numbers_.written += static_cast<int64_t>(lines.size()) - refused;
  numbers_.refused += refused;
  // Else points that come meanwhile would be sent a few at a time, each time with a commit.
  const bool more = static_cast<int64_t>(lines.size()) >= kPointsPerWriteMax;
  return more ? Round::kMore : Round::kNothing;
}

InfluxWriter::Round InfluxWriter::Send(const std::vector<absl::string_view>& lines, size_t* next,
                                       int64_t* refused) {
  HttpRequest request = options_.write;
  size_t end = *next;
  while (end < lines.size() && static_cast<int64_t>(end - *next) < points_per_write_ &&
         (end == *next || request.body.size() < kWriteBytesMax)) {
    StrAppend(&request.body, lines[end++], "\n");
  }
  const absl::StatusOr<HttpAnswer> answer = http_.Send(request, [this] { return Stopping(); });
  if (absl::IsCancelled(answer.status())) return Round::kNothing;
  if (!answer.ok()) return Repeat(std::string(answer.status().message()));
  const auto all = static_cast<int64_t>(end - *next);
  if (answer->code == 413 && all > 1) {  // too large
    points_per_write_ = all / 2;
    return Round::kMore;
  }
  const bool taken = answer->ok();
  const bool never = answer->code == 400 || answer->code == 413 || answer->code == 422;
  if (!taken && !never) return Repeat(answer->Shown());
  points_per_write_ = kPointsPerWriteMax;
  const int64_t dropped = never ? Dropped(answer->body, all) : 0;
  if (dropped > 0) {
    LogWarn("InfluxDB has refused points, which are given up",
            {{"points", dropped},
             {"answer", answer->body.substr(0, kHttpShownBytesMax)},
             {"first", lines[*next]}});
  }
  *next = end;
  *refused += dropped;
  absl::MutexLock lock(&mutex_);
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

absl::Status InfluxWriter::Erase(const std::vector<PointBatch>& batches) {
  std::vector<int64_t> ids;
  ids.reserve(batches.size());
  for (const PointBatch& batch : batches) ids.push_back(batch.id);
  return loop_.Do([ids = std::move(ids)](Engine&, StoreTransaction& tx, absl::Time) {
    tx.ErasePoints(ids);
    return absl::OkStatus();
  });
}

}  // namespace closewrite
