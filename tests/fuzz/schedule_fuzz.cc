// Crontab lines, periods and starts as people write them, and the times that come of them.
#include <string_view>

#include "absl/time/time.h"
#include "services/coordinator/core/schedule.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"
#include "tests/fuzz/require.h"

namespace {

using closewrite::Require;

void CheckRefused(const absl::Status& status) {
  Require(absl::IsInvalidArgument(status), "a wrong one is an invalid argument");
  Require(closewrite::IsUtf8(closewrite::ToStd(status.message())), "a message is text");
}

void CheckTimes(const closewrite::Schedule& schedule) {
  const absl::Time after = absl::FromUnixSeconds(1'800'000'000);
  absl::Time time = after;
  for (int i = 0; i < 5; ++i) {
    const auto due = NextDue(schedule, time);
    if (!due.has_value()) return;
    Require(*due > time, "times rise");
    Require(NextDue(schedule, *due - absl::Nanoseconds(1)) == due, "no time is passed over");
    time = *due;
  }
  if (schedule.start > absl::CivilSecond(2020, 1, 1)) return;
  Require(LatestDue(schedule, after, time, 3).back() == time, "what is due now is the latest");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static constexpr const char* kZones[] = {"UTC", "America/New_York", "Australia/Lord_Howe",
                                           "Pacific/Apia"};
  // The last byte is the zone.
  closewrite::Schedule schedule;
  Require(absl::LoadTimeZone(kZones[data[size - 1] % 4], &schedule.zone), "the zone is known");
  const std::string_view text(reinterpret_cast<const char*>(data), size - 1);
  const auto start = closewrite::ParseStart(text);
  if (!start.ok()) CheckRefused(start.status());
  if (start.ok()) schedule.start = *start;
  const auto period = closewrite::ParsePeriod(text);
  if (!period.ok()) CheckRefused(period.status());
  if (period.ok()) schedule.rule = *period;
  if (period.ok() || start.ok()) CheckTimes(schedule);
  const auto cron = closewrite::Cron::Parse(text);
  if (!cron.ok()) CheckRefused(cron.status());
  if (cron.ok()) CheckTimes({*cron, schedule.zone, schedule.start});
  return 0;
}
