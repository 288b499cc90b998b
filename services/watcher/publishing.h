// Moves staged results to their final names, once.
#ifndef SERVICES_WATCHER_PUBLISHING_H_
#define SERVICES_WATCHER_PUBLISHING_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/watcher/published_file.h"

namespace closewrite::watcher {

// A lease: whose results.
struct PublishKey {
  int64_t job = 0;
  int64_t token = 0;
  friend auto operator<=>(const PublishKey&, const PublishKey&) = default;
};

struct StagedFile {
  std::string path;  // relative to the staging directory and to the volume's root
  int64_t size = 0;
  std::string sha256;  // 32 bytes
};

struct PublishTask {
  std::string volume;
  PublishKey key;
  std::vector<StagedFile> files;
};

// What was just done.
enum class PublishStep {
  kChecked,        // all targets are free
  kVerified,       // one staged file
  kBegun,          // it is recorded
  kDirectoryMade,  // one
  kRenamed,        // one file
  kSynced,         // one directory
  kSwept,          // the staging directory is gone
};

// Renames that may still be undone by nobody but us begin once everything was verified. What a
// former try has begun is known by this.
struct PublishProgress {
  bool began = false;
  // Records durably that the renames of these files begin.
  std::function<absl::Status(absl::Span<const PublishedFile> files)> begin;
  // For tests: called after each step; an error stops there, as a kill would. May be empty.
  std::function<absl::Status(PublishStep)> after;
};

// Verifies size and SHA-256 of every staged file below `root`, makes the directories, renames the
// files over whatever files have their names, syncs each directory that changed once, and removes
// the staging directory. Nothing is changed unless all can be done. Repeating it does no harm: a
// file that was renamed before counts as done.
//
// INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION: can never be published as it is (IsFinal).
// Others may pass by themselves; try again.
absl::Status Publish(int root, const PublishTask& task, const PublishProgress& progress);

// Whether a status of Publish is an answer and not a reason to try again.
bool IsFinal(const absl::Status& status);

// OK when what is staged below `root` can be renamed into place. FAILED_PRECONDITION when staging
// lies behind a mount of its own; the message is a whole sentence for people.
absl::Status CheckStaging(int root);

// Staging directories below `root` that were last changed before `before`; at most
// `directories_max`.
absl::StatusOr<std::vector<PublishKey>> ListStaging(int root, absl::Time before,
                                                    size_t directories_max);

// Removes one. OK when it is not there.
absl::Status RemoveStaging(int root, const PublishKey& key);

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_PUBLISHING_H_
