// Files that people hand in, as notes of the store.
#ifndef SERVICES_COORDINATOR_CORE_UPLOAD_H_
#define SERVICES_COORDINATOR_CORE_UPLOAD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Uploads under way, of all pages.
inline constexpr int64_t kUploadsUnderWayMax = 1000;
// One of which nothing was heard for so long is forgotten; for the line of its page it counts for
// the shorter time.
inline constexpr absl::Duration kUploadKept = absl::Hours(24 * 7);
inline constexpr absl::Duration kUploadAlive = absl::Minutes(10);
// Results that are attached to the mail, in all.
inline constexpr int64_t kUploadAttachBytesMax = int64_t{5} << 20;
inline constexpr int kUploadLogLines = 20;

// The same numbers as UploadState in upload.proto.
enum class UploadState { kReceiving = 1, kPublishing = 2, kPublished = 3, kFailed = 4 };

struct Upload {
  int64_t number = 0;  // random; names its staging directory
  std::string key;     // what opens it, beside the number
  std::string pipeline;
  UploadState state = UploadState::kReceiving;
  std::string message;  // why it has failed
  std::string name;     // as its uploader calls it
  std::string volume;
  std::string path;
  int names_tried = 0;  // that were taken
  int64_t size = 0;     // of the whole; 0: not known
  int64_t received = 0;
  std::string sha256;  // 32 bytes; "": not known
  std::string who;
  std::vector<std::string> emails;
  std::string page;  // address of the page about it; "": none
  bool show_log = false;
  absl::Time begun_at;
  absl::Time touched_at;
  absl::Time published_at = absl::InfinitePast();
  bool operator==(const Upload&) const = default;

  bool over() const { return state == UploadState::kPublished || state == UploadState::kFailed; }
};

// Inserts or replaces by number.
void PutUpload(StoreTransaction& tx, const Upload& upload);
void EraseUpload(StoreTransaction& tx, const Upload& upload);
// nullopt: there is none, or it has another key.
std::optional<Upload> FindUpload(StoreReader& reader, int64_t number, std::string_view key);
// Those that are not over.
std::vector<Upload> UploadsUnderWay(StoreReader& reader);
// The newest that was put there; nullopt: none was.
std::optional<Upload> UploadOf(StoreReader& reader, const std::string& volume,
                               const std::string& path);
// True when nobody can need what is staged of it any more.
bool MaySweepUpload(StoreReader& reader, int64_t number);
// Forgets those that were over before `before`, and those of which nothing is heard any more, at
// most `limit`; true when there may be more.
bool ForgetUploads(StoreTransaction& tx, absl::Time before, absl::Time now, int64_t limit);

// The mail of a job that has come to its end, if somebody has uploaded its file and wants one.
void PutUploadMessage(StoreTransaction& tx, const Job& job, absl::Time now);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_UPLOAD_H_
