#include "services/volume/glob.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

absl::Status Refuse(std::string_view pattern, std::string_view what) {
  const bool cut = pattern.size() > 128;
  return absl::InvalidArgumentError(
      StrCat("glob \"", Display(pattern.substr(0, 128)), cut ? "...\": " : "\": ", what));
}

// Positions are counted from 1, as people do.
absl::Status RefuseAt(std::string_view pattern, size_t at, std::string_view what) {
  return Refuse(pattern, StrCat("at position ", at + 1, ": ", what));
}

// The index past the byte that `at` stands for, an escape included.
size_t PastByte(std::string_view pattern, size_t at) { return at + (pattern[at] == '\\' ? 2 : 1); }

// The index past the class that starts at `at`; npos when it is not closed.
size_t PastClass(std::string_view pattern, size_t at) {
  size_t i = at + 1;
  if (i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^')) ++i;
  if (i < pattern.size() && pattern[i] == ']') ++i;  // as the first byte it is one of the class
  while (i < pattern.size() && pattern[i] != ']') i = PastByte(pattern, i);
  return i < pattern.size() ? i + 1 : std::string_view::npos;
}

// One entry of a class: a byte, or a range of them.
struct Range {
  uint8_t first;
  uint8_t last;
  size_t end;  // index past it
};

Range NextRange(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return static_cast<uint8_t>(text[i] == '\\' ? text[i + 1] : text[i]);
  };
  const size_t dash = PastByte(text, at);
  const bool is_range = text[dash] == '-' && text[dash + 1] != ']';
  if (!is_range) return {byte(at), byte(at), dash};
  return {byte(at), byte(dash + 1), PastByte(text, dash + 1)};
}

bool IsNegated(std::string_view text, size_t at) {
  return text[at + 1] == '!' || text[at + 1] == '^';
}

// Of a class that is closed at `end`.
absl::Status CheckClass(std::string_view pattern, size_t at, size_t end) {
  if (pattern.substr(at, end - at).find('/') != std::string_view::npos) {
    return RefuseAt(pattern, at, "a class never matches '/'; put the '/' outside of the brackets");
  }
  for (size_t i = at + (IsNegated(pattern, at) ? 2 : 1); i < end - 1;) {
    const Range range = NextRange(pattern, i);
    if (range.first > range.last) {
      return RefuseAt(pattern, i, "the range is the wrong way round; the smaller byte comes first");
    }
    i = range.end;
  }
  return absl::OkStatus();
}

// Brackets, braces and escapes are complete.
absl::Status CheckBalance(std::string_view pattern) {
  std::optional<size_t> brace;
  for (size_t i = 0; i < pattern.size();) {
    switch (pattern[i]) {
      case '\0':
        return RefuseAt(pattern, i, "a NUL byte is in no path; remove it");
      case '\\':
        if (i + 1 == pattern.size())
          return RefuseAt(pattern, i, "'\\' escapes nothing; write \\\\");
        break;
      case '[': {
        const size_t end = PastClass(pattern, i);
        if (end > pattern.size()) {
          return RefuseAt(pattern, i, "'[' is not closed; add ']', or write \\[");
        }
        const absl::Status good = CheckClass(pattern, i, end);
        if (!good.ok()) return good;
        i = end;
        continue;
      }
      case '{':
        if (brace)
          return RefuseAt(pattern, i, "braces in braces; write the choices out side by side");
        brace = i;
        break;
      case '}':
        if (!brace) return RefuseAt(pattern, i, "'}' closes nothing; remove it, or write \\}");
        brace.reset();
        break;
      default:
        break;
    }
    i = PastByte(pattern, i);
  }
  if (brace) return RefuseAt(pattern, *brace, "'{' is not closed; add '}', or write \\{");
  return absl::OkStatus();
}

// The choices of the group whose '{' is at `at`; `*end` is past its '}'.
std::vector<std::string_view> Choices(std::string_view pattern, size_t at, size_t* end) {
  std::vector<std::string_view> choices;
  size_t start = at + 1;
  size_t i = start;
  while (true) {
    if (pattern[i] == ',' || pattern[i] == '}') {
      choices.push_back(pattern.substr(start, i - start));
      start = i + 1;
      if (pattern[i] == '}') break;
    }
    i = pattern[i] == '[' ? PastClass(pattern, i) : PastByte(pattern, i);
  }
  *end = start;
  return choices;
}

