// Relative paths inside a volume: bytes, not text.
#ifndef SERVICES_VOLUME_PATH_H_
#define SERVICES_VOLUME_PATH_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace closewrite {

inline constexpr size_t kPathBytesMax = 4095;
inline constexpr size_t kNameBytesMax = 255;

// OK when `path` may stand for a file below a volume's root: 1 to kPathBytesMax bytes, no NUL, no
// leading or trailing '/', no empty, "." or ".." part, no part over kNameBytesMax. INVALID_ARGUMENT
// otherwise, with the path shown escaped.
absl::Status CheckRelativePath(std::string_view path);

// OK when `name` may name a volume, pipeline, host, executor, label or lock: 1 to 63 of `a-z A-Z
// 0-9 . _ -`, starting with a letter or digit. `what` is used in the message, such as "volume".
absl::Status CheckName(std::string_view what, std::string_view name);

// True when the bytes are well-formed UTF-8 (RFC 3629), NUL included.
bool IsUtf8(std::string_view bytes);
// The beginning of a text, of `bytes_max` bytes at most: no character of UTF-8 is cut in two.
std::string_view Beginning(std::string_view text, size_t bytes_max);

// For people: valid UTF-8 without control characters stays as it is; other bytes become \xNN,
// newline \n, tab \t, carriage return \r, backslash \\. Never put the result back into a file
// operation.
std::string Display(std::string_view path);
// What a message quotes of a text from outside: its beginning, as Display shows it, in quotes, and
// `...` when it goes on.
inline constexpr size_t kQuoteBytesMax = 80;
std::string Quote(std::string_view text);

// The part after the last '/'; the part before it ("" when there is none).
std::string_view BaseName(std::string_view path);
std::string_view DirName(std::string_view path);

// `dir` + '/' + `name`, or one of them when the other is empty.
std::string Join(std::string_view dir, std::string_view name);

// The folder at a volume's root where everything of ours lies; never watched, never published into.
inline constexpr std::string_view kPrivateDir = ".closewrite";
// True for kPrivateDir itself and for all below it.
bool IsPrivate(std::string_view path);
// ".closewrite/staging/<job>/<token>".
std::string StagingPath(int64_t job_id, int64_t token);

}  // namespace closewrite

#endif  // SERVICES_VOLUME_PATH_H_
