#include "services/coordinator/store/record_codec.h"

#include <cstdint>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace closewrite {
namespace {

void AppendNumber(uint64_t value, int bytes, std::string* to) {
  for (int i = 0; i < bytes; ++i) to->push_back(static_cast<char>((value >> (8 * i)) & 0xff));
}

// Takes numbers and byte strings from the front of `bytes`; false when they are not there.
bool TakeNumber(int bytes, std::string_view* from, uint64_t* value) {
  if (from->size() < static_cast<size_t>(bytes)) return false;
  *value = 0;
  for (int i = 0; i < bytes; ++i) {
    *value |= static_cast<uint64_t>(static_cast<unsigned char>((*from)[i])) << (8 * i);
  }
  from->remove_prefix(bytes);
  return true;
}

bool TakeBytes(std::string_view* from, std::string* value) {
  uint64_t size = 0;
  if (!TakeNumber(4, from, &size) || from->size() < size) return false;
  value->assign(from->substr(0, size));
  from->remove_prefix(size);
  return true;
}

// Nanoseconds since 1970; the ends of the range stand for the infinite past and future.
int64_t NanosOf(absl::Time time) {
  if (time == absl::InfinitePast()) return std::numeric_limits<int64_t>::min();
  if (time == absl::InfiniteFuture()) return std::numeric_limits<int64_t>::max();
  return absl::ToUnixNanos(time);
}

absl::Time TimeOf(int64_t nanos) {
  if (nanos == std::numeric_limits<int64_t>::min()) return absl::InfinitePast();
  if (nanos == std::numeric_limits<int64_t>::max()) return absl::InfiniteFuture();
  return absl::FromUnixNanos(nanos);
}

// Findings stand behind the read-only volumes, in pairs of entries that begin with a '/', as no
// name of a volume does: to a coordinator that does not know of them they are volumes that nobody
// has.
constexpr char kClockAhead[] = "/clock";
constexpr int kNoExitCode = -1;

absl::Status Unreadable() {
  return absl::DataLossError("a row can't be read; restore the database from a backup");
}

class Writer {
 public:
  void Int(int64_t value) {
    for (int i = 0; i < 8; ++i) bytes_.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
  }
  void Bytes(std::string_view bytes) {
    Int(static_cast<int64_t>(bytes.size()));
    bytes_.append(bytes);
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  int64_t Int() {
    if (bytes_.size() < 8) {
      ok_ = false;
      return 0;
    }
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) {
      value |= static_cast<uint64_t>(static_cast<unsigned char>(bytes_[i])) << (8 * i);
    }
    bytes_.remove_prefix(8);
    return static_cast<int64_t>(value);
  }
  std::string Bytes() {
    const uint64_t size = static_cast<uint64_t>(Int());
    if (!ok_ || bytes_.size() < size) {
      ok_ = false;
      return "";
    }
    std::string bytes(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return bytes;
  }
  bool more() const { return ok_ && !bytes_.empty(); }
  template <class T>
  absl::StatusOr<T> Done(T value) const {
    if (ok_) return value;
    return Unreadable();
  }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace

std::string EncodeOutputs(const std::vector<OutputFile>& outputs) {
  std::string bytes;
  for (const OutputFile& output : outputs) {
    AppendNumber(output.path.size(), 4, &bytes);
    bytes += output.path;
    AppendNumber(static_cast<uint64_t>(output.size), 8, &bytes);
    AppendNumber(output.sha256.size(), 4, &bytes);
    bytes += output.sha256;
  }
  return bytes;
}

absl::StatusOr<std::vector<OutputFile>> DecodeOutputs(std::string_view bytes) {
  std::vector<OutputFile> outputs;
  while (!bytes.empty()) {
    OutputFile output;
    uint64_t size = 0;
    if (!TakeBytes(&bytes, &output.path) || !TakeNumber(8, &bytes, &size) ||
        !TakeBytes(&bytes, &output.sha256)) {
      return absl::DataLossError(
          "the outputs of a job can't be read; restore the store from a backup");
    }
    output.size = static_cast<int64_t>(size);
    outputs.push_back(std::move(output));
  }
  return outputs;
}

int64_t EncodeExitCode(std::optional<int> exit_code) { return exit_code.value_or(kNoExitCode); }

std::optional<int> DecodeExitCode(int64_t number) {
  if (number == kNoExitCode) return std::nullopt;
  return static_cast<int>(number);
}

int64_t EncodeDraining(const SessionRecord& session) {
  return (session.draining ? 1 : 0) + (session.told_to_drain ? 2 : 0);
}

void DecodeDraining(int64_t draining, SessionRecord* session) {
  session->draining = draining != 0;
  session->told_to_drain = (draining & 2) != 0;
}

std::string EncodeHello(const SessionRecord& session) {
  const ExecutorHello& hello = session.executor;
  Writer writer;
  writer.Bytes(hello.name);
  writer.Bytes(hello.host);
  writer.Bytes(hello.session);
  writer.Bytes(hello.version);
  writer.Bytes(hello.address);
  writer.Int(hello.slots);
  writer.Int(static_cast<int64_t>(hello.labels.size()));
  for (const std::string& label : hello.labels) writer.Bytes(label);
  writer.Int(static_cast<int64_t>(hello.volume_roots.size()));
  for (const auto& [volume, root] : hello.volume_roots) {
    writer.Bytes(volume);
    writer.Bytes(root);
  }
  for (const std::string& volume : hello.read_only_volumes) writer.Bytes(volume);
  const auto find = [&](absl::string_view what, absl::string_view value) {
    writer.Bytes(absl::StrCat("/", what));
    writer.Bytes(absl::StrCat("/", value));
  };
  for (const auto& [volume, why] : session.findings.unusable_volumes) find(volume, why);
  if (session.findings.clock_ahead.has_value()) {
    find(kClockAhead, absl::StrCat(absl::ToInt64Nanoseconds(*session.findings.clock_ahead)));
  }
  return writer.Take();
}

absl::Status DecodeHello(std::string_view bytes, SessionRecord* session) {
  Reader reader(bytes);
  ExecutorHello& hello = session->executor;
  hello.name = reader.Bytes();
  hello.host = reader.Bytes();
  hello.session = reader.Bytes();
  hello.version = reader.Bytes();
  hello.address = reader.Bytes();
  hello.slots = static_cast<int>(reader.Int());
  for (int64_t i = reader.Int(); i > 0 && reader.more(); --i) {
    hello.labels.push_back(reader.Bytes());
  }
  for (int64_t i = reader.Int(); i > 0 && reader.more(); --i) {
    std::string volume = reader.Bytes();
    hello.volume_roots[std::move(volume)] = reader.Bytes();
  }
  while (reader.more()) {
    std::string entry = reader.Bytes();
    if (entry.empty() || entry.front() != '/') {
      hello.read_only_volumes.push_back(std::move(entry));
      continue;
    }
    const std::string what = entry.substr(1);
    std::string value = reader.Bytes();
    if (value.empty() || value.front() != '/') return Unreadable();
    value.erase(0, 1);
    int64_t nanos = 0;
    if (what != kClockAhead) {
      session->findings.unusable_volumes[what] = value;
    } else if (absl::SimpleAtoi(value, &nanos)) {
      session->findings.clock_ahead = absl::Nanoseconds(nanos);
    }
  }
  return reader.Done(0).status();
}

std::string EncodeVolumes(const std::vector<VolumeReport>& volumes) {
  Writer writer;
  for (const VolumeReport& volume : volumes) {
    for (const std::string* text :
         {&volume.volume, &volume.root, &volume.volume_id, &volume.message, &volume.file_system}) {
      writer.Bytes(*text);
    }
    for (const int64_t number :
         {static_cast<int64_t>(volume.state), int64_t{volume.read_only}, volume.watched_directories,
          volume.overflows, volume.unacknowledged_events, int64_t{volume.backend},
          volume.unwatched_directories, volume.pending_files, volume.scans,
          absl::ToInt64Nanoseconds(volume.scan_duration), volume.audit_found,
          NanosOf(volume.canary_seen_at), volume.canary_misses}) {
      writer.Int(number);
    }
  }
  return writer.Take();
}

absl::StatusOr<std::vector<VolumeReport>> DecodeVolumes(std::string_view bytes) {
  Reader reader(bytes);
  std::vector<VolumeReport> volumes;
  while (reader.more()) {
    VolumeReport volume;
    for (std::string* text :
         {&volume.volume, &volume.root, &volume.volume_id, &volume.message, &volume.file_system}) {
      *text = reader.Bytes();
    }
    volume.state = static_cast<VolumeState>(reader.Int());
    volume.read_only = reader.Int() != 0;
    volume.watched_directories = reader.Int();
    volume.overflows = reader.Int();
    volume.unacknowledged_events = reader.Int();
    volume.backend = static_cast<int>(reader.Int());
    volume.unwatched_directories = reader.Int();
    volume.pending_files = reader.Int();
    volume.scans = reader.Int();
    volume.scan_duration = absl::Nanoseconds(reader.Int());
    volume.audit_found = reader.Int();
    volume.canary_seen_at = TimeOf(reader.Int());
    volume.canary_misses = reader.Int();
    volumes.push_back(std::move(volume));
  }
  return reader.Done(std::move(volumes));
}

}  // namespace closewrite
