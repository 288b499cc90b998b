#include "services/cli/log_lines.h"

#include <algorithm>
#include <utility>

#include "services/cli/time_text.h"

namespace closewrite::cli {

const std::string& BytesOf(const v1::LogPart& part) {
  return part.content_case() == v1::LogPart::kText ? part.text() : part.data();
}

bool LogLines::Emit(LogLine* line, bool whole) {
  line->whole = whole;
  const bool goes_on = sink_(*line);
  line->text.clear();
  return goes_on;
}

bool LogLines::Add(const v1::LogPart& part) {
  std::string_view rest = BytesOf(part);
  while (!rest.empty()) {
    const auto [found, is_new] = open_.try_emplace(part.stream());
    LogLine& line = found->second;
    if (is_new) {
      line.stream = part.stream();
      if (part.has_time()) line.time = ToTime(part.time());
    }
    const size_t newline = std::min(rest.find('\n'), rest.size());
    const size_t room = kLogLineBytesMax - line.text.size();
    line.text.append(rest.substr(0, std::min(newline, room)));
    rest.remove_prefix(std::min(newline, room));
    if (newline > room) {
      if (!Emit(&line, false)) return false;
    } else if (!rest.empty()) {
      rest.remove_prefix(1);
      const bool goes_on = Emit(&line, true);
      open_.erase(found);
      if (!goes_on) return false;
    }
  }
  return true;
}

bool LogLines::End() {
  std::map<v1::LogStream, LogLine> open = std::exchange(open_, {});
  return std::all_of(open.begin(), open.end(),
                     [&](auto& entry) { return Emit(&entry.second, true); });
}

}  // namespace closewrite::cli
