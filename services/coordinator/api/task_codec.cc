#include "services/coordinator/api/task_codec.h"

#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "services/config/config.h"
#include "services/coordinator/api/alert_codec.h"
#include "services/coordinator/api/placeholder_check.h"
#include "services/coordinator/api/run_codec.h"
#include "services/coordinator/api/violations.h"
#include "services/coordinator/core/cron.h"
#include "services/coordinator/core/schedule.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

using google::protobuf::RepeatedPtrField;

// Of a command; what they stand for is a file, or where its results go.
constexpr const char* kFilePlaceholders[] = {"{input}", "{output}", "{output_dir}", "{name}",
                                             "{stem}",  "{ext}",    "{volume}",     "{path}"};

// Decodes one definition, as the decoder of pipelines does.
class Decoder : private RunDecoder {
 public:
  Decoder(v1::Task* definition, std::string prefix, Violations* violations)
      : RunDecoder(std::move(prefix), violations), definition_(*definition) {}

  Task Decode() {
    task_.name = Name("name", "task", definition_.name());
    task_.run.name = RunsOf(task_.name);
    DecodeCommand();
    DecodeKind();
    DecodeSchedule();
    DecodeForever();
    task_.run.locks = Names("locks", "lock", definition_.mutable_locks(), kLocksMax);
    if (definition_.has_rate()) task_.run.rate = DecodeRate(definition_.rate());
    task_.run.priority = Number("priority", definition_.priority(), 0, -kPriorityMax, kPriorityMax);
    if (definition_.has_alerts()) task_.run.alerts = DecodeAlerts(definition_.alerts(), this);
    if (definition_.has_notify()) task_.run.notify = DecodeNotify(definition_.notify(), this);
    task_.run.definition = Serialize(definition_);
    return std::move(task_);
  }

 private:
  void DecodeCommand() {
    v1::Run* const run = definition_.mutable_run();
    if (run->has_visible_within()) {
      Wrong("run.visible_within", "has no meaning for a task, which reads no file; leave it out");
    }
    for (int i = 0; i < run->command_size(); ++i) {
      for (const char* placeholder : kFilePlaceholders) {
        if (!absl::StrContains(run->command(i), placeholder)) continue;
        Wrong(StrCat("run.command[", i, "]"),
              StrCat("holds ", placeholder,
                     ", and a task has no file; {job}, {attempt} and {token} are there"));
      }
    }
    DecodeRun(run, &task_.run);
    run->clear_visible_within();
  }

  void DecodeKind() {
    const int kinds = (definition_.forever() ? 1 : 0) + (definition_.period().empty() ? 0 : 1) +
                      (definition_.cron().empty() ? 0 : 1);
    if (kinds > 1) {
      Wrong(definition_.forever() ? "forever" : "cron",
            "stands beside another way to say when it runs; leave one of forever, period and cron");
    }
    task_.forever = definition_.forever();
    scheduled_ = !definition_.period().empty() || !definition_.cron().empty();
  }

  // What has a meaning for some tasks only.
  void Needs(bool needed, bool said, std::string_view field, std::string_view what) {
    if (said && !needed) Wrong(field, StrCat("has no meaning without ", what, "; leave it out"));
  }

  void DecodeSchedule() {
    constexpr std::string_view kTimes = "period or cron";
    Needs(scheduled_, !definition_.start().empty(), "start", kTimes);
    Needs(scheduled_, !definition_.tz().empty(), "tz", kTimes);
    Needs(scheduled_, definition_.has_jitter(), "jitter", kTimes);
    Needs(scheduled_, definition_.catch_up() != v1::CATCH_UP_UNSPECIFIED, "catch_up", kTimes);
    DecodeOverlap();
    if (!scheduled_) return;
    Schedule schedule;
    if (!definition_.period().empty()) {
      const absl::StatusOr<Period> period = ParsePeriod(definition_.period());
      Check("period", period.status());
      if (period.ok()) schedule.rule = *period;
    } else {
      const absl::StatusOr<Cron> cron = Cron::Parse(definition_.cron());
      Check("cron", cron.status());
      if (cron.ok()) schedule.rule = *cron;
    }
    if (definition_.start().empty()) definition_.set_start(kTaskStartDefault);
    const absl::StatusOr<absl::CivilSecond> start = ParseStart(definition_.start());
    Check("start", start.status());
    if (start.ok()) schedule.start = *start;
    if (definition_.tz().empty()) definition_.set_tz("UTC");
    if (!absl::LoadTimeZone(definition_.tz(), &schedule.zone)) {
      Wrong("tz", StrCat("is \"", definition_.tz(),
                         "\", which the coordinator's tzdata does not know; give a name such as "
                         "America/New_York, as `timedatectl list-timezones` lists them"));
    }
    if (definition_.has_jitter()) {
      task_.jitter = Range("jitter", definition_.jitter(), absl::ZeroDuration(), kTaskJitterMax);
    }
    DecodeCatchUp();
    task_.schedule = schedule;
  }

