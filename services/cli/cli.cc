#include "services/cli/cli.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "services/cli/command.h"
#include "services/cli/error_text.h"
#include "services/cli/event_commands.h"
#include "services/cli/fleet_commands.h"
#include "services/cli/help.h"
#include "services/cli/jobs_commands.h"
#include "services/cli/pipeline_commands.h"
#include "services/cli/progress_commands.h"
#include "services/cli/story_commands.h"
#include "services/cli/submit_commands.h"
#include "services/cli/task_commands.h"
#include "services/config/nearest.h"
#include "services/log/str_cat.h"
#include "services/version/version.h"

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

std::vector<Command> AllCommands() {
  std::vector<Command> all;
  for (const auto& group :
       {PipelineCommands(), TaskCommands(), SubmitCommands(), JobsCommands(), StoryCommands(),
        EventCommands(), FleetCommands(), ProgressCommands()}) {
    all.insert(all.end(), group.begin(), group.end());
  }
  return all;
}

std::string UsageText(const Command& command) {
  return StrCat("closewrite ", command.name, command.arguments.empty() ? "" : " ",
                command.arguments);
}

class UsageFormatter : public CLI::Formatter {
 public:
  explicit UsageFormatter(std::string usage) : usage_(std::move(usage)) {}
  std::string make_usage(const CLI::App* /*app*/, std::string /*name*/) const override {
    return StrCat("Usage: ", usage_, "\n");
  }

 private:
  const std::string usage_;
};

void DeclareGlobals(CLI::App& app, GlobalOptions* globals) {
  app.add_option("--coordinator", globals->coordinator, "host:port, or CLOSEWRITE_COORDINATOR")
      ->group("Options of every command");
  app.add_option("--host", globals->host, "What the fleet calls this host, or CLOSEWRITE_HOST")
      ->group("Options of every command");
  // A command may give it another meaning.
  if (app.get_option_no_throw("--timeout") == nullptr) {
    app.add_option("--timeout", globals->timeout,
                   "Give up waiting after this long (exit code 124), or for one answer (125; 30s)")
        ->group("Options of every command");
  }
  app.add_option("--connect-timeout", globals->connect_timeout,
                 "Look this long for a coordinator that can't be reached (10s)")
      ->group("Options of every command");
  app.add_option("-o,--output", globals->output, "table, wide or json; name for ids of jobs")
      ->group("Options of every command");
  app.add_option("--color", globals->color, "auto, always or never")
      ->group("Options of every command");
}

// One run: finds the command, parses its options, runs it.
class Run {
 public:
  Run(std::vector<std::string> arguments, Console& console)
      : arguments_(std::move(arguments)), console_(console), commands_(AllCommands()) {}

  int Go() {
    const absl::StatusOr<int> code = Dispatch();
    if (!code.ok()) {
      *console_.err << ErrorText(code.status()) << std::flush;
      return ExitCode(code.status());
    }
    if (console_.out->flush()) return *code;
    *console_.err << "closewrite: stdout can't be written: is the disk full?" << std::endl;
    return kExitOurs;
  }

 private:
  absl::StatusOr<int> Dispatch() {
    const auto verb = TakeGlobals();
    if (!verb.ok()) return verb.status();
    if (help_ || *verb == "help") return Help();
    if (version_) {
      *console_.out << "closewrite " << kVersion << "\n";
      return kExitOk;
    }
    if (verb->empty()) {
      *console_.err << OverviewText(commands_);
      return kExitUsage;
    }
    if (arguments_.size() == 1 && IsHelp(arguments_.front()) && PrintGroup(*verb)) return kExitOk;
    const auto command = Find(*verb);
    if (!command.ok()) return command.status();
    return RunCommand(**command);
  }

  static bool IsHelp(const std::string& argument) {
    return argument == "--help" || argument == "-h";
  }

  // The commands that begin with a word; false when there are none.
  bool PrintGroup(const std::string& verb) const {
    const std::string text = GroupText(commands_, verb);
    *console_.out << text;
    return !text.empty();
  }

  // Takes the options before the command; returns the first word of the command and leaves the
  // rest.
  absl::StatusOr<std::string> TakeGlobals() {
    CLI::App app;
    app.set_help_flag();
    app.add_flag("-h,--help", help_);
    app.add_flag("--version", version_);
    DeclareGlobals(app, &globals_);
    app.prefix_command();
    const absl::Status status = Parse(app, arguments_);
    if (!status.ok()) return status;
    arguments_ = app.remaining();
    for (std::string& argument : arguments_) Unprotect(argument);
    if (arguments_.empty()) return "";
    std::string verb = arguments_.front();
    if (absl::StartsWith(verb, "-")) return UsageError(StrCat("unknown option ", verb));
    arguments_.erase(arguments_.begin());
    return verb;
  }

