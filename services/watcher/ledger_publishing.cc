// What the ledger remembers of publish orders.
#include <errno.h>
#include <unistd.h>

#include <utility>

#include "services/watcher/ledger.h"

namespace closewrite::watcher {

absl::Status Ledger::BeginPublishing(int64_t job, int64_t token, std::string_view volume,
                                     absl::Span<const PublishedFile> files) {
  {
    absl::MutexLock lock(&mutex_);
    absl::Status begun = Change([&]() -> absl::Status {
      mutex_.AssertHeld();
      absl::StatusOr<Query> query =
          database_->Prepare("INSERT OR IGNORE INTO publishing (job, token) VALUES (?, ?)");
      if (!query.ok()) return query.status();
      if (absl::Status added = query->Bind(job).Bind(token).Run(); !added.ok()) return added;
      for (const auto& [key, known] : volumes_) {
        if (known.name == volume) return lineage_->Add(key, files, job, clock_.Now());
      }
      return absl::OkStatus();
    });
    if (!begun.ok()) return begun;
  }
  // Without the lock: the watching goes on meanwhile, and one sync may serve several orders.
  if (fdatasync(log_.get()) != 0) return ErrnoStatus(errno, "sync", "ledger.db-wal");
  return absl::OkStatus();
}

absl::StatusOr<bool> Ledger::PublishingBegan(int64_t job, int64_t token) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Query> query =
      database_->Prepare("SELECT 1 FROM publishing WHERE job = ? AND token = ?");
  if (!query.ok()) return query.status();
  return query->Bind(job).Bind(token).Step();
}

absl::Status Ledger::ForgetPublishingExcept(const std::set<std::pair<int64_t, int64_t>>& orders) {
  absl::MutexLock lock(&mutex_);
  std::vector<std::pair<int64_t, int64_t>> settled;
  {
    absl::StatusOr<Query> query = database_->Prepare("SELECT job, token FROM publishing");
    if (!query.ok()) return query.status();
    absl::StatusOr<bool> row = query->Step();
    for (; row.ok() && *row; row = query->Step()) {
      const std::pair<int64_t, int64_t> order(query->Int(0), query->Int(1));
      if (!orders.contains(order)) settled.push_back(order);
    }
    if (!row.ok()) return row.status();
  }
  if (settled.empty()) return absl::OkStatus();
  return Change([&]() -> absl::Status {
    mutex_.AssertHeld();
    for (const auto& [job, token] : settled) {
      absl::StatusOr<Query> query =
          database_->Prepare("DELETE FROM publishing WHERE job = ? AND token = ?");
      if (!query.ok()) return query.status();
      if (absl::Status status = query->Bind(job).Bind(token).Run(); !status.ok()) return status;
    }
    return absl::OkStatus();
  });
}

}  // namespace closewrite::watcher
