#include "services/coordinator/store/sqlite_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
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

absl::StatusOr<int64_t> QueryNumber(SqliteConnection* connection, const std::string& sql) {
  const absl::StatusOr<std::vector<std::string>> rows = connection->QueryText(sql);
  if (!rows.ok()) return rows.status();
  int64_t number = 0;
  if (rows->empty() || !absl::SimpleAtoi(rows->front(), &number)) {
    return absl::InternalError(absl::StrCat(sql, " gave no number"));
  }
  return number;
}

// A copy that fills a disk is no use to anybody, least of all to the store beside it.
absl::Status CheckSpace(SqliteConnection* from, const std::string& store, const std::string& path) {
  const absl::StatusOr<int64_t> pages = QueryNumber(from, "PRAGMA page_count");
  if (!pages.ok()) return pages.status();
  const absl::StatusOr<int64_t> page_bytes = QueryNumber(from, "PRAGMA page_size");
  if (!page_bytes.ok()) return page_bytes.status();
  const std::string folder = FolderOf(path);
  struct statvfs space = {};
  struct stat here = {};
  struct stat there = {};
  const bool known = statvfs(folder.c_str(), &space) == 0 && space.f_blocks > 0 &&
                     stat(store.c_str(), &here) == 0 && stat(folder.c_str(), &there) == 0;
  if (!known) return absl::OkStatus();  // creating it will say why
  const int64_t needed = *pages * *page_bytes + (here.st_dev == there.st_dev ? kSpaceLeftBytes : 0);
  const auto free = static_cast<int64_t>(space.f_bavail) * static_cast<int64_t>(space.f_frsize);
  if (free >= needed) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("cannot create the copy ", path, ": it needs ",
                                                   needed, " bytes, and ", folder, " has ", free,
                                                   " free; free some space there"));
}

absl::Status Fill(SqliteConnection* from, const std::string& part,
                  absl::FunctionRef<bool()> go_on) {
  absl::StatusOr<std::unique_ptr<SqliteConnection>> to = SqliteConnection::Open(part);
  if (!to.ok()) return to.status();
  // A copy that is cut off is thrown away, and a whole one is synced once.
  const absl::Status configured =
      (*to)->Execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
  if (!configured.ok()) return configured;
  const absl::Status copied = from->CopyInto(to->get(), go_on);
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

absl::Status CopySqliteStore(const std::string& store, const std::string& path,
                             absl::FunctionRef<bool()> go_on) {
  absl::StatusOr<std::unique_ptr<SqliteConnection>> from = OpenToRead(store);
  if (!from.ok()) return from.status();
  struct stat info = {};
  if (lstat(path.c_str(), &info) == 0) return Failed("create", path, EEXIST);
  const std::string part = absl::StrCat(path, ".part");
  absl::Status status = CheckSpace(from->get(), store, path);
  if (status.ok()) status = CreatePart(part);
  if (!status.ok()) return status;
  status = Fill(from->get(), part, go_on);
  if (status.ok() && !go_on()) status = absl::CancelledError("the copy was given up");
  if (status.ok()) status = SyncFile(part);
  if (status.ok()) status = GiveName(part, path);
  if (!status.ok()) {
    unlink(part.c_str());
    return status;
  }
  return SyncFolder(FolderOf(path));
}

}  // namespace closewrite
