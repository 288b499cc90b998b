// The watcher's words for what happened to a file; the same numbers as in closewrite/v1/file.proto.
#ifndef SERVICES_WATCHER_FILE_CHANGE_H_
#define SERVICES_WATCHER_FILE_CHANGE_H_

#include <sys/stat.h>

#include <cstdint>
#include <string>

namespace closewrite::watcher {

enum class ChangeKind : int {
  kCloseWrite = 1,
  kMovedTo = 2,
  kCreate = 3,
  kDelete = 4,
  kMovedFrom = 5,
  kAttrib = 6,
};

enum class ChangeEvidence : int {
  kNone = 0,
  kClosed = 1,
  kMovedIn = 2,
  kLinked = 3,
  kFound = 4,
  kQuiet = 5,
  kUnchecked = 6,
};

enum class ChangeSource : int {
  kInotify = 1,
  kRescan = 2,
  kAudit = 3,
  kPoll = 4,
};

// Why a file is looked at; what is said of it when it turns out to be finished and new.
struct Cause {
  ChangeKind kind;
  ChangeEvidence evidence;
  ChangeSource source;

  friend bool operator==(const Cause&, const Cause&) = default;
};

inline constexpr Cause kCausedByClose = {ChangeKind::kCloseWrite, ChangeEvidence::kClosed,
                                         ChangeSource::kInotify};
inline constexpr Cause kCausedByMove = {ChangeKind::kMovedTo, ChangeEvidence::kMovedIn,
                                        ChangeSource::kInotify};
inline constexpr Cause kCausedByLink = {ChangeKind::kCreate, ChangeEvidence::kLinked,
                                        ChangeSource::kInotify};
inline constexpr Cause kCausedByScan = {ChangeKind::kCloseWrite, ChangeEvidence::kFound,
                                        ChangeSource::kRescan};
inline constexpr Cause kCausedByAudit = {ChangeKind::kCloseWrite, ChangeEvidence::kFound,
                                         ChangeSource::kAudit};
inline constexpr Cause kCausedByPoll = {ChangeKind::kCloseWrite, ChangeEvidence::kQuiet,
                                        ChangeSource::kPoll};
// Its name was made, its content may be missing.
inline constexpr Cause kCausedByCreation = {ChangeKind::kCreate, ChangeEvidence::kNone,
                                            ChangeSource::kInotify};
// In a directory that was moved as a whole: nothing tells when the file itself came into it.
inline constexpr Cause kCausedByMovedDirectory = {ChangeKind::kMovedTo, ChangeEvidence::kFound,
                                                  ChangeSource::kRescan};

// What makes two contents of one path different. All are data of the file system, compared for
// equality only.
struct ContentVersion {
  uint64_t inode = 0;
  int64_t size = 0;      // bytes
  int64_t mtime_ns = 0;  // since 1970

  static ContentVersion Of(const struct stat& st) {
    return {static_cast<uint64_t>(st.st_ino), static_cast<int64_t>(st.st_size),
            static_cast<int64_t>(st.st_mtim.tv_sec) * 1'000'000'000 + st.st_mtim.tv_nsec};
  }
  friend bool operator==(const ContentVersion&, const ContentVersion&) = default;
};

// The newest that is known of one path; a row of the ledger.
struct FileRecord {
  std::string path;  // relative to the volume's root; bytes
  ContentVersion version;
  ChangeKind kind = ChangeKind::kCloseWrite;
  ChangeEvidence evidence = ChangeEvidence::kNone;
  ChangeSource source = ChangeSource::kInotify;
  int64_t observed_unix_ns = 0;
  int64_t sequence = 0;       // 0: not recorded yet
  int64_t caused_by_job = 0;  // whose result this version is; the ledger fills it in

  // The file is not there any more; `version` is the last one that was.
  bool gone() const { return kind == ChangeKind::kDelete || kind == ChangeKind::kMovedFrom; }
  // Its content was announced, not only its name.
  bool finished() const {
    return !gone() && (kind != ChangeKind::kCreate || evidence != ChangeEvidence::kNone);
  }
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_FILE_CHANGE_H_