  void DecodeOverlap() {
    Needs(!task_.forever, definition_.overlap() != v1::OVERLAP_UNSPECIFIED, "overlap",
          "a schedule, for a for-ever task runs once at a time");
    if (definition_.overlap() == v1::OVERLAP_UNSPECIFIED) definition_.set_overlap(v1::OVERLAP_SKIP);
    switch (definition_.overlap()) {
      case v1::OVERLAP_SKIP:
        task_.overlap = Overlap::kSkip;
        break;
      case v1::OVERLAP_QUEUE:
        task_.overlap = Overlap::kQueue;
        break;
      case v1::OVERLAP_REPLACE:
        task_.overlap = Overlap::kReplace;
        break;
      default:
        Wrong("overlap", "is unknown; use skip, queue or replace");
    }
    if (task_.forever) definition_.clear_overlap();
  }

  void DecodeCatchUp() {
    if (definition_.catch_up() == v1::CATCH_UP_UNSPECIFIED) {
      definition_.set_catch_up(v1::CATCH_UP_NONE);
    }
    switch (definition_.catch_up()) {
      case v1::CATCH_UP_NONE:
        task_.catch_up = CatchUp::kNone;
        break;
      case v1::CATCH_UP_LATEST:
        task_.catch_up = CatchUp::kLatest;
        break;
      case v1::CATCH_UP_ALL:
        task_.catch_up = CatchUp::kAll;
        break;
      default:
        Wrong("catch_up", "is unknown; use none, latest or all");
    }
    const bool all = task_.catch_up == CatchUp::kAll;
    Needs(all, definition_.catch_up_max() != 0, "catch_up_max", "catch_up: all");
    if (!all) return;
    task_.catch_up_max =
        Number("catch_up_max", definition_.catch_up_max(), kCatchUpDefault, 1, kCatchUpMax);
    definition_.set_catch_up_max(task_.catch_up_max);
  }

  void DecodeForever() {
    Needs(task_.forever, definition_.restart() != v1::RESTART_UNSPECIFIED, "restart", "forever");
    v1::Retry* const retry = definition_.mutable_retry();
    if (task_.forever && retry->attempts() > 1) {
      Wrong("retry.attempts", "has no meaning for a for-ever task, which runs again; leave it out");
    }
    if (retry->attempts() == 0) retry->set_attempts(1);
    DecodeRetry(retry, &task_.run.retry);
    if (!task_.forever) return;
    if (definition_.restart() == v1::RESTART_UNSPECIFIED) {
      definition_.set_restart(v1::RESTART_ALWAYS);
    }
    switch (definition_.restart()) {
      case v1::RESTART_ALWAYS:
        task_.restart = Restart::kAlways;
        break;
      case v1::RESTART_ON_FAILURE:
        task_.restart = Restart::kOnFailure;
        break;
      case v1::RESTART_NEVER:
        task_.restart = Restart::kNever;
        break;
      default:
        Wrong("restart", "is unknown; use always, on_failure or never");
    }
  }

  v1::Task& definition_;
  bool scheduled_ = false;
  Task task_;
};

Task Decode(const v1::Task& definition, std::string prefix, Violations* violations) {
  v1::Task completed = definition;
  // What a newer client may say beyond this version is not kept in silence.
  completed.DiscardUnknownFields();
  return Decoder(&completed, std::move(prefix), violations).Decode();
}

}  // namespace

absl::StatusOr<std::vector<Task>> DecodeTasks(const RepeatedPtrField<v1::Task>& definitions) {
  if (definitions.empty() || definitions.size() > kTasksPerRequestMax) {
    return WrongField("tasks", StrCat("has ", definitions.size(), " definitions; give 1 to ",
                                      kTasksPerRequestMax));
  }
  Violations violations;
  std::vector<Task> tasks;
  std::set<std::string> names;
  for (int i = 0; i < definitions.size(); ++i) {
    const std::string field = StrCat("tasks[", i, "]");
    tasks.push_back(Decode(definitions[i], field + ".", &violations));
    CheckPlaceholders(definitions[i].run(), field + ".", &violations);
    if (!names.insert(definitions[i].name()).second) {
      violations.Add(field + ".name", "is there twice; give each task its own name");
    }
  }
  if (absl::Status s = violations.ToStatus(); !s.ok()) return s;
  return tasks;
}

absl::StatusOr<v1::Task> ParseTaskDefinition(std::string_view definition) {
  v1::Task message;
  if (!message.ParseFromArray(definition.data(), static_cast<int>(definition.size()))) {
    return absl::InternalError("the stored definition can't be read: apply the task again");
  }
  return message;
}

absl::StatusOr<Task> DecodeStoredTask(std::string_view definition) {
  const absl::StatusOr<v1::Task> message = ParseTaskDefinition(definition);
  if (!message.ok()) return message.status();
  Violations violations;
  Task task = Decode(*message, "", &violations);
  if (absl::Status s = violations.ToStatus(); !s.ok()) return s;
  return task;
}

}  // namespace closewrite
