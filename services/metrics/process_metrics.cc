#include "services/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "services/clock/clock.h"
#include "services/version/version.h"

namespace closewrite {
namespace {

// Fields of /proc/self/stat behind the program's name, which may hold spaces itself; see proc(5).
constexpr size_t kStartTicks = 19;
constexpr size_t kResidentPages = 21;

struct Usage {
  double resident_bytes = 0;
  absl::Duration started_at;  // since boot
};

std::optional<Usage> ReadUsage() {
  std::ifstream file("/proc/self/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const size_t name_end = text.rfind(") ");
  if (name_end == std::string::npos) return std::nullopt;
  const std::vector<std::string> fields = absl::StrSplit(text.substr(name_end + 2), ' ');
  const auto number = [&](size_t field) {
    double value = 0;
    return field < fields.size() && absl::SimpleAtod(fields[field], &value) ? value : 0.0;
  };
  const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  return Usage{.resident_bytes = number(kResidentPages) * static_cast<double>(getpagesize()),
               .started_at = absl::Seconds(number(kStartTicks) / ticks_per_second)};
}

double SecondsOf(const timeval& time) {
  return absl::ToDoubleSeconds(absl::DurationFromTimeval(time));
}

// Read once: the wall clock may be set later, but the process has not started anew then.
double StartedAt() {
  const std::optional<Usage> usage = ReadUsage();
  if (!usage.has_value()) return 0;
  const absl::Time started_at = WallTime() - (SinceBoot() - usage->started_at);
  return static_cast<double>(absl::ToUnixMillis(started_at)) / 1000;
}

}  // namespace

ProcessMetrics::ProcessMetrics(std::string service)
    : service_(std::move(service)), started_at_(StartedAt()) {}

std::vector<Metric> ProcessMetrics::Collect() const {
  MetricList list("");
  list.Gauge("closewrite_build_info", "1; the labels say what runs.",
             {{"service", service_}, {"version", std::string(kVersion)}}, 1);
  if (started_at_ != 0) {
    list.Gauge("process_start_time_seconds", "When the process was started, since 1970.", {},
               started_at_);
  }
  rusage used = {};
  if (getrusage(RUSAGE_SELF, &used) == 0) {
    list.Counter("process_cpu_seconds_total", "Time of the processor that the process has used.",
                 {}, SecondsOf(used.ru_utime) + SecondsOf(used.ru_stime));
  }
  if (const std::optional<Usage> usage = ReadUsage(); usage.has_value()) {
    list.Gauge("process_resident_memory_bytes", "Memory that the process takes.", {},
               usage->resident_bytes);
  }
  std::error_code error;
  const std::filesystem::directory_iterator open("/proc/self/fd", error);
  if (!error) {
    // One of them is that of the directory itself.
    list.Gauge("process_open_fds", "Open file descriptors.", {},
               std::distance(begin(open), end(open)) - 1);
  }
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    list.Gauge("process_max_fds", "How many file descriptors may be open.", {}, limit.rlim_cur);
  }
  return list.Take();
}

}  // namespace closewrite
