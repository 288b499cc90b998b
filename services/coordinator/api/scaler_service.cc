#include "services/coordinator/api/scaler_service.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "services/config/nearest.h"
#include "services/coordinator/api/answer_once.h"
#include "services/coordinator/api/job_view.h"
#include "services/coordinator/api/push_stream.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

using externalscaler::IsActiveResponse;
using externalscaler::ScaledObjectRef;

constexpr char kLabels[] = "labels";
constexpr char kPipeline[] = "pipeline";
constexpr char kJobsPerExecutor[] = "jobsPerExecutor";

absl::Status ReadLabels(const std::string& text, ScaleTarget* target) {
  for (absl::string_view label : absl::StrSplit(text, ',')) {
    label = absl::StripAsciiWhitespace(label);
    if (label.empty()) continue;
    if (absl::Status s = CheckName(kLabels, std::string(label)); !s.ok()) return s;
    target->labels.emplace_back(label);
  }
  std::sort(target->labels.begin(), target->labels.end());
  target->labels.erase(std::unique(target->labels.begin(), target->labels.end()),
                       target->labels.end());
  return absl::OkStatus();
}

absl::Status ReadJobsPerExecutor(const std::string& text, ScaleTarget* target) {
  double number = 0;
  if (!absl::SimpleAtod(text, &number) || !(number > 0 && number <= kJobsPerExecutorMax)) {
    return absl::InvalidArgumentError(
        StrCat(kJobsPerExecutor, ": must be a number above 0, at most ", kJobsPerExecutorMax,
               ", not \"", text.substr(0, kNearestBytesMax), "\""));
  }
  target->jobs_per_executor = number;
  return absl::OkStatus();
}

absl::StatusOr<ScaleTarget> TargetOf(const ScaledObjectRef& object) {
  return ReadScaleTarget({object.scalermetadata().begin(), object.scalermetadata().end()});
}

// Whether there are jobs, each time that this changes.
class ActivitySource : public StreamSource<IsActiveResponse> {
 public:
  explicit ActivitySource(std::function<absl::StatusOr<int64_t>()> count)
      : count_(std::move(count)) {}

  absl::StatusOr<Batch> Next() override {
    const absl::StatusOr<int64_t> count = count_();
    if (!count.ok()) return count.status();
    Batch batch;
    const bool active = *count > 0;
    if (said_ == active) return batch;
    said_ = active;
    batch.messages.emplace_back().set_result(active);
    return batch;
  }
  // Looked at once a second, however often jobs change.
  bool OnChange(const Effects&) override { return false; }

 private:
  const std::function<absl::StatusOr<int64_t>()> count_;
  std::optional<bool> said_;
};

}  // namespace

absl::StatusOr<ScaleTarget> ReadScaleTarget(const std::map<std::string, std::string>& metadata) {
  const std::vector<std::string> ours = {kLabels, kPipeline, kJobsPerExecutor};
  if (metadata.size() > kScalerMetadataMax) {
    return absl::InvalidArgumentError(StrCat("at most ", kScalerMetadataMax, " metadata"));
  }
  ScaleTarget target;
  for (const auto& [key, value] : metadata) {
    absl::Status read = absl::OkStatus();
    if (key == kLabels) {
      read = ReadLabels(value, &target);
    } else if (key == kPipeline) {
      read = value.empty() ? read : CheckName(kPipeline, value);
      target.pipeline = value;
    } else if (key == kJobsPerExecutor) {
      read = ReadJobsPerExecutor(value, &target);
    } else if (const std::string meant = Nearest(key, ours); !meant.empty()) {
      read = absl::InvalidArgumentError(
          StrCat("unknown key \"", key, "\" in the metadata; did you mean \"", meant, "\"?"));
    }
    if (!read.ok()) return read;
  }
  return target;
}

ScalerService::ScalerService(const ApiOptions& options, JobCounter* counter)
    : loop_(*options.loop), feed_(*options.feed), counter_(*counter) {}

void ScalerService::Shutdown() {
  std::thread looking;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    looking.swap(looking_);
  }
  if (looking.joinable()) looking.join();
  pump_.Shutdown();
}

