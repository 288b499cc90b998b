#include "services/cli/settings_commands.h"

#include <map>
#include <memory>
#include <string>

#include "services/cli/contexts.h"
#include "services/cli/settings.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

absl::StatusOr<int> ListContexts(Invocation& invocation) {
  const auto contexts = Contexts::Load(Contexts::PathOf(invocation.console()));
  if (!contexts.ok()) return contexts.status();
  const ContextsFile& file = contexts->file();
  const std::map<std::string, Context> sorted(file.contexts().begin(), file.contexts().end());
  Table table({{"NAME"}, {"CURRENT"}, {"COORDINATOR"}, {"HOST"}});
  for (const auto& [name, context] : sorted) {
    const bool current = name == file.current();
    if (invocation.json()) {
      invocation.PrintJson({{"name", name},
                            {"current", current},
                            {"coordinator", context.coordinator()},
                            {"host", context.host().empty() ? Json() : Json(context.host())}});
      continue;
    }
    table.Add(
        {{name}, {current ? "*" : "", Color::kGreen}, {context.coordinator()}, {context.host()}});
  }
  if (!invocation.json()) table.Print(invocation.out(), invocation.style());
  if (sorted.empty()) {
    invocation.Note(
        StrCat("there are no contexts in ",
               contexts->path().empty() ? "any file" : Display(contexts->path()),
               " yet; `closewrite context use NAME --coordinator HOST:PORT` makes one"));
  }
  return kExitOk;
}

absl::StatusOr<int> UseContext(Invocation& invocation, const std::string& name) {
  auto contexts = Contexts::Load(Contexts::PathOf(invocation.console()));
  if (!contexts.ok()) return contexts.status();
  Context fields;
  fields.set_coordinator(invocation.options().coordinator);
  fields.set_host(invocation.options().host);
  fields.set_tls(invocation.options().tls);
  fields.set_access_token_file(invocation.options().access_token_file);
  const absl::Status used = contexts->Use(name, fields);
  if (!used.ok()) return used;
  if (invocation.json()) {
    invocation.PrintJson({{"name", name}, {"file", contexts->path()}});
  } else {
    invocation.out() << name << " is current in " << Display(contexts->path()) << "\n";
  }
  for (const char* variable : {"CLOSEWRITE_CONTEXT", "CLOSEWRITE_COORDINATOR"}) {
    const std::string value = invocation.console().environment(variable);
    if (value.empty() || value == name) continue;
    invocation.Note(StrCat(variable, "=", value, " is set, which counts more; unset it"));
  }
  return kExitOk;
}

absl::StatusOr<int> ShowSettings(Invocation& invocation) {
  const auto settings = ResolveSettings(invocation.options(), invocation.console());
  if (!settings.ok()) return settings.status();
  Table table({{"SETTING"}, {"VALUE"}, {"FROM"}});
  for (const auto& [name, setting] : settings->List()) {
    if (invocation.json()) {
      invocation.PrintJson({{"setting", name},
                            {"value", setting.value.empty() ? Json() : Json(setting.value)},
                            {"from", setting.from}});
    } else {
      table.Add({{name}, {setting.value}, {setting.from}});
    }
  }
  if (!invocation.json()) table.Print(invocation.out(), invocation.style());
  return kExitOk;
}

Command UseCommand() {
  Command command{"context use", "CONTEXT [--coordinator HOST:PORT] [--host NAME] [--tls FOLDER]",
                  "Make a context current; with --coordinator, add or change it first."};
  command.examples =
      "closewrite context use prod --coordinator vm-a:7400,vm-d:7400\n"
      "closewrite --context test jobs      # once in another\n";
  command.local = true;
  command.declare = [](CLI::App& app) -> Action {
    auto name = std::make_shared<std::string>();
    app.add_option("CONTEXT", *name, "Name of the context")->required();
    return [name](Invocation& invocation) { return UseContext(invocation, *name); };
  };
  return command;
}

}  // namespace

std::vector<Command> SettingsCommands() {
  Command list{"context list", "", "List the contexts: the coordinators that have a name here."};
  list.local = true;
  list.declare = [](CLI::App&) -> Action { return ListContexts; };
  Command config{"config", "", "Print each setting of the command line and where it comes from."};
  config.examples = "closewrite --context prod config\n";
  config.local = true;
  config.declare = [](CLI::App&) -> Action { return ShowSettings; };
  return {list, UseCommand(), config};
}

}  // namespace closewrite::cli
