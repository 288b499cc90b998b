#include "services/cli/completion.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "services/access/role.h"
#include "services/cli/command_parser.h"
#include "services/cli/contexts.h"
#include "services/cli/credentials.h"
#include "services/cli/help.h"
#include "services/cli/job_list.h"
#include "services/cli/live_names.h"
#include "services/config/enum_name.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

std::string FirstWord(const std::string& name) { return name.substr(0, name.find(' ')); }

std::string SecondWord(const std::string& name) {
  const size_t blank = name.find(' ');
  return blank == std::string::npos ? "" : name.substr(blank + 1);
}

std::vector<Candidate> Words(const std::vector<std::string>& words) {
  std::vector<Candidate> candidates;
  for (const std::string& word : words) candidates.push_back({word, ""});
  return candidates;
}

// `on-failure`, as options have them.
std::vector<Candidate> EnumWords(const google::protobuf::EnumDescriptor& type) {
  std::vector<Candidate> candidates;
  for (const std::string& name : ShortNames(type)) {
    candidates.push_back({absl::StrReplaceAll(name, {{"_", "-"}}), ""});
  }
  return candidates;
}

// Those that can be given in a certificate, or by a token.
std::vector<Candidate> RoleWords(bool of_tokens) {
  std::vector<Candidate> candidates;
  if (!of_tokens) {
    for (const Role role : {Role::kCoordinator, Role::kWatcher, Role::kExecutor, Role::kPortal}) {
      candidates.push_back({std::string(RoleName(role)), ""});
    }
  }
  for (const Role role :
       {Role::kViewer, Role::kUploader, Role::kProgram, Role::kOperator, Role::kAdmin}) {
    candidates.push_back({std::string(RoleName(role)), ""});
  }
  return candidates;
}

bool IsFlag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

// One press of Tab.
class Completer {
 public:
  Completer(const std::vector<Command>& commands, Console& console)
      : commands_(commands), console_(console) {}

  std::vector<Candidate> Complete(std::vector<std::string> words) {
    current_ = words.back();
    words.pop_back();
    words_ = std::move(words);
    CLI::App app;
    app.set_help_flag();
    app.add_flag("-h,--help")->description("Print help");
    app.add_flag("--version")->description("Print the version");
    DeclareGlobals(app, &declared_);
    Walk(app, true);
    if (value_of_ != nullptr) return Values(*value_of_, "");
    if (positionals_.empty()) return IsOption() ? Options(app) : Verbs();
    verb_ = positionals_.front();
    if (verb_ == "help") return HelpWords();
    const Command* command = Find();
    if (command == nullptr) return words_.size() == at_ ? Seconds() : std::vector<Candidate>();
    return OfCommand(*command);
  }

 private:
  // Passes over the words before the one that is typed, or up to the command.
  void Walk(const CLI::App& app, bool up_to_command) {
    positionals_.clear();
    for (; at_ < words_.size(); ++at_) {
      const std::string& word = words_[at_];
      if (value_of_ != nullptr) {
        Take(*value_of_, word);
        value_of_ = nullptr;
      } else if (word == "--" && !only_arguments_) {
        only_arguments_ = true;
      } else if (only_arguments_ || word.size() < 2 || word.front() != '-') {
        positionals_.push_back(word);
        if (up_to_command) return static_cast<void>(++at_);
      } else {
        const size_t equals = word.find('=');
        const CLI::Option* option = app.get_option_no_throw(word.substr(0, equals));
        if (option == nullptr || IsFlag(*option)) continue;
        if (equals == std::string::npos) {
          value_of_ = option;
        } else {
          Take(*option, word.substr(equals + 1));
        }
      }
    }
  }

  // The options that say which coordinator is to be asked for names.
  void Take(const CLI::Option& option, const std::string& value) {
    if (option.check_lname("coordinator")) globals_.coordinator = value;
    if (option.check_lname("context")) globals_.context = value;
    if (option.check_lname("tls")) globals_.tls = value;
    if (option.check_lname("access-token-file")) globals_.access_token_file = value;
  }

  const Command* Find() {
    for (const Command& command : commands_) {
      if (command.name == verb_) return &command;
      if (at_ < words_.size() && command.name == StrCat(verb_, " ", words_[at_])) {
        ++at_;
        return &command;
      }
    }
    return nullptr;
  }

