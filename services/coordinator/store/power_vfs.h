// A layer under SQLite that forgets what was not synced, as a disk does when the power goes, and
// that can be full.
#ifndef SERVICES_COORDINATOR_STORE_POWER_VFS_H_
#define SERVICES_COORDINATOR_STORE_POWER_VFS_H_

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace closewrite {

// Lies over the usual layer (https://www.sqlite.org/vfs.html) and keeps of each database, its
// write-ahead log and its journal what was there at the last sync, and what came since. Nothing is
// really synced, so it is fast. One at a time; it must outlive all connections. Thread-safe.
class PowerVfs {
 public:
  static constexpr char kName[] = "power";

  PowerVfs();
  ~PowerVfs();
  PowerVfs(const PowerVfs&) = delete;
  PowerVfs& operator=(const PowerVfs&) = delete;

  // After so many writes, truncations, syncs and removals from now on the power is off: what comes
  // then seems to succeed, and is not on the disk.
  void CutAfter(int64_t operations);
  bool cut() const;
  // Syncs of write-ahead logs seem to succeed, too, and do nothing.
  void IgnoreLogSyncs();
  // Puts one of all the states in which the power cut may have left the disk into the files. No
  // connection may be open.
  void LeaveWhatTheDiskHolds(std::mt19937* random);

  // After so many bytes the disk is full.
  void FillAfter(int64_t bytes);
  void Heal();

 private:
  struct File;  // what sqlite3_file is for SQLite
  // One change; a truncation has no bytes.
  struct Change {
    bool truncates = false;
    int64_t offset = 0;  // or the new size
    std::string bytes;
  };
  struct Content {
    std::string synced;
    std::vector<Change> changes;
  };
  // Nothing: there is no file of that name.
  struct Name {
    std::shared_ptr<Content> now;
    std::shared_ptr<Content> synced;  // when the folder was synced last
  };

  static int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out);
  static int Delete(sqlite3_vfs* vfs, const char* name, int sync_folder);
  static int Close(sqlite3_file* file);
  static int Write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset);
  static int Truncate(sqlite3_file* file, sqlite3_int64 size);
  static int Sync(sqlite3_file* file, int flags);

  static const sqlite3_io_methods* Methods();
  static std::string Survives(const Content& content, std::mt19937* random);
  static void Apply(const Change& change, std::string* to);

  // These are called with the mutex held.
  bool Recorded();  // counts; false: the power is off
  void Opened(const std::string& name);
  void SyncFolder();

  sqlite3_vfs* const base_;
  sqlite3_vfs vfs_;
  mutable std::mutex mutex_;
  std::map<std::string, Name> names_;
  int64_t operations_left_ = INT64_MAX;
  int64_t bytes_left_ = INT64_MAX;
  bool ignore_log_syncs_ = false;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POWER_VFS_H_
