// Globs against a matcher that tries everything.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/log/str_cat.h"
#include "services/volume/glob.h"
#include "services/volume/path.h"
#include "tests/fuzz/require.h"

namespace closewrite {
namespace {

// What the slow matcher is given; its time grows with their product.
constexpr size_t kReferencePatternMax = 64;
constexpr size_t kReferencePathMax = 48;

size_t ClassEnd(std::string_view pattern, size_t at) {
  size_t i = at + 1;
  if (pattern[i] == '!' || pattern[i] == '^') ++i;
  bool first = true;
  while (first || pattern[i] != ']') {
    if (pattern[i] == '\\') ++i;
    ++i;
    first = false;
  }
  return i + 1;
}

bool InClass(std::string_view members, uint8_t byte) {
  if (byte == '/') return false;
  const bool negated = members.front() == '!' || members.front() == '^';
  if (negated) members.remove_prefix(1);
  bool found = false;
  const auto take = [&]() -> uint8_t {
    if (members.front() == '\\') members.remove_prefix(1);
    const uint8_t taken = members.front();
    members.remove_prefix(1);
    return taken;
  };
  while (!members.empty()) {
    const uint8_t first = take();
    uint8_t last = first;
    if (members.size() > 1 && members.front() == '-') {
      members.remove_prefix(1);
      last = take();
    }
    found = found || (first <= byte && byte <= last);
  }
  return found != negated;
}

// All patterns without braces that `pattern` stands for.
std::vector<std::string> WithoutBraces(std::string_view pattern) {
  for (size_t i = 0; i < pattern.size();) {
    if (pattern[i] == '[') {
      i = ClassEnd(pattern, i);
    } else if (pattern[i] == '\\') {
      i += 2;
    } else if (pattern[i] != '{') {
      ++i;
    } else {
      const std::string before(pattern.substr(0, i));
      std::vector<std::string> choices = {""};
      for (++i; pattern[i] != '}';) {
        const size_t end = pattern[i] == '[' ? ClassEnd(pattern, i) : i + 1 + (pattern[i] == '\\');
        if (pattern[i] == ',') {
          choices.emplace_back();
        } else {
          choices.back() += pattern.substr(i, end - i);
        }
        i = end;
      }
      std::vector<std::string> all;
      for (const std::string& rest : WithoutBraces(pattern.substr(i + 1))) {
        for (const std::string& choice : choices) all.push_back(before + choice + rest);
      }
      return all;
    }
  }
  return {std::string(pattern)};
}

// One pattern without braces and one path; remembers what it has tried.
class Reference {
 public:
  Reference(std::string_view pattern, std::string_view path)
      : pattern_(pattern), path_(path), tried_((pattern.size() + 1) * (path.size() + 1)) {}

  bool Matches(size_t i = 0, size_t j = 0) {
    std::optional<bool>& known = tried_[i * (path_.size() + 1) + j];
    if (!known.has_value()) known = Try(i, j);
    return *known;
  }

 private:
  bool Try(size_t i, size_t j) {
    if (i == pattern_.size()) return j == path_.size();
    const std::string_view rest = pattern_.substr(i);
    if (i == 0 || pattern_[i - 1] == '/') {
      if (rest == "**") return j < path_.size();
      if (rest.starts_with("**/")) {
        bool any = Matches(i + 3, j);
        for (size_t k = j; k < path_.size(); ++k) {
          any = any || (path_[k] == '/' && Matches(i + 3, k + 1));
        }
        return any;
      }
    }
    const bool is_byte = j < path_.size();
    const bool in_part = is_byte && path_[j] != '/';
    switch (rest.front()) {
      case '*':
        return Matches(i + 1, j) || (in_part && Matches(i, j + 1));
      case '?':
        return in_part && Matches(i + 1, j + 1);
      case '[': {
        const size_t end = ClassEnd(pattern_, i);
        return in_part && InClass(pattern_.substr(i + 1, end - i - 2), path_[j]) &&
               Matches(end, j + 1);
      }
      case '\\':
        return is_byte && path_[j] == rest[1] && Matches(i + 2, j + 1);
      default:
        return is_byte && path_[j] == rest.front() && Matches(i + 1, j + 1);
    }
  }

  const std::string_view pattern_;
  const std::string_view path_;
  std::vector<std::optional<bool>> tried_;
};

bool ReferenceMatches(std::string_view pattern, std::string_view path) {
  const std::vector<std::string> alternatives = WithoutBraces(pattern);
  return std::any_of(alternatives.begin(), alternatives.end(), [&](std::string each) {
    if (each.back() == '/') each += "**";
    return Reference(each, path).Matches();
  });
}

// Patterns and paths of bytes that mean something meet each other far more often.
void UseFewBytes(std::string* text) {
  constexpr std::string_view kBytes = "ab*?/[]{},!^-\\.";
  for (char& byte : *text) byte = kBytes[static_cast<uint8_t>(byte) % kBytes.size()];
}

std::string Escaped(std::string_view path) {
  std::string escaped;
  for (const char byte : path) {
    if (byte != '/') escaped += '\\';
    escaped += byte;
  }
  return escaped;
}

void CheckEscaped(std::string_view path) {
  const std::string escaped = Escaped(path);
  if (!CheckRelativePath(path).ok() || escaped.size() > kGlobBytesMax) return;
  const auto glob = Glob::Parse(escaped);
  Require(glob.ok(), "an escaped path is a pattern", glob.status().ToString());
  Require(glob->Matches(path), "an escaped path matches itself");
  Require(!glob->Matches(std::string(path) + "x"), "an escaped path matches nothing else");
}

}  // namespace
}  // namespace closewrite

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using closewrite::Require;
  FuzzedDataProvider input(data, size);
  const bool few_bytes = input.ConsumeBool();
  std::string pattern = input.ConsumeRandomLengthString(closewrite::kGlobBytesMax + 1);
  std::string path = input.ConsumeRemainingBytesAsString();
  if (few_bytes) {
    closewrite::UseFewBytes(&pattern);
    closewrite::UseFewBytes(&path);
  }
  closewrite::CheckEscaped(path);
  const auto glob = closewrite::Glob::Parse(pattern);
  if (!glob.ok()) {
    Require(absl::IsInvalidArgument(glob.status()), "a wrong pattern is an invalid argument");
    Require(closewrite::IsUtf8(closewrite::ToStd(glob.status().message())), "a message is text");
    return 0;
  }
  Require(glob->pattern() == pattern, "a glob keeps its pattern");
  const bool matches = glob->Matches(path);
  if (pattern.size() <= closewrite::kReferencePatternMax &&
      path.size() <= closewrite::kReferencePathMax) {
    Require(matches == closewrite::ReferenceMatches(pattern, path), "the slow matcher agrees");
  }
  return 0;
}
