#include "services/executor/placeholders.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::executor {
namespace {

// As Debian's login has it for root; other users find what they may run there, too.
constexpr char kPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

using Values = std::vector<std::pair<std::string_view, std::string>>;

Values ValuesOf(const AttemptFacts& facts) {
  const std::string_view name = BaseName(facts.path);
  return {
      {"input", facts.input},
      {"output", facts.output},
      {"output_dir", facts.output_dir},
      {"name", std::string(name)},
      {"stem", std::string(Stem(name))},
      {"ext", std::string(Extension(name))},
      {"volume", facts.volume},
      {"path", facts.path},
      {"event", facts.event},
      {"job", StrCat(facts.job)},
      {"attempt", StrCat(facts.attempt)},
      {"token", StrCat(facts.token)},
  };
}

const std::string* Find(const Values& values, std::string_view word) {
  for (const auto& [name, value] : values) {
    if (name == word) return &value;
  }
  return nullptr;
}

// The word in braces that `text` starts with, or "" when it does not start with one.
std::string_view BracedWord(std::string_view text) {
  if (text.empty() || text.front() != '{') return {};
  const size_t end = text.find('}');
  if (end == std::string_view::npos) return {};
  return text.substr(1, end - 1);
}

std::string ExpandWith(std::string_view text, const Values& values) {
  std::string expanded;
  while (!text.empty()) {
    const size_t brace = text.find('{');
    expanded.append(text.substr(0, brace));
    if (brace == std::string_view::npos) break;
    text.remove_prefix(brace);
    const std::string_view word = BracedWord(text);
    const std::string_view quoted = BracedWord(text.substr(1));
    if (const std::string* value = Find(values, word); value != nullptr) {
      expanded.append(*value);
      text.remove_prefix(word.size() + 2);
    } else if (Find(values, quoted) != nullptr && text.substr(quoted.size() + 3, 1) == "}") {
      expanded.append(text.substr(1, quoted.size() + 2));
      text.remove_prefix(quoted.size() + 4);
    } else {
      expanded.push_back('{');
      text.remove_prefix(1);
    }
  }
  return expanded;
}

bool HasNul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

}  // namespace

std::string_view Stem(std::string_view name) {
  return name.substr(0, name.size() - Extension(name).size());
}

std::string_view Extension(std::string_view name) {
  const size_t dot = name.rfind('.');
  const size_t first = name.find_first_not_of('.');
  if (dot == std::string_view::npos || first == std::string_view::npos || dot < first) return {};
  if (dot + 1 == name.size()) return {};
  return name.substr(dot);
}

std::string Expand(std::string_view text, const AttemptFacts& facts) {
  return ExpandWith(text, ValuesOf(facts));
}

absl::StatusOr<std::vector<std::string>> ExpandCommand(const std::vector<std::string>& command,
                                                       const AttemptFacts& facts) {
  const Values values = ValuesOf(facts);
  std::vector<std::string> arguments;
  size_t bytes = 0;
  for (const std::string& part : command) {
    arguments.push_back(ExpandWith(part, values));
    bytes += arguments.back().size() + 1;
    if (HasNul(arguments.back())) {
      return absl::InvalidArgumentError("an argument holds a NUL byte, which no command can take");
    }
    if (bytes > kCommandBytesMax) {
      return absl::InvalidArgumentError(StrCat("the arguments are longer than ", kCommandBytesMax,
                                               " bytes; pass long data by a file instead"));
    }
  }
  if (arguments.empty() || arguments.front().empty()) {
    return absl::InvalidArgumentError("the command is empty; name a program in run.command");
  }
  return arguments;
}

std::map<std::string, std::string> BaseEnvironment(const Account& account) {
  return {{"PATH", kPath},        {"LANG", "C.UTF-8"},       {"HOME", account.home},
          {"USER", account.name}, {"LOGNAME", account.name}, {"SHELL", account.shell}};
}

bool IsSetByExecutor(std::string_view variable) {
  constexpr std::string_view kOfTheTool[] = {"CLOSEWRITE_TLS", "CLOSEWRITE_ACCESS_TOKEN",
                                             "CLOSEWRITE_ACCESS_TOKEN_FILE"};
  return variable.starts_with("CLOSEWRITE_") &&
         std::find(std::begin(kOfTheTool), std::end(kOfTheTool), variable) == std::end(kOfTheTool);
}

absl::Status CheckHostVariable(std::string_view key, std::string_view variable) {
  const bool is_name = !variable.empty() && variable.find('=') == std::string_view::npos;
  if (is_name && !IsSetByExecutor(variable)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat(key, ": `", Display(variable),
             "` is no name for a variable; it must not be empty, hold '=', or begin with "
             "CLOSEWRITE_, which the executor sets itself"));
}

absl::StatusOr<std::vector<std::string>> BuildEnvironment(const EnvironmentOptions& options,
                                                          const AttemptFacts& facts) {
  std::map<std::string, std::string> entries = options.base;
  for (const auto* more : {&options.host, &options.added, &options.secrets}) {
    for (const auto& [name, value] : *more) {
      if (name.empty() || name.find('=') != std::string::npos || HasNul(name) || HasNul(value)) {
        return absl::InvalidArgumentError(
            StrCat("env: `", Display(name),
                   "` can't be a variable; names must not be empty or hold '=', and neither "
                   "names nor values may hold a NUL byte"));
      }
      entries[name] = value;
    }
  }
  for (const auto& [name, value] : ValuesOf(facts)) {
    entries[StrCat("CLOSEWRITE_", absl::AsciiStrToUpper(ToAbsl(name)))] = value;
  }
  entries["CLOSEWRITE_COORDINATOR"] = options.coordinator;
  std::vector<std::string> environment;
  size_t bytes = 0;
  for (const auto& [name, value] : entries) {
    environment.push_back(StrCat(name, "=", value));
    bytes += environment.back().size() + 1;
  }
  if (bytes > kCommandBytesMax) {
    return absl::InvalidArgumentError(
        StrCat("the environment is longer than ", kCommandBytesMax, " bytes; shorten run.env"));
  }
  return environment;
}

}  // namespace closewrite::executor
