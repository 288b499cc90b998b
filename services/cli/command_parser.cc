#include "services/cli/command_parser.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/cli/table.h"
#include "services/config/nearest.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// CLI11 splits an argument like `[a,b]` into two, but it may be the name of a file. So such
// arguments carry this mark through it, which no argument can begin with otherwise: see Protect.
constexpr char kMark = '\x01';

std::string Protect(const std::string& argument) {
  const bool list = argument.size() > 1 && argument.front() == '[' && argument.back() == ']';
  return list || (!argument.empty() && argument.front() == kMark) ? kMark + argument : argument;
}

std::string Unprotect(std::string& argument) {
  if (!argument.empty() && argument.front() == kMark) argument.erase(0, 1);
  return "";  // CLI11: no error
}

// `--` and two letters say little about what is meant.
constexpr size_t kPrefixBytesMin = 4;

class UsageFormatter : public CLI::Formatter {
 public:
  explicit UsageFormatter(std::string usage) : usage_(std::move(usage)) {
    label("Positionals", "Arguments");
    label("REQUIRED", "(required)");
  }
  std::string make_usage(const CLI::App* /*app*/, std::string /*name*/) const override {
    return StrCat("Usage: ", usage_, "\n");
  }

 private:
  const std::string usage_;
};

std::string Indent(const std::string& lines) {
  std::string text;
  for (const char c : lines) {
    if (text.empty() || text.back() == '\n') text += "  ";
    text += c;
  }
  return text;
}

// The first word that no option or argument has taken.
absl::Status Unknown(const CLI::App& app) {
  for (const std::string& word : Remaining(app)) {
    if (word == "--") continue;
    if (word.size() > 1 && word.front() == '-') return UnknownOption(app, word);
    return UsageError(StrCat("unexpected argument ", Printable(word)));
  }
  return absl::OkStatus();
}

// CLI11's words, where they are not those of people.
std::string Reworded(const CLI::ParseError& error) {
  std::string text = Printable(error.what());
  if (dynamic_cast<const CLI::ConversionError*>(&error) != nullptr) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(absl::StripPrefix(text, "Could not convert: "), absl::MaxSplits(" = ", 1));
    // Of several it tells all, with commas, though but one is wrong.
    std::string wrong = parts.second;
    for (const absl::string_view value : absl::StrSplit(parts.second, ',')) {
      int64_t number = 0;
      if (absl::SimpleAtoi(value, &number)) continue;
      wrong = std::string(value);
      break;
    }
    return StrCat(parts.first, ": \"", wrong, "\" is no number, or out of range");
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr &&
      absl::EndsWith(text, " missing")) {
    return StrCat(text.substr(0, text.find(':')), " needs a value");
  }
  return text;
}

absl::Status Parse(CLI::App& app, const std::vector<std::string>& arguments, bool all) {
  for (CLI::Option* option : app.get_options()) {
    option->transform(CLI::Validator(Unprotect, ""));
  }
  std::vector<std::string> reversed;  // CLI11 takes them from the end
  std::transform(arguments.rbegin(), arguments.rend(), std::back_inserter(reversed), Protect);
  std::string wrong;
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    wrong = Reworded(error);
  }
  // An unknown option is the likeliest cause of all else.
  if (absl::Status unknown = all ? Unknown(app) : absl::OkStatus(); !unknown.ok()) return unknown;
  return wrong.empty() ? absl::OkStatus() : UsageError(wrong);
}

}  // namespace

std::string UsageText(const Command& command) {
  return StrCat("closewrite ", command.name, command.arguments.empty() ? "" : " ",
                command.arguments);
}

absl::Status UnknownOption(const CLI::App& app, const std::string& word) {
  const std::string option = word.substr(0, word.find('='));
  std::vector<std::string> names;
  std::string longer;  // the first that goes on where `option` ends
  for (const CLI::Option* each : app.get_options()) {
    for (const std::string& name : each->get_lnames()) {
      names.push_back("--" + name);
      if (longer.empty() && absl::StartsWith(names.back(), option)) longer = names.back();
    }
  }
  std::string nearest = Nearest(option, names);
  if (nearest.empty() && option.size() > kPrefixBytesMin) nearest = longer;
  return UsageError(StrCat("unknown option ", Printable(option),
                           nearest.empty() ? "" : StrCat(" (did you mean ", nearest, "?)")));
}

void DeclareGlobals(CLI::App& app, GlobalOptions* globals) {
  const auto declare = [&](const char* names, std::string* value, const char* help) {
    // A command may give it another meaning.
    const std::string last = std::string(names).substr(std::string(names).rfind(',') + 1);
    if (app.get_option_no_throw(last) != nullptr) return;
    app.add_option(names, *value, help)->group("Options of every command");
  };
  declare("--coordinator", &globals->coordinator, "host:port, or CLOSEWRITE_COORDINATOR");
  declare("--context", &globals->context, "A name for it, or CLOSEWRITE_CONTEXT; see `context`");
  declare("--tls", &globals->tls, "Folder with ca.crt, tls.crt and tls.key, or CLOSEWRITE_TLS");
  declare(kTokenFileOption, &globals->access_token_file,
          "File with a token, or CLOSEWRITE_ACCESS_TOKEN_FILE");
  declare("--host", &globals->host, "What the fleet calls this host, or CLOSEWRITE_HOST");
  declare("--timeout", &globals->timeout,
          "Give up waiting after this long (exit code 124), or for one answer (125; 30s)");
  declare("--connect-timeout", &globals->connect_timeout,
          "Look this long for a coordinator that can't be reached (10s)");
  declare("-o,--output", &globals->output, "table, wide or json; name for ids of jobs");
  declare("--color", &globals->color, "auto, always or never");
}

Action Declare(const Command& command, GlobalOptions* globals, CLI::App& app) {
  app.name("closewrite " + command.name);
  const std::string examples =
      command.examples.empty() ? "" : StrCat("Examples:\n", Indent(command.examples));
  app.description(command.examples_first ? StrCat(examples, "\n", command.summary)
                                         : command.summary);
  app.formatter(std::make_shared<UsageFormatter>(UsageText(command)));
  if (!command.examples_first) app.footer(examples);
  app.set_help_flag();
  app.add_flag("-h,--help")->description("Print this help");
  Action action = command.declare(app);
  DeclareGlobals(app, globals);
  if (command.html) app.get_option("--output")->description("html or json");
  return action;
}

std::string HelpText(const CLI::App& app) {
  std::string text = absl::StrReplaceAll(app.help(), {{"\n\n\n", "\n\n"}});
  while (absl::EndsWith(text, "\n\n")) text.pop_back();
  return text;
}

absl::Status ParseSome(CLI::App& app, const std::vector<std::string>& arguments) {
  app.prefix_command();
  return Parse(app, arguments, false);
}

absl::Status ParseAll(CLI::App& app, const std::vector<std::string>& arguments) {
  app.allow_extras();
  return Parse(app, arguments, true);
}

std::vector<std::string> Remaining(const CLI::App& app) {
  std::vector<std::string> words = app.remaining();
  for (std::string& word : words) Unprotect(word);
  return words;
}

}  // namespace closewrite::cli
