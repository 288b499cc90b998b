// What every command needs to know, and where it was said.
#ifndef SERVICES_CLI_SETTINGS_H_
#define SERVICES_CLI_SETTINGS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/cli/console.h"

namespace closewrite::cli {

// Options that every command takes, as the user wrote them.
struct GlobalOptions {
  std::string coordinator;
  std::string host;
  std::string context;
  std::string tls;
  std::string access_token_file;
  std::string timeout;
  std::string connect_timeout;
  std::string output;
  std::string color;
};

inline constexpr char kTokenFileOption[] = "--access-token-file";

struct Setting {
  std::string value;
  std::string from;  // an option, a variable, `context NAME of FILE` or `default`
};

// Not checked yet, but for the context.
struct Settings {
  Setting coordinator;
  Setting host;
  Setting context;
  Setting tls;                // a folder
  Setting access_token_file;  // never the token itself
  Setting timeout;            // for one answer; waits have none by default
  Setting connect_timeout;
  Setting output;
  Setting color;

  // All of them with their names.
  std::vector<std::pair<std::string, Setting>> List() const;
};

// Options beat the environment, that beats the context, that beats the defaults. A context that was
// asked for by --context is as good as the options that it stands for. The current context of the
// file belongs to its coordinator, so it counts for nothing where another one was named.
//
// INVALID_ARGUMENT (usage) for a context that is not there and for a wrong file. Without
// `with_contexts` no file is read.
absl::StatusOr<Settings> ResolveSettings(const GlobalOptions& options, const Console& console,
                                         bool with_contexts = true);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_SETTINGS_H_
