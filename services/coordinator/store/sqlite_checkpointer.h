// Moves what was committed from the write-ahead log into the database file, beside the commits.
#ifndef SERVICES_COORDINATOR_STORE_SQLITE_CHECKPOINTER_H_
#define SERVICES_COORDINATOR_STORE_SQLITE_CHECKPOINTER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/coordinator/store/sqlite_connection.h"

namespace closewrite {

// A checkpoint inside a commit would make that commit, and all that wait for it, tens of
// milliseconds longer (https://www.sqlite.org/wal.html#automatic_checkpoint). So a thread with a
// connection of its own copies pages while commits go on. The log begins anew only at a moment when
// all of it is copied; once it is `pages_max` long the thread asks for such a moment by
// `exclusive`, which keeps commits away while the few last pages are copied. A log that grows all
// the same, because the disk is slow, makes commits wait. Thread-safe.
class SqliteCheckpointer {
 public:
  struct Limits {
    int64_t pages_begin = 1024;  // of 4 KiB; a shorter log is left alone
    int64_t pages_max = 8192;
    int64_t pages_limit = 32768;  // a longer log is not written before a checkpoint has been tried
  };

  // `exclusive` runs a function while nobody commits. It must outlive this object.
  using Exclusive = std::function<void(const std::function<void()>&)>;
  SqliteCheckpointer(std::unique_ptr<SqliteConnection> connection, const Limits& limits,
                     Exclusive exclusive);
  ~SqliteCheckpointer();

  // To be called after each commit with the length of the log; quick.
  void Committed(int64_t pages);
  // To be called before each commit, by somebody who does not keep others from committing.
  void AwaitRoom();

 private:
  void Run();

  const std::unique_ptr<SqliteConnection> connection_;  // of the thread
  const Limits limits_;
  const Exclusive exclusive_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t pages_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: as before the checkpoint that was last
  bool full_ ABSL_GUARDED_BY(mutex_) = false;  // until a checkpoint has been tried
  std::thread thread_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_SQLITE_CHECKPOINTER_H_
