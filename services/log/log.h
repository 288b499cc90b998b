// One line an event: time, level, message, key=value.
#ifndef SERVICES_LOG_LOG_H_
#define SERVICES_LOG_LOG_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "services/log/str_cat.h"

namespace closewrite {

// A value in a log line; built from text (bytes are escaped, quoted when needed), numbers and
// bools.
class LogValue {
 public:
  template <class T>
  LogValue(const T& value) : text_(StrCat(value)) {}         // NOLINT: meant to be implicit
  LogValue(bool value) : text_(value ? "true" : "false") {}  // NOLINT
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

using LogField = std::pair<std::string_view, LogValue>;

// Sets up stderr logging for a service. Level from CLOSEWRITE_LOG (debug, info, warn, error); info
// by default. Lines look like `2026-11-22T10:55:03.123456Z info  coordinator: listening
// address=0.0.0.0:7400`.
void InitLog(std::string_view service);

// Thread-safe; before InitLog they go to stderr without the service's name.
void LogDebug(std::string_view message, std::initializer_list<LogField> fields = {});
void LogInfo(std::string_view message, std::initializer_list<LogField> fields = {});
void LogWarn(std::string_view message, std::initializer_list<LogField> fields = {});
void LogError(std::string_view message, std::initializer_list<LogField> fields = {});

}  // namespace closewrite

#endif  // SERVICES_LOG_LOG_H_
