#include "services/cli/help.h"

#include "absl/strings/str_split.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

constexpr std::string_view kExitCodes = R"(Exit codes of closewrite:

    0   ok
    1   the coordinator refused the request: no such job, wrong state, wrong definition ...
        With --wait, and for `wait`: a job was cancelled, or failed without an exit code
    2   usage: a wrong option, a file that lies in no volume, a file of pipelines, tasks or contexts
        that can't be read
    6   task add: a task of that name exists (0 with --if-absent)
   75   lock run, lock hold: busy, with --no-wait; rate take: it would take longer than --wait
  124   the time of --timeout is up; ids of unfinished jobs are on stdout. `lock`: --wait is over
  125   ours failed: the coordinator can't be reached, did not answer, or has a defect; or stdout
        can't be written. `lock run`, `lock hold`: the lock was lost, or was refused
  130   interrupted by Ctrl-C

With --wait, for `wait JOB...` and for `wait --input`, any other code is the command's own: that of
the first job, in the order asked for, that failed (128 + N when signal N ended it). A command that
itself exits with 124 or 125 passes that through as well; `closewrite job JOB` tells them apart.

`lock run` exits with the command's own code, 128 + N when signal N ended it, and as shells do with
126 when it can't be run and 127 when it is not there.

Ctrl-C while waiting leaves the jobs alone and prints how to attach again. With `submit --wait` and
`run --wait` a second Ctrl-C within 2 s cancels them.
)";

constexpr std::string_view kEnvironment = R"(Environment of closewrite:

  CLOSEWRITE_COORDINATOR   host:port of the coordinator, several with commas;
                           127.0.0.1:7400 by default
  CLOSEWRITE_HOST          what the fleet calls this host, to find the volume of a local path;
                           the system's host name by default
  CLOSEWRITE_TLS           folder with ca.crt, tls.crt and tls.key, as `closewrite certs issue`
                           makes it, for a coordinator with TLS
  CLOSEWRITE_ACCESS_TOKEN  a token in place of tls.crt and tls.key
  CLOSEWRITE_ACCESS_TOKEN_FILE  the file that has it
  CLOSEWRITE_CONTEXT       name of a context, see `closewrite help contexts`
  CLOSEWRITE_CONFIG        the file of contexts; by default closewrite/config.yaml in
                           XDG_CONFIG_HOME, or in ~/.config
  NO_COLOR                 no colours when not empty (https://no-color.org)
  CLICOLOR_FORCE           colours when neither empty nor 0, also where there is no terminal
  TERM                     `dumb`: no colours, no progress bar

Commands of `lock run` find there CLOSEWRITE_LOCK, the lock's name, and CLOSEWRITE_TOKEN, the
fencing token; within a job, whose token that is, in CLOSEWRITE_LOCK_TOKEN alone.

Options override it; of the three about colours the first that is set counts. `closewrite config`
tells what holds, and why.
)";

constexpr std::string_view kContexts = R"(Contexts of closewrite: names for coordinators.

The file is CLOSEWRITE_CONFIG, else closewrite/config.yaml in XDG_CONFIG_HOME, else
~/.config/closewrite/config.yaml:

  current: prod
  contexts:
    prod: {coordinator: "vm-a:7400,vm-d:7400", host: vm-b}
    test: {coordinator: "vm-t:7400"}

  closewrite context use test --coordinator vm-t:7400     adds, changes, and makes current
  closewrite context use prod                             makes current
  closewrite --context test jobs                          once in another
  closewrite config                                       what holds, and why

host is what that fleet calls this host, and may be left out; so may tls, the folder with the
certificates for that fleet, and access_token_file. The first of these that is given
counts: --coordinator; --context; CLOSEWRITE_COORDINATOR; CLOSEWRITE_CONTEXT; `current` of the file;
127.0.0.1:7400. `current` is not looked at when a coordinator is named.
)";

