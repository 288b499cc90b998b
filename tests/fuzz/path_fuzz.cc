// Paths: what may be one, how its parts fit, and that what people are shown can be read back.
#include <fuzzer/FuzzedDataProvider.h>

#include <string>
#include <string_view>

#include "services/log/str_cat.h"
#include "services/volume/path.h"
#include "tests/fuzz/require.h"

namespace closewrite {
namespace {

// In other words than path.cc has.
bool MayBePath(std::string_view path) {
  if (path.empty() || path.size() > kPathBytesMax) return false;
  const std::string framed = StrCat("/", path, "/");
  for (const std::string_view wrong : {"//", "/./", "/../"}) {
    if (framed.find(wrong) != std::string::npos) return false;
  }
  size_t in_part = 0;
  for (const char byte : path) {
    in_part = byte == '/' ? 0 : in_part + 1;
    if (byte == '\0' || in_part > kNameBytesMax) return false;
  }
  return true;
}

int HexDigit(char digit) { return digit <= '9' ? digit - '0' : digit - 'a' + 10; }

// What Display was given.
std::string ReadBack(std::string_view shown) {
  std::string bytes;
  for (size_t i = 0; i < shown.size(); ++i) {
    if (shown[i] != '\\') {
      bytes += shown[i];
      continue;
    }
    Require(++i < shown.size(), "an escape is complete");
    switch (shown[i]) {
      case 'n':
        bytes += '\n';
        break;
      case 't':
        bytes += '\t';
        break;
      case 'r':
        bytes += '\r';
        break;
      case '\\':
        bytes += '\\';
        break;
      default:
        Require(shown[i] == 'x' && i + 2 < shown.size(), "an escape is one of Display's");
        bytes += static_cast<char>(HexDigit(shown[i + 1]) * 16 + HexDigit(shown[i + 2]));
        i += 2;
    }
  }
  return bytes;
}

void CheckShown(const std::string& path) {
  const std::string shown = Display(path);
  Require(IsUtf8(shown), "what is shown is text");
  Require(ReadBack(shown) == path, "what is shown can be read back");
  for (const char byte : shown) {
    Require(static_cast<uint8_t>(byte) >= 0x20 && byte != 0x7F, "no control character is shown");
  }
}

void CheckPath(const std::string& path) {
  const absl::Status status = CheckRelativePath(path);
  Require(status.ok() == MayBePath(path), "paths are what may be one");
  Require(status.ok() || absl::IsInvalidArgument(status), "a wrong path is an invalid argument");
  Require(IsUtf8(ToStd(status.message())), "a message is text");
  CheckName("volume", path).IgnoreError();
  if (!status.ok()) return;
  Require(Join(DirName(path), BaseName(path)) == path, "the parts make the whole");
  Require(IsPrivate(path) == (path == kPrivateDir || path.starts_with(StrCat(kPrivateDir, "/"))),
          "ours is what lies in our folder");
}

}  // namespace
}  // namespace closewrite

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  // Parts and paths at their limits need more bytes than an input has.
  const bool doubled = input.ConsumeBool();
  std::string path = input.ConsumeRemainingBytesAsString();
  if (doubled) path += path;
  closewrite::CheckShown(path);
  closewrite::CheckPath(path);
  return 0;
}
