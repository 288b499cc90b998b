#include "services/cli/certs/token_command.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "services/access/token.h"
#include "services/cli/certs/whole_file.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

struct TokenOptions {
  std::string role;
  std::string name;
  std::string add;
};

// Of two who add a line at once, one waits. The folder is locked, since the file is replaced.
absl::StatusOr<Fd> LockFolderOf(const std::string& file) {
  const std::string folder(DirName(file));
  const std::string name = file.find('/') == std::string::npos ? "." : StrCat(folder, "/");
  Fd fd(open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "open the folder of", file);
  if (flock(fd.get(), LOCK_EX) != 0) return ErrnoStatus(errno, "lock the folder of", file);
  return fd;
}

absl::Status AddLine(const std::string& file, const TokenOwner& owner, const std::string& line) {
  const auto lock = LockFolderOf(file);
  if (!lock.ok()) return lock.status();
  const auto read = ReadTokensFile(file);
  const bool is_new = absl::IsNotFound(read.status());
  if (!read.ok() && !is_new) return read.status();
  std::string text = is_new ? "" : read->text;
  const auto owners = ParseTokens(file, text);
  if (!owners.ok()) return owners.status();
  for (const auto& [hash, each] : *owners) {
    if (each.name != owner.name) continue;
    return absl::AlreadyExistsError(
        StrCat(owner.name, " has a token in ", Display(file),
               "; take its line out of the file first, or give this one another name"));
  }
  if (!text.empty() && text.back() != '\n') text += '\n';
  StrAppend(&text, line, "\n");
  if (const auto whole = ParseTokens(file, text); !whole.ok()) return whole.status();
  return WriteWhole(file, text, kPrivateMode, is_new ? IfThere::kRefuse : IfThere::kReplace);
}

absl::StatusOr<int> New(Invocation& invocation, const TokenOptions& options) {
  const auto role = ParseRole(options.role);
  if (!role.ok()) return UsageError(ToStd(role.status().message()));
  const TokenOwner owner{.name = options.name, .role = *role};
  if (absl::Status s = CheckTokenOwner(owner); !s.ok()) return UsageError(ToStd(s.message()));
  const std::string token = MakeToken();
  const std::string line = TokenLine(owner, TokenHash(token));
  if (!options.add.empty()) {
    if (absl::Status s = AddLine(options.add, owner, line); !s.ok()) return s;
  }
  if (invocation.json()) {
    invocation.PrintJson(
        {{"token", token}, {"name", owner.name}, {"role", RoleName(owner.role)}, {"line", line}});
    return kExitOk;
  }
  invocation.out() << token << "\n" << std::flush;
  if (options.add.empty()) {
    invocation.err() << line << "\n";
  } else {
    invocation.Note(StrCat(owner.name, " is in ", Display(options.add),
                           "; coordinators that have this file know the token within a second"));
  }
  return kExitOk;
}

}  // namespace

std::vector<Command> TokenCommands() {
  Command command{"token new", "ROLE NAME [--add FILE]",
                  "Make a token for a person or a script, which is shown in place of a "
                  "certificate. It is printed once, on stdout, and kept nowhere; stderr has the "
                  "line for the coordinator's file of `tokens:`, which knows its hash alone."};
  command.examples =
      "closewrite token new operator jane --add /etc/closewrite/tokens\n"
      "closewrite token new program r-scripts > r.token     # and the line for the file on "
      "stderr\n";
  command.local = true;
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<TokenOptions>();
    app.add_option("ROLE", options->role, "viewer, uploader, program, operator or admin")
        ->required();
    app.add_option("NAME", options->name, "Whose it is: 1 to 63 of a-z A-Z 0-9 . _ @ -")
        ->required();
    app.add_option("--add", options->add,
                   "Add the line to this file, which is made where it is not, for its owner alone");
    return [options](Invocation& invocation) { return New(invocation, *options); };
  };
  return {command};
}

}  // namespace closewrite::cli
