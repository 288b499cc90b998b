#include "services/coordinator/store/sqlite_checkpointer.h"

#include <utility>

#include "services/log/log.h"

namespace closewrite {

SqliteCheckpointer::SqliteCheckpointer(std::unique_ptr<SqliteConnection> connection,
                                       const Limits& limits, Exclusive exclusive)
    : connection_(std::move(connection)), limits_(limits), exclusive_(std::move(exclusive)) {
  thread_ = std::thread([this] { Run(); });
}

SqliteCheckpointer::~SqliteCheckpointer() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void SqliteCheckpointer::Committed(int64_t pages) {
  absl::MutexLock lock(&mutex_);
  pages_ = pages;
  full_ = full_ || pages >= limits_.pages_limit;
}

void SqliteCheckpointer::AwaitRoom() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](bool* full) { return !*full; }, &full_));
}

void SqliteCheckpointer::Run() {
  const auto due = [this] {
    mutex_.AssertHeld();
    return stopping_ || pages_ >= limits_.pages_begin;
  };
  for (;;) {
    bool restart = false;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&due));
      if (stopping_) return;
      restart = pages_ >= limits_.pages_max;
      pages_ = 0;  // the next commit says how long the log is
    }
    // What can't be copied now is copied after a later commit, and nothing is lost meanwhile.
    absl::Status done = connection_->Checkpoint(SqliteConnection::CheckpointMode::kPassive);
    if (done.ok() && restart) {
      exclusive_(
          [&] { done = connection_->Checkpoint(SqliteConnection::CheckpointMode::kRestart); });
    }
    if (!done.ok()) LogWarn("the store's log could not be copied", {{"error", done.ToString()}});
    // One that a reader holds up may go on growing: nobody waits for readers.
    if (restart) {
      absl::MutexLock lock(&mutex_);
      full_ = false;
    }
  }
}

}  // namespace closewrite
