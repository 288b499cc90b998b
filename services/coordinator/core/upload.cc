#include "services/coordinator/core/upload.h"

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "services/coordinator/core/note_json.h"
#include "services/coordinator/core/outbox.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr char kUnderWay[] = "upload";     // by number
constexpr char kOver[] = "uploaded";       // by number
constexpr char kOverAt[] = "uploaded_at";  // by time and number
constexpr char kFile[] = "uploaded_file";  // by volume and path: the number

std::string NumberKey(int64_t number) { return absl::StrFormat("%020d", number); }
std::string OverAtKey(const Upload& upload) {
  return StrCat(TimeKey(upload.touched_at), "/", NumberKey(upload.number));
}
std::string FileKey(const std::string& volume, const std::string& path) {
  return StrCat(volume, "/", path);
}

std::string Encode(const Upload& upload) {
  return DumpNote({{"number", upload.number},
                   {"key", upload.key},
                   {"pipeline", upload.pipeline},
                   {"state", static_cast<int>(upload.state)},
                   {"message", upload.message},
                   {"name", upload.name},
                   {"volume", upload.volume},
                   {"path", upload.path},
                   {"names_tried", upload.names_tried},
                   {"size", upload.size},
                   {"received", upload.received},
                   {"sha256", absl::BytesToHexString(upload.sha256)},
                   {"who", upload.who},
                   {"emails", upload.emails},
                   {"page", upload.page},
                   {"show_log", upload.show_log},
                   {"begun_at", NoteTime(upload.begun_at)},
                   {"touched_at", NoteTime(upload.touched_at)},
                   {"published_at", NoteTime(upload.published_at)}});
}

std::optional<Upload> Decode(const std::string& value) {
  const std::optional<nlohmann::json> json = ParseNote(value);
  if (!json.has_value()) return std::nullopt;
  Upload upload;
  int state = 0;
  std::string sha256;
  TakeField(*json, "number", &upload.number);
  TakeField(*json, "key", &upload.key);
  TakeField(*json, "pipeline", &upload.pipeline);
  TakeField(*json, "state", &state);
  TakeField(*json, "message", &upload.message);
  TakeField(*json, "name", &upload.name);
  TakeField(*json, "volume", &upload.volume);
  TakeField(*json, "path", &upload.path);
  TakeField(*json, "names_tried", &upload.names_tried);
  TakeField(*json, "size", &upload.size);
  TakeField(*json, "received", &upload.received);
  TakeField(*json, "sha256", &sha256);
  TakeField(*json, "who", &upload.who);
  TakeField(*json, "emails", &upload.emails);
  TakeField(*json, "page", &upload.page);
  TakeField(*json, "show_log", &upload.show_log);
  TakeField(*json, "begun_at", &upload.begun_at);
  TakeField(*json, "touched_at", &upload.touched_at);
  TakeField(*json, "published_at", &upload.published_at);
  upload.state = static_cast<UploadState>(state);
  upload.sha256 = absl::HexStringToBytes(sha256);
  return upload;
}

std::optional<Upload> Find(StoreReader& reader, int64_t number) {
  for (const char* kind : {kUnderWay, kOver}) {
    const std::optional<std::string> note = reader.FindNote(kind, NumberKey(number));
    if (note.has_value()) return Decode(*note);
  }
  return std::nullopt;
}

// In a time that does not tell how much of it is right.
bool SameKey(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char differ = 0;
  for (size_t i = 0; i < a.size(); ++i) differ |= static_cast<unsigned char>(a[i] ^ b[i]);
  return differ == 0;
}

}  // namespace

void PutUpload(StoreTransaction& tx, const Upload& upload) {
  const std::string number = NumberKey(upload.number);
  if (!upload.over()) return tx.PutNote(kUnderWay, {number, Encode(upload)});
  tx.EraseNote(kUnderWay, number);
  tx.PutNote(kOver, {number, Encode(upload)});
  tx.PutNote(kOverAt, {OverAtKey(upload), number});
  if (upload.state == UploadState::kPublished) {
    tx.PutNote(kFile, {FileKey(upload.volume, upload.path), number});
  }
}

void EraseUpload(StoreTransaction& tx, const Upload& upload) {
  const std::string number = NumberKey(upload.number);
  tx.EraseNote(kUnderWay, number);
  tx.EraseNote(kOver, number);
  tx.EraseNote(kOverAt, OverAtKey(upload));
  const std::string file = FileKey(upload.volume, upload.path);
  if (tx.FindNote(kFile, file) == number) tx.EraseNote(kFile, file);
}

std::optional<Upload> FindUpload(StoreReader& reader, int64_t number, std::string_view key) {
  std::optional<Upload> upload = Find(reader, number);
  if (upload.has_value() && !SameKey(upload->key, key)) return std::nullopt;
  return upload;
}

std::vector<Upload> UploadsUnderWay(StoreReader& reader) {
  std::vector<Upload> uploads;
  for (const Note& note : reader.ListNotes(kUnderWay, "", kUploadsUnderWayMax)) {
    std::optional<Upload> upload = Decode(note.value);
    if (upload.has_value()) uploads.push_back(*std::move(upload));
  }
  return uploads;
}

std::optional<Upload> UploadOf(StoreReader& reader, const std::string& volume,
                               const std::string& path) {
  const std::optional<std::string> note = reader.FindNote(kFile, FileKey(volume, path));
  int64_t number = 0;
  if (!note.has_value() || !absl::SimpleAtoi(*note, &number)) return std::nullopt;
  return Find(reader, number);
}

bool MaySweepUpload(StoreReader& reader, int64_t number) {
  return !reader.FindNote(kUnderWay, NumberKey(number)).has_value();
}

bool ForgetUploads(StoreTransaction& tx, absl::Time before, absl::Time now, int64_t limit) {
  for (const Upload& upload : UploadsUnderWay(tx)) {
    if (upload.touched_at + kUploadKept < now) EraseUpload(tx, upload);
  }
  int64_t forgotten = 0;
  for (const Note& note : tx.ListNotes(kOverAt, "", limit)) {
    if (note.key >= TimeKey(before)) return false;
    ++forgotten;
    int64_t number = 0;
    const std::optional<Upload> upload =
        absl::SimpleAtoi(note.value, &number) ? Find(tx, number) : std::nullopt;
    if (upload.has_value()) EraseUpload(tx, *upload);
    tx.EraseNote(kOverAt, note.key);
  }
  return forgotten >= limit;
}

void PutUploadMessage(StoreTransaction& tx, const Job& job, absl::Time now) {
  if (job.state != JobState::kSucceeded && job.state != JobState::kFailed &&
      job.state != JobState::kCancelled) {
    return;
  }
  const std::optional<Upload> upload = UploadOf(tx, job.input.volume, job.input.path);
  // Somebody else may have put another file of that name there meanwhile.
  if (!upload.has_value() || upload->emails.empty() || upload->pipeline != job.pipeline ||
      upload->size != job.input.size) {
    return;
  }
  OutboxMessage message{
      .id = StrCat("upload-", job.id.value, "-", job.token.value, "-", absl::ToUnixMicros(now)),
      .kind = kJobMessage,
      .job = job.id,
      .log_lines = upload->show_log ? kUploadLogLines : 0,
      .attach_bytes_max = kUploadAttachBytesMax,
      .created_at = now};
  message.link = upload->page;
  (void)PutMessages(tx, {.emails = upload->emails, .webhook = ""}, message);
}

}  // namespace closewrite
