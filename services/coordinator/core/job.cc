#include "services/coordinator/core/job.h"

#include <array>
#include <charconv>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace closewrite {

namespace {

constexpr std::string_view kAgain = "again ";

// Only a number as StrCat writes it: not "+1", " 1", "01" or "-0".
template <class Number>
bool ParseNumber(std::string_view text, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size() && absl::StrCat(*number) == text;
}

}  // namespace

std::string JobKey(const std::string& pipeline, const FileVersion& input) {
  // Neither names nor paths can hold a NUL, so the parts can't run into each other.
  const std::string nul(1, '\0');
  return absl::StrCat(pipeline, nul, input.volume, nul, input.path, nul, input.inode, nul,
                      input.size, nul, input.mtime_ns);
}

std::string EventJobKey(const std::string& pipeline, const FileVersion& input, int64_t event_id) {
  return absl::StrCat(JobKey(pipeline, input), std::string(1, '\0'), event_id);
}

std::string JobKeyAgain(const std::string& first, absl::Time now) {
  return absl::StrCat(first, std::string(1, '\0'), absl::string_view(kAgain.data(), kAgain.size()),
                      absl::ToUnixNanos(now));
}

bool IsMadeAgain(const Job& job) {
  const size_t last = job.key.rfind('\0');
  return last != std::string::npos &&
         std::string_view(job.key).substr(last + 1).starts_with(kAgain);
}

std::optional<JobKeyParts> ParseJobKey(std::string_view key) {
  constexpr size_t kParts = 6;  // and one more of an EventJobKey
  std::array<std::string_view, kParts + 1> parts;
  size_t count = 0;
  for (std::string_view rest = key;; ++count) {
    if (count == parts.size()) return std::nullopt;
    const size_t end = rest.find('\0');
    parts[count] = rest.substr(0, end);
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  const bool of_event = ++count == kParts + 1;
  if (count < kParts) return std::nullopt;
  JobKeyParts made;
  made.pipeline = std::string(parts[0]);
  made.input.volume = std::string(parts[1]);
  made.input.path = std::string(parts[2]);
  if (!ParseNumber(parts[3], &made.input.inode) || !ParseNumber(parts[4], &made.input.size) ||
      !ParseNumber(parts[5], &made.input.mtime_ns) ||
      (of_event && (!ParseNumber(parts[kParts], &made.event_id) || made.event_id == 0))) {
    return std::nullopt;
  }
  return made;
}

Attempt LiveAttempt(const Job& job) {
  return {.job = job.id,
          .token = job.token,
          .number = job.attempts,
          .executor = job.executor,
          .host = job.host,
          .pid = job.pid,
          .leased_at = job.leased_at,
          .started_at = job.started_at};
}

}  // namespace closewrite
