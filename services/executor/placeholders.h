// The command contract: what a command is told about its attempt, in arguments and environment.
#ifndef SERVICES_EXECUTOR_PLACEHOLDERS_H_
#define SERVICES_EXECUTOR_PLACEHOLDERS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/executor/account.h"

namespace closewrite::executor {

// Bytes of arguments and of environment after expansion; the kernel's own limit is near.
inline constexpr size_t kCommandBytesMax = 1 << 20;

// What can be put into a command. Everything but the numbers is bytes, not text.
struct AttemptFacts {
  std::string input;       // absolute path on this host; empty for a job without a file
  std::string output;      // where the result is to be written: the input's own name, staged
  std::string output_dir;  // the staging directory; empty when nothing is published
  std::string volume;      // the input's volume
  std::string path;        // the input's path relative to that volume
  std::string event;       // what made the job, see Assignment.event
  int64_t job = 0;
  int32_t attempt = 0;
  int64_t token = 0;
};

// {name} is the last part of the path and always {stem} followed by {ext}; {ext} brings its dot:
// "a.tar.gz" is "a.tar" and ".gz", ".profile" and "README" have no extension.
std::string_view Stem(std::string_view name);
std::string_view Extension(std::string_view name);

// Expands {input} {output} {output_dir} {name} {stem} {ext} {volume} {path} {event} {job} {attempt}
// {token} in `text`, once: what they bring in is never looked at again. `{{input}}` (any of these
// words) stands for the literal text `{input}`. All other braces stay as they are.
std::string Expand(std::string_view text, const AttemptFacts& facts);

// Expands each argument. INVALID_ARGUMENT for an empty command, an argument with a NUL byte, or
// more than kCommandBytesMax.
absl::StatusOr<std::vector<std::string>> ExpandCommand(const std::vector<std::string>& command,
                                                       const AttemptFacts& facts);

struct EnvironmentOptions {
  // Each of these replaces what those before it say: what every command has, what all commands of
  // this host have, the pipeline's additions, and what no other host knows.
  std::map<std::string, std::string> base;
  std::map<std::string, std::string> host;
  std::map<std::string, std::string> added;
  std::map<std::string, std::string> secrets;
  // CLOSEWRITE_COORDINATOR, so that the command line tool works inside a command.
  std::string coordinator;
};

// What a command finds without anybody's doing: PATH, LANG, and HOME and so on of its user. None of
// it comes from the executor's own environment.
std::map<std::string, std::string> BaseEnvironment(const Account& account);

// Whether a variable is one that the executor sets itself: all CLOSEWRITE_*, but those by which the
// command line tool shows coordinators who it is. Only the executor's host says these.
bool IsSetByExecutor(std::string_view variable);

// OK when `variable` may stand under `key` of the executor's configuration, `env` or `env_files`.
// INVALID_ARGUMENT names both.
absl::Status CheckHostVariable(std::string_view key, std::string_view variable);

// `NAME=value` entries: those of the options, then CLOSEWRITE_INPUT, _OUTPUT and so on, which
// replace them. INVALID_ARGUMENT for a name that is empty or holds '=' or NUL, or a value that
// holds NUL; the message has no values.
absl::StatusOr<std::vector<std::string>> BuildEnvironment(const EnvironmentOptions& options,
                                                          const AttemptFacts& facts);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_PLACEHOLDERS_H_