constexpr std::string_view kJson =
    R"(JSON of closewrite (-o json): one object a line, with raw values.

Keys are the fields of the API's messages (proto/closewrite/v1), all of them, in their order.

  times           RFC 3339, UTC, milliseconds
  durations       seconds as a number
  enums           short names in lower case: "running", "close_write"
  path            as people read it; where that differs from the file's name, path_base64 has the
                  bytes
  other bytes     hexadecimal (sha256)
  inode, mtime_ns  decimal text, since most readers would lose digits of such numbers
  what is absent  null

closewrite logs -o json prints an object for each line of the log: token (of its attempt), time,
stream ("stdout", "stderr", "note"), text; where that is not UTF-8, text_base64 has the bytes, and
whole is false where a line of more than 1 MiB goes on.
)";

constexpr std::string_view kTail = R"(
Options of every command:
  --coordinator HOST:PORT   or CLOSEWRITE_COORDINATOR; 127.0.0.1:7400 by default
  --context NAME            a name for it, or CLOSEWRITE_CONTEXT; see `closewrite context`
  --tls FOLDER              with ca.crt, tls.crt and tls.key, or CLOSEWRITE_TLS
  --access-token-file FILE  with a token, or CLOSEWRITE_ACCESS_TOKEN_FILE
  --host NAME               what the fleet calls this host, or CLOSEWRITE_HOST
  --timeout TIME            give up waiting after 30s, 5m, 1h ...
  --connect-timeout TIME    look this long for a coordinator that can't be reached; 10s
  -o, --output FORMAT       table, wide or json; name for ids of jobs; html for `report`
  --color WHEN              auto, always or never

`closewrite COMMAND --help` tells more; so do `closewrite help TOPIC` for exit-codes, environment,
contexts and json.
Data goes to stdout, everything else to stderr.
)";

constexpr size_t kSummaryColumn = 18;

std::string LineOf(const Command& command) {
  const size_t blanks =
      command.name.size() < kSummaryColumn ? kSummaryColumn - command.name.size() : 1;
  return StrCat("  ", command.name, std::string(blanks, ' '), FirstSentence(command.summary), "\n");
}

}  // namespace

std::string OverviewText(const std::vector<Command>& commands) {
  std::string text =
      "closewrite: finished files become jobs on other machines, and each result comes once.\n\n"
      "  closewrite pipeline apply -f pipelines.yaml\n"
      "  closewrite run --wait /srv/unenriched/a.csv\n"
      "  closewrite explain /srv/unenriched/a.csv\n\n"
      "Commands:\n";
  for (const Command& command : commands) text += LineOf(command);
  return StrCat(text, kTail);
}

std::string GroupText(const std::vector<Command>& commands, std::string_view verb) {
  std::string lines;
  std::string examples;
  const std::string prefix = StrCat(verb, " ");
  for (const Command& command : commands) {
    if (command.name == verb) return "";
    if (command.name.rfind(prefix, 0) != 0) continue;
    lines += LineOf(command);
    examples += command.examples;
  }
  if (lines.empty()) return "";
  std::string text = StrCat("Usage: closewrite ", verb, " COMMAND ...\n\nCommands:\n", lines);
  if (!examples.empty()) {
    StrAppend(&text, "\nExamples:\n");
    for (const absl::string_view line : absl::StrSplit(examples, '\n', absl::SkipEmpty())) {
      StrAppend(&text, "  ", line, "\n");
    }
  }
  return StrCat(text, "\n`closewrite help ", verb, " COMMAND` tells all about one of them.\n");
}

std::string TopicText(std::string_view topic) {
  if (topic == "exit-codes") return std::string(kExitCodes);
  if (topic == "environment") return std::string(kEnvironment);
  if (topic == "contexts") return std::string(kContexts);
  if (topic == "json") return std::string(kJson);
  return "";
}

std::vector<std::string> Topics() { return {"exit-codes", "environment", "contexts", "json"}; }

}  // namespace closewrite::cli
