#include "services/coordinator/store/sqlite_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "services/coordinator/store/file_sync.h"
#include "services/coordinator/store/sqlite_connection.h"
#include "services/coordinator/store/sqlite_schema.h"

namespace closewrite {
namespace {

// What came after the copy was made is forgotten when it is restored, but executors, watchers and
// people may remember it: so numbers that may have been given since are not given again. More than
// come between a copy and its restoration. A job that is being published keeps its token, since its
// staged files lie under it.
constexpr char kSkipNumbers[] =
    "INSERT INTO sqlite_sequence(name, seq) SELECT 'jobs', 0"
    " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'jobs');"
    "INSERT INTO sqlite_sequence(name, seq) SELECT 'events', 0"
    " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'events');"
    "UPDATE sqlite_sequence SET seq = seq + 1000000000 WHERE name IN ('jobs', 'events');"
    "UPDATE jobs SET token = token + 1000000 WHERE finished = 0 AND state <> 4";

absl::Status Failed(const std::string& what, const std::string& path, int error) {
  const std::string message =
      absl::StrCat("cannot ", what, " the copy ", path, ": ", strerror(error));
  if (error == EEXIST) {
    return absl::AlreadyExistsError(absl::StrCat(message, "; choose another name or remove it"));
  }
  if (error == ENOSPC || error == EDQUOT) {
    return absl::ResourceExhaustedError(absl::StrCat(message, "; free some space there"));
  }
  return absl::UnavailableError(
      absl::StrCat(message, "; its folder must exist and be writable for the coordinator"));
}

absl::Status CreatePart(const std::string& part) {
  // One that is there was cut off: copies to one name are not made side by side.
  if (unlink(part.c_str()) != 0 && errno != ENOENT) return Failed("replace", part, errno);
  const int fd = open(part.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return Failed("create", part, errno);
  close(fd);
  return absl::OkStatus();
}

absl::Status Fill(SqliteConnection* from, const std::string& part) {
  absl::StatusOr<std::unique_ptr<SqliteConnection>> to = SqliteConnection::Open(part);
  if (!to.ok()) return to.status();
  // A copy that is cut off is thrown away, and a whole one is synced once.
  const absl::Status configured =
      (*to)->Execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
  if (!configured.ok()) return configured;
  const absl::Status copied = from->CopyInto(to->get());
  return copied.ok() ? (*to)->Execute(kSkipNumbers) : copied;
}

absl::Status GiveName(const std::string& part, const std::string& path) {
  if (renameat2(AT_FDCWD, part.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) {
    return absl::OkStatus();
  }
  // Some file systems can't refuse a name that is taken; it was free before.
  if (errno != EINVAL) return Failed("name", path, errno);
  return rename(part.c_str(), path.c_str()) == 0 ? absl::OkStatus() : Failed("name", path, errno);
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenToRead(const std::string& store) {
  // SQLite would make an empty file where there is none.
  if (access(store.c_str(), R_OK | W_OK) != 0) {
    const std::string message =
        absl::StrCat("cannot read the store ", store, ": ", strerror(errno),
                     "; name the file that the coordinator uses, and be its user");
    return errno == ENOENT ? absl::NotFoundError(message) : absl::UnavailableError(message);
  }
  absl::StatusOr<std::unique_ptr<SqliteConnection>> from = SqliteConnection::Open(store);
  if (!from.ok()) return from;
  const absl::StatusOr<std::vector<std::string>> application =
      (*from)->QueryText("PRAGMA application_id");
  if (!application.ok()) return application.status();
  if (application->empty() || application->front() != absl::StrCat(kSqliteApplicationId)) {
    return absl::FailedPreconditionError(absl::StrCat(store, " is no store of a coordinator"));
  }
  return from;
}

}  // namespace

absl::Status CopySqliteStore(const std::string& store, const std::string& path) {
  absl::StatusOr<std::unique_ptr<SqliteConnection>> from = OpenToRead(store);
  if (!from.ok()) return from.status();
  struct stat info = {};
  if (lstat(path.c_str(), &info) == 0) return Failed("create", path, EEXIST);
  const std::string part = absl::StrCat(path, ".part");
  absl::Status status = CreatePart(part);
  if (!status.ok()) return status;
  status = Fill(from->get(), part);
  if (status.ok()) status = SyncFile(part);
  if (status.ok()) status = GiveName(part, path);
  if (!status.ok()) {
    unlink(part.c_str());
    return status;
  }
  return SyncFolder(FolderOf(path));
}

}  // namespace closewrite