// The patterns without braces that a balanced pattern stands for.
absl::StatusOr<std::vector<std::string>> Expand(std::string_view pattern) {
  std::vector<std::string> expanded = {""};
  for (size_t i = 0; i < pattern.size();) {
    std::vector<std::string_view> pieces;
    if (pattern[i] == '{') {
      pieces = Choices(pattern, i, &i);
    } else {
      const size_t end = pattern[i] == '[' ? PastClass(pattern, i) : PastByte(pattern, i);
      pieces = {pattern.substr(i, end - i)};
      i = end;
    }
    if (expanded.size() * pieces.size() > kGlobAlternativesMax) {
      return Refuse(pattern, StrCat("its braces stand for more than ", kGlobAlternativesMax,
                                    " choices; use several patterns"));
    }
    std::vector<std::string> longer;
    for (const std::string& start : expanded) {
      for (const std::string_view piece : pieces) longer.push_back(StrCat(start, piece));
    }
    expanded = std::move(longer);
  }
  size_t bytes = 0;
  for (const std::string& alternative : expanded) bytes += alternative.size();
  if (bytes <= kGlobExpandedBytesMax) return expanded;
  return Refuse(pattern, StrCat("its braces written out have more than ", kGlobExpandedBytesMax,
                                " bytes; use several patterns"));
}

