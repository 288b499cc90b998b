#include "services/cli/backup_command.h"

#include <memory>
#include <string>
#include <utility>

#include "services/cli/new_file.h"
#include "services/cli/progress_bar.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

constexpr int64_t kMebibyte = 1 << 20;

struct BackupOptions {
  std::string file;
  bool force = false;
};

class Backup {
 public:
  // `file` null: to stdout.
  Backup(Invocation& invocation, NewFile* file)
      : invocation_(invocation),
        file_(file),
        bar_({.out = &invocation.err(),
              .enabled = invocation.console().err_terminal,
              .width = invocation.console().err_width,
              .unit = "MiB"}) {}

  absl::Status Run() {
    Client& client = invocation_.client();
    absl::Status failed;
    absl::Status status = client.Follow<v1::BackUpStoreResponse>(
        invocation_.deadline(),
        [&](grpc::ClientContext* context) {
          failed = Restart();
          return client.store().BackUpStore(context, {});
        },
        [&](const v1::BackUpStoreResponse& response) {
          if (failed.ok()) failed = Take(response);
          return failed.ok();
        });
    bar_.Clear();
    if (!failed.ok()) return failed;
    if (absl::IsDeadlineExceeded(status)) {
      return absl::DeadlineExceededError(
          StrCat("the backup was not complete within --timeout; ", BytesText(done_), " had come"));
    }
    if (status.ok() && done_ != size_) {
      return absl::DataLossError(StrCat("the backup has ", done_, " bytes in place of ", size_));
    }
    return status;
  }

  int64_t size() const { return size_; }

 private:
  // A stream that broke begins again with another copy.
  absl::Status Restart() {
    if (done_ == 0) return absl::OkStatus();
    if (file_ == nullptr) {
      return absl::DataLossError("the connection broke while the backup was written to stdout");
    }
    done_ = 0;
    return file_->Restart();
  }

  absl::Status Take(const v1::BackUpStoreResponse& response) {
    size_ = response.size();
    if (file_ != nullptr && done_ == 0) {
      if (absl::Status s = file_->CheckRoom(size_); !s.ok()) return s;
    }
    done_ += static_cast<int64_t>(response.data().size());
    bar_.Update(done_ / kMebibyte, size_ / kMebibyte, invocation_.now());
    if (file_ != nullptr) return file_->Write(response.data());
    invocation_.out() << response.data();
    if (invocation_.out().good()) return absl::OkStatus();
    return absl::DataLossError("stdout takes no more");
  }

  Invocation& invocation_;
  NewFile* const file_;
  ProgressBar bar_;
  int64_t done_ = 0;
  int64_t size_ = 0;
};

absl::StatusOr<int> MakeBackup(Invocation& invocation, const BackupOptions& options) {
  const bool to_stdout = options.file == "-";
  if (to_stdout && invocation.console().out_terminal) {
    return UsageError("a backup is no text for a terminal: name a file");
  }
  std::unique_ptr<NewFile> file;
  if (!to_stdout) {
    auto made = NewFile::Make(options.file, options.force);
    if (!made.ok()) return made.status();
    file = *std::move(made);
  }
  Backup backup(invocation, file.get());
  absl::Status status = backup.Run();
  if (status.ok() && file != nullptr) status = file->Publish();
  if (!status.ok()) return status;
  invocation.out() << std::flush;
  if (invocation.json() && !to_stdout) {
    invocation.PrintJson({{"file", options.file}, {"size", backup.size()}});
  }
  invocation.Note(StrCat("backup of ", BytesText(backup.size()), " written",
                         to_stdout ? "" : "; start a coordinator with store: sqlite:",
                         to_stdout ? "" : options.file, to_stdout ? "" : " to restore"));
  return kExitOk;
}

}  // namespace

Command BackupCommand() {
  Command command{"backup", "FILE [--force]",
                  "Copy the coordinator's SQLite store into a file, while it is used."};
  command.examples =
      "closewrite backup /backups/closewrite-$(date +%F).db\n"
      "closewrite backup - | ssh vm-d 'cat > closewrite.db'\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<BackupOptions>();
    app.add_option("FILE", options->file, "Where to; - is stdout")->required();
    app.add_flag("--force", options->force, "Replace FILE if it exists");
    return [options](Invocation& invocation) { return MakeBackup(invocation, *options); };
  };
  return command;
}

}  // namespace closewrite::cli