  absl::StatusOr<const Command*> Find(const std::string& verb) {
    std::vector<std::string> names;
    for (const Command& command : commands_) {
      const std::string_view name = command.name;
      const std::string_view first = name.substr(0, name.find(' '));
      names.emplace_back(first);
      if (name == verb) return &command;
      if (first != verb || arguments_.empty()) continue;
      if (name.substr(first.size() + 1) != arguments_.front()) continue;
      arguments_.erase(arguments_.begin());
      return &command;
    }
    return Unknown(verb, names);
  }

  absl::Status Unknown(const std::string& verb, const std::vector<std::string>& names) const {
    if (std::find(names.begin(), names.end(), verb) == names.end()) {
      const std::string nearest = Nearest(verb, names);
      return UsageError(StrCat(
          "unknown command ", verb, ": ",
          nearest.empty() ? "`closewrite help` lists all" : StrCat("did you mean ", nearest, "?")));
    }
    std::vector<std::string> seconds;
    for (const Command& command : commands_) {
      if (absl::StartsWith(command.name, verb + " ")) {
        seconds.push_back(command.name.substr(verb.size() + 1));
      }
    }
    return UsageError(StrCat(verb, " needs one of: ", absl::StrJoin(seconds, ", ")));
  }

  absl::StatusOr<int> RunCommand(const Command& command) {
    CLI::App app(command.summary, "closewrite " + command.name);
    app.formatter(std::make_shared<UsageFormatter>(UsageText(command)));
    if (!command.examples.empty()) app.footer(StrCat("Examples:\n", Indent(command.examples)));
    app.set_help_flag();
    app.add_flag("-h,--help", help_, "Print this help");
    const Action action = command.declare(app);
    DeclareGlobals(app, &globals_);
    const bool asks = std::any_of(arguments_.begin(), arguments_.end(), IsHelp);
    // Help is given even where required arguments are missing.
    if (asks && std::find(arguments_.begin(), arguments_.end(), "--") == arguments_.end()) {
      *console_.out << app.help();
      return kExitOk;
    }
    const absl::Status status = Parse(app, arguments_);
    if (!status.ok()) {
      return UsageError(
          StrCat(command.name, ": ", status.message(), "; usage: ", UsageText(command)));
    }
    if (globals_.connect_timeout.empty()) globals_.connect_timeout = command.connect_timeout;
    const auto invocation = Invocation::Make(&console_, globals_);
    if (!invocation.ok()) return invocation.status();
    if ((*invocation)->format() == Format::kName && !command.names) {
      return UsageError(StrCat("-o name is for commands that list jobs, not for ", command.name));
    }
    return action(**invocation);
  }

  absl::StatusOr<int> Help() {
    const std::string topic = absl::StrJoin(arguments_, " ");
    if (topic.empty()) {
      *console_.out << OverviewText(commands_);
      return kExitOk;
    }
    const std::string text = TopicText(topic);
    if (!text.empty()) {
      *console_.out << text;
      return kExitOk;
    }
    const std::string verb = arguments_.front();
    arguments_.erase(arguments_.begin());
    if (arguments_.empty() && PrintGroup(verb)) return kExitOk;
    const auto command = Find(verb);
    if (!command.ok()) return command.status();
    arguments_ = {"--help"};
    return RunCommand(**command);
  }

  static absl::Status Parse(CLI::App& app, const std::vector<std::string>& arguments) {
    for (CLI::Option* option : app.get_options()) {
      option->transform(CLI::Validator(Unprotect, ""));
    }
    std::vector<std::string> reversed;  // CLI11 takes them from the end
    std::transform(arguments.rbegin(), arguments.rend(), std::back_inserter(reversed), Protect);
    try {
      app.parse(reversed);
    } catch (const CLI::ParseError& error) {
      return UsageError(error.what());
    }
    return absl::OkStatus();
  }

  static std::string Indent(const std::string& lines) {
    std::string text;
    for (const char c : lines) {
      if (text.empty() || text.back() == '\n') text += "  ";
      text += c;
    }
    return text;
  }

  std::vector<std::string> arguments_;
  Console& console_;
  const std::vector<Command> commands_;
  GlobalOptions globals_;
  bool help_ = false;
  bool version_ = false;
};

}  // namespace

int RunCli(int argc, const char* const* argv, Console& console) {
  return Run(std::vector<std::string>(argv + 1, argv + argc), console).Go();
}

}  // namespace closewrite::cli
