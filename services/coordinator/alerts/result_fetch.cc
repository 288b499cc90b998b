#include "services/coordinator/alerts/result_fetch.h"

#include <openssl/sha.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "services/coordinator/api/story_words.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

std::string Sha256(const std::string& bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

// As mail has names: UTF-8, no backslash, not too long.
std::string AttachedName(std::string_view path) {
  std::string name = Display(BaseName(path));
  std::replace(name.begin(), name.end(), '\\', '_');
  if (name.size() <= kMailHeaderBytesMax) return name;
  size_t end = kMailHeaderBytesMax;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;
  return name.substr(0, end);
}

absl::StatusOr<v1::FileLook> Ask(const WatcherQuestion& question, WatcherBoard& board) {
  struct Waiting {
    absl::Notification done;
    WatcherBoard::Answered answer = absl::DeadlineExceededError("its watcher does not answer");
  };
  const auto waiting = std::make_shared<Waiting>();
  const absl::StatusOr<int64_t> id =
      board.Ask(question, [waiting](const WatcherBoard::Answered& answer) {
        waiting->answer = answer;
        waiting->done.Notify();
      });
  if (!id.ok()) return id.status();
  if (waiting->done.WaitForNotificationWithTimeout(kResultWaitMax)) return waiting->answer;
  board.Cancel(*id);
  return absl::DeadlineExceededError("its watcher does not answer");
}

absl::StatusOr<std::string> Fetch(const std::string& volume, const OutputFile& output,
                                  WatcherBoard& board) {
  const absl::StatusOr<v1::FileLook> look =
      Ask({.volume = volume, .look_at = output.path, .content_bytes_max = kResultBytesMax}, board);
  if (!look.ok()) return look.status();
  if (!look->has_content()) return absl::NotFoundError(look->message());
  if (Sha256(look->content()) != output.sha256) {
    return absl::FailedPreconditionError("it is another one by now");
  }
  return look->content();
}

}  // namespace

FetchedResults FetchResults(const Job& job, int64_t bytes_max, WatcherBoard& board,
                            const std::function<bool()>& stop) {
  FetchedResults results;
  int64_t bytes_left = bytes_max;
  for (const OutputFile& output : job.outputs) {
    const auto leave_out = [&](std::string_view why) {
      results.missing.push_back(StrCat(FileWords(job.output_volume, output.path), ": ", why));
    };
    if (results.attachments.size() >= kResultsAttachedMax ||
        results.missing.size() >= kResultsMissingMax || stop()) {
      leave_out("there are more than are attached");
      break;
    }
    if (output.size > bytes_left || output.size > kResultBytesMax) {
      leave_out("it is too large");
      continue;
    }
    absl::StatusOr<std::string> content = Fetch(job.output_volume, output, board);
    if (!content.ok()) {
      leave_out(ToStd(content.status().message()));
      // Nor will it answer about the others.
      if (absl::IsDeadlineExceeded(content.status()) || absl::IsUnavailable(content.status())) {
        break;
      }
      continue;
    }
    bytes_left -= output.size;
    results.attachments.push_back({.name = AttachedName(output.path),
                                   .type = "application/octet-stream",
                                   .bytes = *std::move(content)});
  }
  return results;
}

}  // namespace closewrite
