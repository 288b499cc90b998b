#include "services/cli/settings.h"

#include <unistd.h>

#include <initializer_list>

#include "services/cli/contexts.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

constexpr char kDefault[] = "default";
constexpr char kCoordinatorDefault[] = "127.0.0.1:7400";
constexpr char kTimeoutDefault[] = "30s";
constexpr char kConnectTimeoutDefault[] = "10s";

// The first that says something; the last says what holds otherwise.
Setting First(std::initializer_list<Setting> settings) {
  for (const Setting& setting : settings) {
    if (!setting.value.empty()) return setting;
  }
  return {"", kDefault};
}

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "";
}

// https://no-color.org and https://bixense.com/clicolors.
Setting Color(const GlobalOptions& options, const Console& console) {
  const std::string force = console.environment("CLICOLOR_FORCE");
  return First({{options.color == "auto" ? "" : options.color, "--color"},
                {console.environment("NO_COLOR").empty() ? "" : "never", "NO_COLOR"},
                {force.empty() || force == "0" ? "" : "always", "CLICOLOR_FORCE"},
                {console.environment("TERM") == "dumb" ? "never" : "", "TERM"},
                {"auto", options.color.empty() ? kDefault : "--color"}});
}

}  // namespace

std::vector<std::pair<std::string, Setting>> Settings::List() const {
  return {{"coordinator", coordinator},
          {"host", host},
          {"context", context},
          {"tls", tls},
          {"access-token-file", access_token_file},
          {"timeout", timeout},
          {"connect-timeout", connect_timeout},
          {"output", output},
          {"color", color}};
}

absl::StatusOr<Settings> ResolveSettings(const GlobalOptions& options, const Console& console,
                                         bool with_contexts) {
  const std::string coordinator = console.environment("CLOSEWRITE_COORDINATOR");
  Settings settings;
  settings.context = First({{options.context, "--context"},
                            {console.environment("CLOSEWRITE_CONTEXT"), "CLOSEWRITE_CONTEXT"}});
  Context context;
  std::string place;
  const bool unnamed = options.coordinator.empty() && coordinator.empty();
  if (with_contexts && (!settings.context.value.empty() || unnamed)) {
    const auto contexts = Contexts::Load(Contexts::PathOf(console));
    if (!contexts.ok()) return contexts.status();
    const std::string file = Display(contexts->path());
    std::string asked_by = StrCat(settings.context.from, " ", Display(settings.context.value));
    if (settings.context.value.empty()) {
      asked_by = StrCat("current: ", Display(contexts->file().current()));
      settings.context = First({{contexts->file().current(), StrCat("current of ", file)}});
    }
    const std::string& name = settings.context.value;
    if (!name.empty()) {
      const auto found = contexts->Find(asked_by, name);
      if (!found.ok()) return found.status();
      context = **found;
      place = StrCat("context ", Display(name), " of ", file);
    }
  }
  const Context asked = options.context.empty() ? Context() : context;
  settings.coordinator = First({{options.coordinator, "--coordinator"},
                                {asked.coordinator(), place},
                                {coordinator, "CLOSEWRITE_COORDINATOR"},
                                {context.coordinator(), place},
                                {kCoordinatorDefault, kDefault}});
  settings.host = First({{options.host, "--host"},
                         {asked.host(), place},
                         {console.environment("CLOSEWRITE_HOST"), "CLOSEWRITE_HOST"},
                         {context.host(), place},
                         {HostName(), kDefault}});
  settings.tls = First({{options.tls, "--tls"},
                        {asked.tls(), place},
                        {console.environment("CLOSEWRITE_TLS"), "CLOSEWRITE_TLS"},
                        {context.tls(), place}});
  settings.access_token_file =
      First({{options.access_token_file, kTokenFileOption},
             {asked.access_token_file(), place},
             {console.environment("CLOSEWRITE_ACCESS_TOKEN_FILE"), "CLOSEWRITE_ACCESS_TOKEN_FILE"},
             {context.access_token_file(), place}});
  settings.timeout = First({{options.timeout, "--timeout"}, {kTimeoutDefault, kDefault}});
  settings.connect_timeout =
      First({{options.connect_timeout, "--connect-timeout"}, {kConnectTimeoutDefault, kDefault}});
  settings.output = First({{options.output, "--output"}, {"table", kDefault}});
  settings.color = Color(options, console);
  return settings;
}

}  // namespace closewrite::cli
