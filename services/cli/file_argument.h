// How a file on the command line becomes a volume and a relative path.
#ifndef SERVICES_CLI_FILE_ARGUMENT_H_
#define SERVICES_CLI_FILE_ARGUMENT_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "closewrite/v1/file.pb.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

// Where a volume lies on a host, as a watcher or an executor has reported it.
struct VolumeRoot {
  std::string host;
  std::string volume;
  std::string root;  // absolute
};

// `volume:relative/path`. What begins with `/`, `./` or `../`, and what has no volume's name before
// its first colon, is a local path: nothing then. INVALID_ARGUMENT (usage) for a malformed relative
// path.
absl::StatusOr<std::optional<v1::VolumePath>> ParseVolumeArgument(std::string_view argument);

// Finds the volume of a local path: by the deepest root of `host` that it lies below, else by those
// of all hosts if they agree. `spellings` are absolute names of the file: as given, and without
// symbolic links. INVALID_ARGUMENT (usage) when no root fits, which lists them, or when several do.
absl::StatusOr<v1::VolumePath> FindVolume(const std::vector<std::string>& spellings,
                                          const std::vector<VolumeRoot>& roots,
                                          std::string_view host);

// `volume:path` for people.
std::string VolumePathText(std::string_view volume, std::string_view path);

// Maps arguments; asks the coordinator for roots at the first local path. Used by one thread.
class FileArguments {
 public:
  explicit FileArguments(Invocation* invocation) : invocation_(invocation) {}
  absl::StatusOr<v1::VolumePath> Map(const std::string& argument);

 private:
  absl::Status FetchRoots();

  Invocation* const invocation_;
  std::optional<std::vector<VolumeRoot>> roots_;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_FILE_ARGUMENT_H_
