#include "services/page/report_text.h"

#include "absl/strings/str_format.h"
#include "services/log/str_cat.h"
#include "services/text/time_text.h"

namespace closewrite {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

std::string DayText(absl::Time time) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  return StrCat(absl::ToCivilDay(time, utc).day(), absl::FormatTime(" %b", time, utc));
}

std::string ClockText(absl::Time time, absl::Duration width) {
  return absl::FormatTime(width % absl::Minutes(1) == absl::ZeroDuration() ? "%H:%M" : "%H:%M:%S",
                          time, absl::UTCTimeZone());
}

std::string Took(const v1::ReportQuantiles& quantiles, const google::protobuf::Duration& took) {
  return quantiles.count() == 0 ? kNone : DurationText(ToDuration(took));
}

}  // namespace

std::string UtcText(absl::Time time) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  const bool whole = absl::ToCivilSecond(time, utc).second() == 0;
  return absl::FormatTime(whole ? "%Y-%m-%d %H:%M" : "%Y-%m-%d %H:%M:%S", time, utc);
}

std::string MomentText(bool is_set, const google::protobuf::Timestamp& time) {
  if (!is_set) return kNone;
  return StrCat(DayText(ToTime(time)),
                absl::FormatTime(" %H:%M", ToTime(time), absl::UTCTimeZone()));
}

std::string WidthText(absl::Duration width) {
  const struct {
    absl::Duration unit;
    std::string_view name;
  } units[] = {{kDay, "day"}, {absl::Hours(1), "hour"}, {absl::Minutes(1), "minute"}};
  for (const auto& each : units) {
    if (width % each.unit != absl::ZeroDuration()) continue;
    const int64_t count = width / each.unit;
    return count == 1 ? std::string(each.name) : StrCat(count, " ", each.name, "s");
  }
  const int64_t seconds = absl::ToInt64Seconds(width);
  return seconds == 1 ? "second" : StrCat(seconds, " seconds");
}

std::string BucketText(absl::Time begin, absl::Duration width) {
  const absl::Time end = begin + width;
  if (width == kDay) return DayText(begin);
  if (width % kDay == absl::ZeroDuration()) {
    return StrCat(DayText(begin), " to ", DayText(end - kDay));
  }
  return StrCat(DayText(begin), " ", ClockText(begin, width), " to ", ClockText(end, width));
}

std::string MedianText(const v1::ReportQuantiles& quantiles) {
  return Took(quantiles, quantiles.median());
}

std::string P95Text(const v1::ReportQuantiles& quantiles) {
  return Took(quantiles, quantiles.p95());
}

std::string MaxText(const v1::ReportQuantiles& quantiles) {
  return Took(quantiles, quantiles.max());
}

int64_t Ended(const v1::ReportStatistics& jobs) {
  return jobs.succeeded() + jobs.failed() + jobs.cancelled();
}

std::string SuccessText(const v1::ReportStatistics& jobs) {
  const int64_t of = jobs.succeeded() + jobs.failed();
  if (of == 0) return kNone;
  if (jobs.failed() == 0) return "100 %";
  // Rounded down, so that 100 % says that none has failed.
  const int64_t permille = jobs.succeeded() * 1000 / of;
  return absl::StrFormat("%d.%d %%", permille / 10, permille % 10);
}

}  // namespace closewrite