  std::vector<Candidate> OfCommand(const Command& command) {
    command_ = &command;
    CLI::App app;
    Declare(command, &declared_, app);
    Walk(app, false);
    if (value_of_ != nullptr) return Values(*value_of_, "");
    if (IsOption()) {
      const size_t equals = current_.find('=');
      if (equals == std::string::npos) return Options(app);
      const CLI::Option* option = app.get_option_no_throw(current_.substr(0, equals));
      if (option == nullptr || IsFlag(*option)) return {};
      return Values(*option, current_.substr(0, equals + 1));
    }
    const std::vector<const CLI::Option*> options = std::as_const(app).get_options(
        [](const CLI::Option* option) { return option->get_positional(); });
    size_t left = positionals_.size();
    for (const CLI::Option* option : options) {
      const auto takes = static_cast<size_t>(option->get_items_expected_max());
      if (left < takes) return Values(*option, "");
      left -= takes;
    }
    return only_arguments_ ? std::vector<Candidate>() : Options(app);
  }

  bool IsOption() const { return !only_arguments_ && absl::StartsWith(current_, "-"); }

  std::vector<Candidate> Verbs() const {
    std::vector<Candidate> verbs;
    for (const Command& command : commands_) {
      const std::string first = FirstWord(command.name);
      const std::string second = SecondWord(command.name);
      if (verbs.empty() || verbs.back().text != first) {
        verbs.push_back({first, second.empty() ? FirstSentence(command.summary) : second});
      } else {
        StrAppend(&verbs.back().description, ", ", second);
      }
    }
    verbs.push_back({"help", "Print help about a command or a topic"});
    return verbs;
  }

  // Of the verb.
  std::vector<Candidate> Seconds() const {
    std::vector<Candidate> seconds;
    for (const Command& command : commands_) {
      if (FirstWord(command.name) != verb_ || command.name == verb_) continue;
      seconds.push_back({SecondWord(command.name), FirstSentence(command.summary)});
    }
    return seconds;
  }

  std::vector<Candidate> HelpWords() {
    if (words_.size() == at_ + 1) {
      verb_ = words_[at_];
      return Seconds();
    }
    if (words_.size() != at_) return {};
    std::vector<Candidate> candidates = Verbs();
    candidates.pop_back();  // help itself
    for (const std::string& topic : Topics()) candidates.push_back({topic, "topic"});
    return candidates;
  }

