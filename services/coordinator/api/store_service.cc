#include "services/coordinator/api/store_service.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <utility>

#include "services/coordinator/api/audit_entry.h"
#include "services/coordinator/api/push_stream.h"
#include "services/coordinator/store/sqlite_backup.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"

namespace closewrite {
namespace {

// Makes the copy beside the store, and reads it as it is sent. Its name goes at once, so that
// nothing is left of it whatever ends.
class BackupSource : public StreamSource<v1::BackUpStoreResponse> {
 public:
  BackupSource(StoreLoop* loop, std::optional<AuditEntry> entry, std::string store,
               std::atomic<bool>* busy)
      : loop_(*loop), entry_(std::move(entry)), store_(std::move(store)), busy_(*busy) {}
  ~BackupSource() override { busy_ = false; }

  bool OnChange(const Effects&) override { return false; }
  void OnEnd() override { ended_ = true; }

  absl::StatusOr<Batch> Next() override {
    if (!file_.ok()) {
      if (absl::Status s = Record(); !s.ok()) return s;
      if (absl::Status s = Copy(); !s.ok()) return s;
    }
    Batch batch;
    v1::BackUpStoreResponse& piece = batch.messages.emplace_back();
    piece.set_size(size_);
    std::string* const data = piece.mutable_data();
    data->resize(kBackupPieceBytes);
    const ssize_t got = pread(file_.get(), data->data(), data->size(), offset_);
    if (got < 0) return ErrnoStatus(errno, "read", store_ + kCopySuffix);
    data->resize(static_cast<size_t>(got));
    offset_ += got;
    batch.more = got > 0;
    batch.last = offset_ >= size_ || got == 0;
    return batch;
  }

 private:
  // Nobody would give his own copy that name.
  static constexpr char kCopySuffix[] = ".backup-being-sent";

  absl::Status Record() {
    if (!entry_.has_value()) return absl::OkStatus();
    return loop_.Do([entry = *entry_](Engine&, StoreTransaction& tx, absl::Time now) mutable {
      entry.at = now;
      tx.AppendAudit(entry);
      return absl::OkStatus();
    });
  }

  absl::Status Copy() {
    const std::string copy = store_ + kCopySuffix;
    unlink(copy.c_str());  // of a coordinator that was killed while it made one
    const auto go_on = [this] { return !ended_; };
    if (absl::Status s = CopySqliteStore(store_, copy, go_on); !s.ok()) return s;
    file_ = Fd(open(copy.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat st;
    if (!file_.ok() || fstat(file_.get(), &st) != 0) return ErrnoStatus(errno, "open", copy);
    unlink(copy.c_str());
    size_ = st.st_size;
    LogInfo("the store is copied for a backup", {{"bytes", size_}});
    return absl::OkStatus();
  }

  StoreLoop& loop_;
  const std::optional<AuditEntry> entry_;
  const std::string store_;
  std::atomic<bool>& busy_;
  std::atomic<bool> ended_ = false;
  Fd file_;
  int64_t size_ = 0;
  int64_t offset_ = 0;
};

}  // namespace

grpc::ServerWriteReactor<v1::BackUpStoreResponse>* StoreService::BackUpStore(
    grpc::CallbackServerContext* context, const v1::BackUpStoreRequest* request) {
  using Refused = RefusedStream<v1::BackUpStoreResponse>;
  if (sqlite_path_.empty()) {
    return Refused::Open(absl::FailedPreconditionError(
        "the store is PostgreSQL's: use pg_dump, or the backups of your database"));
  }
  if (busy_.exchange(true)) {
    return Refused::Open(
        absl::ResourceExhaustedError("another backup is under way; try again when it is done"));
  }
  return PushStream<v1::BackUpStoreResponse>::Open(
      {.pump = &pump_,
       .feed = api_.feed,
       .source = std::make_unique<BackupSource>(
           api_.loop, AuditEntryOf(api_.callers, *context, "BackUpStore", *request), sqlite_path_,
           &busy_)});
}

}  // namespace closewrite
