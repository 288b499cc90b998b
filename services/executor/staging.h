// Where an attempt writes its results before they are published.
#ifndef SERVICES_EXECUTOR_STAGING_H_
#define SERVICES_EXECUTOR_STAGING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/executor/account.h"

namespace closewrite::executor {

inline constexpr int64_t kStagedFilesMax = 10000;
// Bytes of all their names; what they are reported with must fit into a message.
inline constexpr size_t kStagedNamesBytesMax = 4 << 20;

// A file that a command has left to be published.
struct StagedFile {
  std::string path;  // relative to the staging directory
  int64_t size = 0;
  std::string sha256;  // 32 bytes
};

// `.closewrite/staging/<job>/<token>` in the volume whose root is `root` on this host. No other
// attempt has this directory, so nothing that a late one does can touch what a newer one made.
class Staging {
 public:
  Staging(std::string root, int64_t job, int64_t token);

  // Makes the directory empty, and in it the parents of `output_path` ("" for none). They belong to
  // `owner`, if there is one and the mount lets us give them away. NOT_FOUND when the volume has no
  // staging folder: in what is perhaps not the volume any more nothing is made.
  absl::Status Make(std::string_view output_path, const std::optional<Account>& owner = {}) const;

  // Absolute paths on this host, for the command.
  std::string directory() const;
  std::string Output(std::string_view output_path) const;

  // Lists, syncs and hashes all that lies there, in order of path; then syncs the directories.
  // Nothing there is a result, too. INVALID_ARGUMENT, fit for people, for a symlink, a hard link, a
  // special file, more than kStagedFilesMax files or a name that can't be published.
  absl::StatusOr<std::vector<StagedFile>> Collect() const;

  // Removes the directory. Never to be called once a success has been reported: from then on it
  // belongs to the volume's publisher.
  absl::Status Remove() const;

 private:
  absl::Status TryMake(std::string_view output_path) const;
  absl::Status GiveTo(const Account& owner, std::string_view output_path) const;

  const std::string root_;
  const std::string path_;  // relative to root_
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_STAGING_H_
