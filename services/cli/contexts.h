// Named coordinators, for those who have several fleets; and the file that they stand in.
#ifndef SERVICES_CLI_CONTEXTS_H_
#define SERVICES_CLI_CONTEXTS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/cli/console.h"
#include "services/cli/contexts_file.pb.h"

namespace closewrite::cli {

class Contexts {
 public:
  // Where the file is, or would be: CLOSEWRITE_CONFIG, else
  // $XDG_CONFIG_HOME/closewrite/config.yaml, else ~/.config/closewrite/config.yaml; "" when none of
  // these is set.
  static std::string PathOf(const Console& console);

  // No context at all when there is no such file. INVALID_ARGUMENT (usage) names file and line of
  // what is wrong in it.
  static absl::StatusOr<Contexts> Load(const std::string& path);

  const std::string& path() const { return path_; }
  const ContextsFile& file() const { return file_; }

  // INVALID_ARGUMENT (usage) begins with `asked_by`, such as `--context prod`, and names the
  // nearest one, and the file. The context lives as long as this and `Use` is not called.
  absl::StatusOr<const Context*> Find(std::string_view asked_by, const std::string& name) const;

  // Makes a context current, and sets those fields of it that are not empty in `fields`; adds it
  // when it is new and `fields` names a coordinator. Writes the file, whole or not at all; comments
  // stay if the file is written as in the help (else only its data does).
  absl::Status Use(const std::string& name, const Context& fields);

 private:
  std::string path_;
  std::string text_;
  ContextsFile file_;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_CONTEXTS_H_
