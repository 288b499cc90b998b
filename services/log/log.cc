#include "services/log/log.h"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/synchronization/mutex.h"
#include "services/volume/path.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace closewrite {
namespace {

constexpr char kLevelVariable[] = "CLOSEWRITE_LOG";

// A longer line is cut, so that nothing that came from outside can fill a disk with one event.
constexpr size_t kLogLineBytesMax = 16 << 10;

// The level in five characters, so that messages stand in one column.
class PaddedLevel : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    std::string_view name = "debug";
    if (message.level == spdlog::level::info) name = "info ";
    if (message.level == spdlog::level::warn) name = "warn ";
    if (message.level >= spdlog::level::err) name = "error";
    out.append(name.data(), name.data() + name.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<PaddedLevel>();
  }
};

// Of CLOSEWRITE_LOG; `known` is false for a word that is not one of the four levels.
spdlog::level::level_enum LevelFromEnvironment(bool* known) {
  const char* value = std::getenv(kLevelVariable);
  const std::string word = absl::AsciiStrToLower(value == nullptr ? "" : value);
  *known = true;
  if (word == "debug") return spdlog::level::debug;
  if (word == "warn") return spdlog::level::warn;
  if (word == "error") return spdlog::level::err;
  *known = word.empty() || word == "info";
  return spdlog::level::info;
}

std::unique_ptr<spdlog::logger> MakeLogger(std::string_view service) {
  auto formatter =
      std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc, "\n");
  formatter->add_flag<PaddedLevel>('*');
  // A '%' is what spdlog's patterns escape with.
  std::string name;
  for (const char c : service) name += c == '%' ? "%%" : std::string(1, c);
  formatter->set_pattern(
      StrCat("%Y-%m-%dT%H:%M:%S.%fZ %* ", name, service.empty() ? "" : ": ", "%v"));
  auto logger = std::make_unique<spdlog::logger>(std::string(service),
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(std::move(formatter));
  bool known = false;
  logger->set_level(LevelFromEnvironment(&known));
  logger->flush_on(spdlog::level::debug);
  return logger;
}

// Loggers are never destroyed: threads may log until the process has ended, and one that was taken
// just before InitLog replaced it stays good.
spdlog::logger* Keep(std::unique_ptr<spdlog::logger> logger) {
  static auto* const mutex = new absl::Mutex;
  static auto* const kept = new std::vector<std::unique_ptr<spdlog::logger>>;
  absl::MutexLock lock(mutex);
  kept->push_back(std::move(logger));
  return kept->back().get();
}

std::atomic<spdlog::logger*>& CurrentLogger() {
  static std::atomic<spdlog::logger*> current(Keep(MakeLogger("")));
  return current;
}

bool NeedsQuotes(std::string_view text) {
  return text.empty() || text.find_first_of(" \"=") != std::string_view::npos;
}

void AppendValue(std::string_view value, std::string* line) {
  const std::string text = Display(value);
  if (!NeedsQuotes(text)) {
    *line += text;
    return;
  }
  *line += '"';
  for (const char c : text) {
    if (c == '"') *line += '\\';
    *line += c;
  }
  *line += '"';
}

void Log(spdlog::level::level_enum level, std::string_view message,
         std::initializer_list<LogField> fields) {
  spdlog::logger* logger = CurrentLogger().load(std::memory_order_acquire);
  if (!logger->should_log(level)) return;
  std::string line = Display(message);
  for (const auto& [key, value] : fields) {
    StrAppend(&line, " ", key, "=");
    AppendValue(value.text(), &line);
    if (line.size() > kLogLineBytesMax) break;
  }
  if (line.size() > kLogLineBytesMax) {
    size_t end = kLogLineBytesMax;
    while (end > 0 && (line[end] & 0xC0) == 0x80) --end;  // not inside a UTF-8 sequence
    line.replace(end, std::string::npos, "...");
  }
  logger->log(level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

void InitLog(std::string_view service) {
  CurrentLogger().store(Keep(MakeLogger(service)), std::memory_order_release);
  bool known = false;
  LevelFromEnvironment(&known);
  if (!known) {
    LogWarn("unknown log level; info is used, possible are debug, info, warn, error",
            {{kLevelVariable, std::getenv(kLevelVariable)}});
  }
}

void LogDebug(std::string_view message, std::initializer_list<LogField> fields) {
  Log(spdlog::level::debug, message, fields);
}
void LogInfo(std::string_view message, std::initializer_list<LogField> fields) {
  Log(spdlog::level::info, message, fields);
}
void LogWarn(std::string_view message, std::initializer_list<LogField> fields) {
  Log(spdlog::level::warn, message, fields);
}
void LogError(std::string_view message, std::initializer_list<LogField> fields) {
  Log(spdlog::level::err, message, fields);
}

}  // namespace closewrite