void ScalerService::Look() {
  absl::MutexLock lock(&mutex_);
  while (!mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kScalerLook)) pump_.WakeAll();
}

absl::StatusOr<int64_t> ScalerService::Count(const ScaleTarget& target) {
  const absl::StatusOr<std::vector<JobCount>> counts = counter_.Counts();
  if (!counts.ok()) return counts.status();
  const Fleet fleet = CopyFleet(loop_);
  int64_t sum = 0;
  const absl::Status read = loop_.store().Read([&](StoreReader& reader) {
    if (!target.pipeline.empty() && fleet.FindPipeline(reader, target.pipeline) == nullptr) {
      return absl::NotFoundError(StrCat("there is no pipeline or task ", target.pipeline));
    }
    for (const JobCount& count : *counts) {
      if (count.state != JobState::kAvailable && count.state != JobState::kRunning) continue;
      if (!target.pipeline.empty() && count.pipeline != target.pipeline) continue;
      const auto pipeline = fleet.FindPipeline(reader, count.pipeline);
      // What a deleted pipeline has left is run by nobody.
      if (pipeline == nullptr) continue;
      const bool fits = std::includes(target.labels.begin(), target.labels.end(),
                                      pipeline->labels.begin(), pipeline->labels.end());
      if (fits) sum += count.count;
    }
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return sum;
}

absl::StatusOr<int64_t> ScalerService::CountOf(const ScaledObjectRef& object) {
  const absl::StatusOr<ScaleTarget> target = TargetOf(object);
  return target.ok() ? Count(*target) : target.status();
}

grpc::ServerUnaryReactor* ScalerService::IsActive(grpc::CallbackServerContext* context,
                                                  const ScaledObjectRef* request,
                                                  IsActiveResponse* response) {
  const absl::StatusOr<int64_t> count = CountOf(*request);
  if (count.ok()) response->set_result(*count > 0);
  return Answer(context, count.status());
}

grpc::ServerWriteReactor<IsActiveResponse>* ScalerService::StreamIsActive(
    grpc::CallbackServerContext* context, const ScaledObjectRef* request) {
  const absl::StatusOr<ScaleTarget> target = TargetOf(*request);
  if (!target.ok()) return RefusedStream<IsActiveResponse>::Open(target.status());
  {
    absl::MutexLock lock(&mutex_);
    if (!stopping_ && !looking_.joinable()) looking_ = std::thread([this] { Look(); });
  }
  return PushStream<IsActiveResponse>::Open(
      {.pump = &pump_,
       .feed = &feed_,
       .source =
           std::make_unique<ActivitySource>([this, target = *target] { return Count(target); })});
}

grpc::ServerUnaryReactor* ScalerService::GetMetricSpec(
    grpc::CallbackServerContext* context, const ScaledObjectRef* request,
    externalscaler::GetMetricSpecResponse* response) {
  const absl::StatusOr<ScaleTarget> target = TargetOf(*request);
  if (target.ok()) {
    externalscaler::MetricSpec* const spec = response->add_metricspecs();
    spec->set_metricname(kScalerMetric);
    spec->set_targetsize(static_cast<int64_t>(std::ceil(target->jobs_per_executor)));
    spec->set_targetsizefloat(target->jobs_per_executor);
  }
  return Answer(context, target.status());
}

grpc::ServerUnaryReactor* ScalerService::GetMetrics(
    grpc::CallbackServerContext* context, const externalscaler::GetMetricsRequest* request,
    externalscaler::GetMetricsResponse* response) {
  if (!request->metricname().empty() && request->metricname() != kScalerMetric) {
    return Answer(context,
                  absl::InvalidArgumentError(StrCat("metricName: there is only ", kScalerMetric)));
  }
  const absl::StatusOr<int64_t> count = CountOf(request->scaledobjectref());
  if (count.ok()) {
    externalscaler::MetricValue* const value = response->add_metricvalues();
    value->set_metricname(kScalerMetric);
    value->set_metricvalue(*count);
    value->set_metricvaluefloat(static_cast<double>(*count));
  }
  return Answer(context, count.status());
}

}  // namespace closewrite
