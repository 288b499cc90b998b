#include "services/mail/mail_header.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

constexpr char kFold[] = "\r\n ";
constexpr size_t kLineBytesMax = 78;         // RFC 5322, 2.1.1
constexpr size_t kEncodedLineBytesMax = 76;  // of lines with an encoded word; RFC 2047, 2
constexpr size_t kEncodedWordBytesMax = 75;
constexpr size_t kPlainWordBytesMax = 60;
constexpr std::string_view kWordBegin = "=?UTF-8?B?";
constexpr std::string_view kWordEnd = "?=";

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isprint(static_cast<unsigned char>(c)); });
}

// Whether it can stand as it is, and what is folded at its spaces is the same when unfolded.
bool IsPlain(std::string_view value) {
  if (!IsPrintable(value) || value.find("=?") != std::string_view::npos) return false;
  for (const absl::string_view word : absl::StrSplit(ToAbsl(value), ' ')) {
    if (word.empty() || word.size() > kPlainWordBytesMax) return false;
  }
  return true;
}

// Of the character that `text`, which is UTF-8, begins with.
size_t CharacterBytes(std::string_view text) {
  size_t bytes = 1;
  while (bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) ++bytes;
  return bytes;
}

// How many bytes fit into an encoded word of so many.
size_t BytesThatFit(size_t word_bytes) {
  return (word_bytes - kWordBegin.size() - kWordEnd.size()) / 4 * 3;
}

void AppendPlain(std::string_view value, std::string* header) {
  size_t column = header->size();
  for (const absl::string_view word : absl::StrSplit(ToAbsl(value), ' ')) {
    const bool fits = column + 1 + word.size() <= kLineBytesMax;
    StrAppend(header, fits ? " " : kFold, word);
    column = (fits ? column : 0) + 1 + word.size();
  }
}

void AppendEncoded(std::string_view value, std::string* header) {
  std::string text = ToUtf8(value);
  std::string_view rest = text;
  size_t room = BytesThatFit(kEncodedLineBytesMax - header->size() - 1);
  const char* separator = " ";
  while (!rest.empty()) {
    size_t taken = 0;
    while (taken < rest.size()) {
      const size_t more = CharacterBytes(rest.substr(taken));
      if (taken + more > room) break;
      taken += more;
    }
    StrAppend(header, separator, kWordBegin, absl::Base64Escape(ToAbsl(rest.substr(0, taken))),
              kWordEnd);
    rest.remove_prefix(taken);
    room = BytesThatFit(kEncodedWordBytesMax);
    separator = kFold;
  }
}

// Of RFC 5987, which bytes need no escape.
bool IsAttributeChar(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("!#$&+-.^_`|~").find(c) != std::string_view::npos;
}

}  // namespace

bool IsHeaderText(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

bool IsHeaderName(std::string_view name) {
  return !name.empty() && name.size() <= kPlainWordBytesMax / 2 &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return c != ':' && absl::ascii_isgraph(static_cast<unsigned char>(c));
         });
}

std::string MailTextHeader(std::string_view name, std::string_view value) {
  std::string header = StrCat(name, ":");
  if (IsPlain(value)) {
    AppendPlain(value, &header);
  } else {
    AppendEncoded(value, &header);
  }
  return header;
}

std::string MailAddressHeader(std::string_view name, const std::vector<std::string>& addresses) {
  return StrCat(name, ": ", absl::StrJoin(addresses, StrCat(",", kFold)));
}

std::string MailDateHeader(absl::Time date) {
  return StrCat("Date: ", absl::FormatTime(absl::RFC1123_full, date, absl::UTCTimeZone()));
}

std::string MailAttachmentHeader(std::string_view file_name) {
  std::string header = StrCat("Content-Disposition: attachment;", kFold);
  // As ` filename="..."`.
  constexpr size_t kPlainNameBytesMax = kLineBytesMax - 12;
  if (file_name.size() <= kPlainNameBytesMax && IsPlain(file_name) &&
      file_name.find_first_of("\"\\") == std::string_view::npos) {
    StrAppend(&header, "filename=\"", file_name, "\"");
    return header;
  }
  constexpr char kHex[] = "0123456789ABCDEF";
  // In numbered pieces, so that no line is too long.
  constexpr size_t kPieceBytesMax = 60;
  std::string piece = "UTF-8''";
  int pieces = 0;
  for (const char c : ToUtf8(file_name)) {
    if (piece.size() >= kPieceBytesMax) {
      StrAppend(&header, "filename*", pieces++, "*=", piece, ";", kFold);
      piece.clear();
    }
    const auto byte = static_cast<unsigned char>(c);
    if (IsAttributeChar(c)) {
      piece += c;
    } else {
      piece.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  StrAppend(&header, "filename*", pieces, "*=", piece);
  return header;
}

std::string ToUtf8(std::string_view text) {
  constexpr size_t kCharacterBytesMax = 4;
  if (IsUtf8(text)) return std::string(text);
  std::string utf8;
  while (!text.empty()) {
    size_t bytes = 1;
    while (bytes <= kCharacterBytesMax && !IsUtf8(text.substr(0, bytes))) ++bytes;
    const bool is_character = bytes <= kCharacterBytesMax;
    utf8 += is_character ? text.substr(0, bytes) : "\xef\xbf\xbd";
    text.remove_prefix(is_character ? std::min(bytes, text.size()) : 1);
  }
  return utf8;
}

}  // namespace closewrite