  std::vector<Candidate> Options(const CLI::App& app) const {
    std::vector<Candidate> candidates;
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& name : option->get_lnames()) {
        candidates.push_back({"--" + name, option->get_description()});
      }
      for (const std::string& name : option->get_snames()) {
        if (current_ == "-") candidates.push_back({"-" + name, option->get_description()});
      }
    }
    return candidates;
  }

  // By the name that the command gives to what it takes: so names like JOB and PIPELINE are more
  // than words of the help. `before` is put before each.
  std::vector<Candidate> Values(const CLI::Option& option, std::string before) {
    const std::string name = option.get_positional()       ? option.get_name(true)
                             : option.get_lnames().empty() ? ""
                                                           : option.get_lnames().front();
    if (name == "state") {  // several with commas
      const size_t comma = current_.rfind(',');
      if (comma != std::string::npos) before = current_.substr(0, comma + 1);
    }
    std::vector<Candidate> candidates = FixedWords(name);
    if (candidates.empty()) candidates = Names(name);
    for (Candidate& candidate : candidates) {
      if (candidate.text != kFilesLine) candidate.text.insert(0, before);
    }
    return candidates;
  }

  std::vector<Candidate> FixedWords(const std::string& name) const {
    if (name == "state") return EnumWords(*v1::JobState_descriptor());
    if (name == "restart") return EnumWords(*v1::Restart_descriptor());
    if (name == "overlap") return EnumWords(*v1::Overlap_descriptor());
    if (name == "catch-up") return EnumWords(*v1::CatchUp_descriptor());
    if (name == "color") return Words({"auto", "always", "never"});
    if (name == "sort") return Words({std::begin(kSortKeys), std::end(kSortKeys)});
    if (name == "ROLE") return RoleWords(verb_ == "token");
    if (name == "SHELL") return Words({"bash", "zsh", "fish"});
    if (name == "output" && command_ != nullptr && command_->html) return Words({"html", "json"});
    if (name == "output" && command_ != nullptr && !command_->names) {
      return Words(command_->csv ? std::vector<std::string>{"table", "json", "csv"}
                                 : std::vector<std::string>{"table", "wide", "json"});
    }
    if (name == "output") return Words({"table", "wide", "json", "name"});
    static constexpr std::string_view kFiles[] = {"FILE",   "PATH", "COMMAND", "FOLDER", "file",
                                                  "script", "in",   "out",     "add"};
    if (std::find(std::begin(kFiles), std::end(kFiles), name) != std::end(kFiles)) {
      return Words({kFilesLine});
    }
    return {};
  }

  std::vector<Candidate> Names(const std::string& name) {
    if (name == "CONTEXT" || name == "context") return ContextNames();
    if (name == "JOB" || name == "run") return Live().Jobs(StatesFor(verb_));
    if (name == "WHAT") {
      std::vector<Candidate> candidates = Live().Jobs({});
      for (Candidate& volume : Live().Volumes()) {
        StrAppend(&volume.text, ":");
        candidates.push_back(std::move(volume));
      }
      candidates.push_back({kFilesLine, ""});
      return candidates;
    }
    if (name == "VOLUME" || name == "volume" || name == "input") return Live().Volumes();
    if (name == "HOST" || name == "host") return Live().Hosts();
    if (name == "EXECUTOR") return Live().Executors();
    if (name == "PIPELINE" || name == "pipeline" || (name == "NAME" && verb_ == "pipeline")) {
      return Live().Pipelines();
    }
    if (name == "NAME" && verb_ == "task" && command_->name != "task add") return Live().Tasks();
    if (name == "NAME" && verb_ == "drain") return Live().DrainedNames();
    if (name == "NAME" && verb_ == "lock") return Live().Locks();
    if (name == "NAME" && verb_ == "rate") return Live().Rates();
    return {};
  }

  // Those of the jobs that the command can do something about.
  static std::vector<v1::JobState> StatesFor(const std::string& verb) {
    if (verb == "redrive") return {v1::JOB_STATE_FAILED};
    if (verb == "retry") {
      return {v1::JOB_STATE_FAILED, v1::JOB_STATE_CANCELLED, v1::JOB_STATE_RETRYING};
    }
    if (verb == "cancel" || verb == "wait") {
      return {v1::JOB_STATE_SCHEDULED, v1::JOB_STATE_AVAILABLE, v1::JOB_STATE_RUNNING,
              v1::JOB_STATE_PUBLISHING, v1::JOB_STATE_RETRYING};
    }
    return {};
  }

  std::vector<Candidate> ContextNames() const {
    const auto contexts = Contexts::Load(Contexts::PathOf(console_));
    if (!contexts.ok()) return {};
    std::map<std::string, std::string> sorted;
    for (const auto& [name, context] : contexts->file().contexts()) {
      sorted[name] = context.coordinator();
    }
    std::vector<Candidate> candidates;
    for (const auto& [name, coordinator] : sorted) candidates.push_back({name, coordinator});
    return candidates;
  }

  LiveNames& Live() {
    if (!live_.has_value()) {
      const auto settings = ResolveSettings(globals_, console_);
      // Nobody who presses Tab wants to read what is wrong with certificates.
      std::shared_ptr<grpc::ChannelCredentials> credentials;
      if (settings.ok()) credentials = MakeCredentials(*settings, console_).value_or(nullptr);
      live_.emplace(settings.ok() ? settings->coordinator.value : "", std::move(credentials),
                    console_);
    }
    return *live_;
  }

  const std::vector<Command>& commands_;
  Console& console_;
  std::string current_;
  std::vector<std::string> words_;  // before the current one
  size_t at_ = 0;                   // of those
  const CLI::Option* value_of_ = nullptr;
  std::vector<std::string> positionals_;
  bool only_arguments_ = false;  // since `--`
  GlobalOptions globals_;
  GlobalOptions declared_;  // nothing is parsed into it
  std::string verb_;
  const Command* command_ = nullptr;
  std::optional<LiveNames> live_;
};

}  // namespace

std::string CompletionText(const std::vector<Command>& commands,
                           const std::vector<std::string>& arguments, Console& console) {
  std::vector<std::string> words(arguments.begin() + 1, arguments.end());
  if (!words.empty() && words.front() == "--") words.erase(words.begin());
  if (words.empty()) words.emplace_back();
  const std::string current = words.back();
  std::string text;
  for (const Candidate& candidate : Completer(commands, console).Complete(words)) {
    if (candidate.text != kFilesLine && !absl::StartsWith(candidate.text, current)) continue;
    // A word that was given already is not meant again.
    if (std::find(words.begin(), words.end() - 1, candidate.text) != words.end() - 1) continue;
    StrAppend(&text, candidate.text, candidate.description.empty() ? "" : "\t",
              candidate.description, "\n");
  }
  return text;
}

}  // namespace closewrite::cli