// Refuses what can't match any path, because it was surely meant otherwise.
absl::Status CheckParts(std::string_view pattern, std::string_view alternative) {
  const std::string shown =
      alternative == pattern ? "" : StrCat("\"", Display(alternative), "\", one of its choices, ");
  if (alternative.empty()) return Refuse(pattern, StrCat(shown, "is empty; write `**` for all"));
  if (alternative.front() == '/') {
    return Refuse(pattern, StrCat(shown, "starts with '/', but paths are relative; leave it out"));
  }
  for (size_t start = 0; start < alternative.size();) {
    const size_t end = std::min(alternative.find('/', start), alternative.size());
    const std::string_view part = alternative.substr(start, end - start);
    if (part.empty() || part == "." || part == "..") {
      return Refuse(pattern, StrCat(shown, "has a part \"", part, "\" at position ", start + 1,
                                    ", which no path has; leave it out"));
    }
    start = end + 1;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Glob> Glob::Parse(std::string_view pattern) {
  if (pattern.empty()) return Refuse(pattern, "is empty; write `**` for all files");
  if (pattern.size() > kGlobBytesMax) {
    return Refuse(pattern, StrCat("has more than ", kGlobBytesMax, " bytes; use several patterns"));
  }
  const absl::Status balanced = CheckBalance(pattern);
  if (!balanced.ok()) return balanced;
  const auto expanded = Expand(pattern);
  if (!expanded.ok()) return expanded.status();
  Glob glob;
  glob.pattern_ = pattern;
  for (const std::string& alternative : *expanded) {
    const absl::Status good = CheckParts(pattern, alternative);
    if (!good.ok()) return good;
    glob.Compile(alternative.back() == '/' ? alternative + "**" : alternative);
  }
  return glob;
}

size_t Glob::CompileClass(std::string_view text, size_t at, Alternative* tokens) {
  const size_t end = PastClass(text, at);
  std::bitset<256> bytes;
  for (size_t i = at + (IsNegated(text, at) ? 2 : 1); i < end - 1;) {
    const Range range = NextRange(text, i);
    for (int byte = range.first; byte <= range.last; ++byte) bytes.set(byte);
    i = range.end;
  }
  if (IsNegated(text, at)) bytes.flip();
  bytes.reset('/');
  tokens->push_back({Kind::kClass, 0, static_cast<uint16_t>(classes_.size())});
  classes_.push_back(bytes);
  return end;
}

void Glob::Compile(std::string_view text) {
  Alternative tokens;
  for (size_t i = 0; i < text.size();) {
    const bool part_starts = i == 0 || text[i - 1] == '/';
    const std::string_view rest = text.substr(i);
    if (part_starts && rest == "**") {
      tokens.push_back({Kind::kRest});
      break;
    }
    if (part_starts && rest.substr(0, 3) == "**/") {
      tokens.push_back({Kind::kTree});
      i += 3;
      continue;
    }
    switch (text[i]) {
      case '*':
        // Stars side by side are one.
        if (tokens.empty() || tokens.back().kind != Kind::kStar) tokens.push_back({Kind::kStar});
        break;
      case '?':
        tokens.push_back({Kind::kAny});
        break;
      case '[':
        i = CompileClass(text, i, &tokens);
        continue;
      case '\\':
        tokens.push_back({Kind::kByte, static_cast<uint8_t>(text[i + 1])});
        break;
      default:
        tokens.push_back({Kind::kByte, static_cast<uint8_t>(text[i])});
    }
    i = PastByte(text, i);
  }
  alternatives_.push_back(std::move(tokens));
}

bool Glob::Accepts(const Token& token, uint8_t byte) const {
  switch (token.kind) {
    case Kind::kByte:
      return byte == token.byte;
    case Kind::kAny:
      return byte != '/';
    case Kind::kClass:
      return classes_[token.class_index][byte];
    default:
      return false;
  }
}

// Walks tokens and path side by side. On a mismatch only the last `*` of the part, and then the
// last
// `**/`, take more: what an earlier one could change, the later one can reach as well. So each
// token meets each byte a bounded number of times.
// Most patterns can be told from most paths by one byte: the last, or the first of the last part.
bool Glob::MayMatch(const Alternative& tokens, std::string_view path) const {
  if (tokens.empty() || path.empty()) return true;
  const Token& last = tokens.back();
  const bool one = last.kind == Kind::kByte || last.kind == Kind::kAny || last.kind == Kind::kClass;
  if (one && !Accepts(last, static_cast<uint8_t>(path.back()))) return false;
  const bool anywhere =
      tokens.size() > 1 && tokens[0].kind == Kind::kTree && tokens[1].kind == Kind::kByte;
  if (!anywhere) return true;
  const size_t slash = path.rfind('/');
  const size_t name = slash == std::string_view::npos ? 0 : slash + 1;
  if (name < path.size() && Accepts(tokens[1], static_cast<uint8_t>(path[name]))) return true;
  // A later part of the pattern may be a name of its own.
  return std::any_of(tokens.begin() + 1, tokens.end(), [](const Token& token) {
    return token.kind == Kind::kTree || token.kind == Kind::kRest ||
           (token.kind == Kind::kByte && token.byte == '/');
  });
}

bool Glob::MatchesOne(const Alternative& tokens, std::string_view path) const {
  if (!MayMatch(tokens, path)) return false;
  constexpr size_t kNone = std::string_view::npos;
  size_t token = 0, at = 0;
  size_t star_token = kNone, star_at = 0;
  size_t tree_token = kNone, tree_at = 0;
  while (true) {
    if (token == tokens.size() && at == path.size()) return true;
    if (token < tokens.size()) {
      const Token& next = tokens[token];
      if (next.kind == Kind::kRest && at < path.size()) return true;
      if (next.kind == Kind::kStar) {
        star_token = ++token;
        star_at = at;
        continue;
      }
      if (next.kind == Kind::kTree) {
        tree_token = ++token;
        tree_at = at;
        star_token = kNone;
        continue;
      }
      if (at < path.size() && Accepts(next, static_cast<uint8_t>(path[at]))) {
        if (path[at] == '/') star_token = kNone;
        ++token;
        ++at;
        continue;
      }
    }
    if (star_token != kNone && star_at < path.size() && path[star_at] != '/') {
      token = star_token;
      at = ++star_at;
      continue;
    }
    const size_t slash = tree_token == kNone ? kNone : path.find('/', tree_at);
    if (slash == kNone) return false;
    token = tree_token;
    at = tree_at = slash + 1;
    star_token = kNone;
  }
}

bool Glob::Matches(std::string_view path) const {
  return std::any_of(alternatives_.begin(), alternatives_.end(),
                     [&](const Alternative& tokens) { return MatchesOne(tokens, path); });
}

}  // namespace closewrite
