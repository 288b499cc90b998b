#include "services/executor/attempt_meters.h"

#include "absl/strings/ascii.h"
#include "services/config/duration.h"
#include "services/config/enum_name.h"

namespace closewrite::executor {
namespace {

constexpr double kRanBounds[] = {0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400, 43200};

}  // namespace

AttemptMeters::Meters::Meters() : ran(kRanBounds) {}

void AttemptMeters::Take(const std::string& pipeline, const v1::AttemptResult& result,
                         std::optional<absl::Duration> ran) {
  absl::MutexLock lock(&mutex_);
  Meters& meters = all_.pipelines[pipeline];
  ++meters.outcomes.at(static_cast<size_t>(result.outcome()));
  meters.cpu += FromProto(result.cpu());
  if (ran.has_value()) meters.ran.Observe(absl::ToDoubleSeconds(*ran));
  all_.staged_files += result.files_size();
  for (const v1::OutputFile& file : result.files()) all_.staged_bytes += file.size();
}

void AttemptMeters::TakeResumed() {
  absl::MutexLock lock(&mutex_);
  ++all_.resumed;
}

void AttemptMeters::Append(MetricList* list) const {
  All all;
  {
    absl::MutexLock lock(&mutex_);
    all = all_;
  }
  const google::protobuf::EnumDescriptor& outcomes = *v1::AttemptOutcome_descriptor();
  for (const auto& [pipeline, meters] : all.pipelines) {
    for (int i = 1; i < outcomes.value_count(); ++i) {
      const google::protobuf::EnumValueDescriptor& outcome = *outcomes.value(i);
      // Only the coordinator knows of it.
      if (outcome.number() == v1::ATTEMPT_OUTCOME_PUBLISH_FAILED) continue;
      list->Counter(
          "attempts_total", "Attempts that have ended.",
          {{"pipeline", pipeline}, {"outcome", absl::AsciiStrToUpper(ShortName(outcome))}},
          meters.outcomes.at(static_cast<size_t>(outcome.number())));
    }
    list->Counter("command_cpu_seconds_total", "Time of the processor that commands have used.",
                  {{"pipeline", pipeline}}, absl::ToDoubleSeconds(meters.cpu));
    if (meters.ran.count() == 0) continue;
    list->Add("command_duration_seconds", "How long commands ran.", {{"pipeline", pipeline}},
              meters.ran);
  }
  list->Counter("commands_resumed_total",
                "Commands of an earlier run of the executor that it went on with.", {},
                all.resumed);
  list->Counter("staged_files_total", "Files that commands have left to be published.", {},
                all.staged_files);
  list->Counter("staged_bytes_total", "Bytes of these.", {}, all.staged_bytes);
}

}  // namespace closewrite::executor
