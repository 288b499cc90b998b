#include "services/volume/path.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr size_t kNameOfThingBytesMax = 63;

absl::Status Refuse(std::string_view path, std::string_view why) {
  return absl::InvalidArgumentError(StrCat("path \"", Display(path), "\" ", why));
}

// Length of the well-formed UTF-8 sequence at the start of `bytes` (RFC 3629, section 4); 0: none.
size_t SequenceBytes(std::string_view bytes) {
  const auto at = [&](size_t i) { return i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : 0; };
  const uint8_t first = at(0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  // The second byte's range excludes overlong forms, surrogates and what lies past U+10FFFF.
  uint8_t low = 0x80;
  uint8_t high = 0xBF;
  if (first == 0xE0) low = 0xA0;
  if (first == 0xED) high = 0x9F;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  if (at(1) < low || at(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (at(i) < 0x80 || at(i) > 0xBF) return 0;
  }
  return length;
}

// C0 and DEL are one byte; C1 (U+0080 to U+009F) is 0xC2 0x80 to 0xC2 0x9F. U+2028 and U+2029 break
// lines, and the bidirectional controls reorder them on a terminal.
bool IsControl(std::string_view sequence) {
  const auto first = static_cast<uint8_t>(sequence[0]);
  if (sequence.size() == 1) return first < 0x20 || first == 0x7F;
  const auto second = static_cast<uint8_t>(sequence[1]);
  if (sequence.size() == 2) return first == 0xC2 && second < 0xA0;
  if (sequence.size() != 3 || first != 0xE2) return false;
  const auto third = static_cast<uint8_t>(sequence[2]);
  if (second == 0x80) return third >= 0xA8 && third <= 0xAE;
  return second == 0x81 && third >= 0xA6 && third <= 0xA9;
}

void AppendEscaped(std::string_view bytes, std::string* out) {
  for (const char c : bytes) StrAppend(out, "\\x", absl::Hex(uint8_t(c), absl::kZeroPad2));
}

}  // namespace

absl::Status CheckRelativePath(std::string_view path) {
  if (path.empty()) return Refuse(path, "is empty; give a path below the volume's root");
  if (path.size() > kPathBytesMax) {
    return Refuse(StrCat(path.substr(0, 64), "..."),
                  StrCat("is longer than ", kPathBytesMax, " bytes; shorten it"));
  }
  if (path.find('\0') != std::string_view::npos) {
    return Refuse(path, "contains a NUL byte; no file can have such a name");
  }
  if (path.front() == '/') {
    return Refuse(path, "is absolute; give it relative to the volume's root");
  }
  if (path.back() == '/') return Refuse(path, "ends in '/'; name a file, not a directory");
  for (size_t start = 0; start <= path.size();) {
    const size_t slash = path.find('/', start);
    const size_t end = slash == std::string_view::npos ? path.size() : slash;
    const std::string_view part = path.substr(start, end - start);
    if (part.empty()) return Refuse(path, "has an empty part; write one '/' only");
    if (part == "." || part == "..") {
      return Refuse(path, StrCat("has a part \"", part, "\"; write it out without"));
    }
    if (part.size() > kNameBytesMax) {
      return Refuse(path, StrCat("has a part of ", part.size(), " bytes; at most ", kNameBytesMax,
                                 " are possible"));
    }
    start = end + 1;
  }
  return absl::OkStatus();
}

absl::Status CheckName(std::string_view what, std::string_view name) {
  constexpr std::string_view kRule =
      "use 1 to 63 of a-z A-Z 0-9 . _ -, starting with a letter or digit";
  if (name.empty()) return absl::InvalidArgumentError(StrCat(what, " has no name; ", kRule));
  bool good = name.size() <= kNameOfThingBytesMax && absl::ascii_isalnum(name[0]);
  for (const char c : name) {
    good = good && (absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-');
  }
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat(what, " name \"", Display(name.substr(0, 100)), "\" is not allowed; ", kRule));
}

bool IsUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t length = SequenceBytes(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

std::string_view Beginning(std::string_view text, size_t bytes_max) {
  constexpr size_t kFollowingBytesMax = 3;
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  const auto follows = [&] { return (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80; };
  while (end > 0 && bytes_max - end < kFollowingBytesMax && follows()) --end;
  // More than can follow is no UTF-8, and has no characters.
  return text.substr(0, follows() ? bytes_max : end);
}

std::string Display(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  while (!path.empty()) {
    const size_t length = SequenceBytes(path);
    const std::string_view sequence = path.substr(0, length == 0 ? 1 : length);
    path.remove_prefix(sequence.size());
    switch (sequence[0]) {
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\\':
        out += "\\\\";
        break;
      default:
        if (length == 0 || IsControl(sequence)) {
          AppendEscaped(sequence, &out);
        } else {
          out += sequence;
        }
    }
  }
  return out;
}

std::string Quote(std::string_view text) {
  const bool cut = text.size() > kQuoteBytesMax;
  return StrCat("\"", Display(text.substr(0, kQuoteBytesMax)), cut ? "...\"" : "\"");
}

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view DirName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string Join(std::string_view dir, std::string_view name) {
  if (dir.empty()) return std::string(name);
  if (name.empty()) return std::string(dir);
  return StrCat(dir, "/", name);
}

bool IsPrivate(std::string_view path) {
  if (path.substr(0, kPrivateDir.size()) != kPrivateDir) return false;
  return path.size() == kPrivateDir.size() || path[kPrivateDir.size()] == '/';
}

std::string StagingPath(int64_t job_id, int64_t token) {
  return StrCat(kPrivateDir, "/staging/", job_id, "/", token);
}

}  // namespace closewrite
