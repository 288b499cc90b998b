// Mail: headers that say what was meant and end where they must; what servers answer.
#include <fuzzer/FuzzedDataProvider.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "services/log/str_cat.h"
#include "services/mail/mail_address.h"
#include "services/mail/mail_header.h"
#include "services/mail/smtp_dialog.h"
#include "services/volume/path.h"
#include "tests/fuzz/require.h"

namespace closewrite {
namespace {

constexpr size_t kLineBytesMax = 78;  // RFC 5322, 2.1.1

// The lines of a header, without what folds them.
std::vector<std::string> Lines(const std::string& header) {
  std::vector<std::string> lines = absl::StrSplit(header, "\r\n");
  for (size_t i = 0; i < lines.size(); ++i) {
    Require(lines[i].find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
            "a line ends where it must", header);
    Require(lines[i].size() <= kLineBytesMax, "a line is short", lines[i]);
    Require(i == 0 || lines[i].starts_with(' '), "what follows is folded", header);
    for (const char c : lines[i]) Require(c >= ' ' && c <= '~', "a header is ASCII", header);
  }
  return lines;
}

// What a reader of mail makes of `Name: value` (RFC 2047).
std::string ReadText(const std::string& header, size_t name_bytes) {
  std::string unfolded;
  for (const std::string& line : Lines(header)) unfolded += line;
  std::string_view rest = std::string_view(unfolded).substr(name_bytes + 1);
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  if (!rest.starts_with("=?UTF-8?B?")) return std::string(rest);
  std::string text;
  for (const absl::string_view word : absl::StrSplit(ToAbsl(rest), ' ')) {
    Require(word.size() <= 75, "an encoded word is short", ToStd(word));
    std::string part;
    Require(word.size() > 12 && absl::Base64Unescape(word.substr(10, word.size() - 12), &part),
            "an encoded word is whole", ToStd(word));
    Require(IsUtf8(part), "no character is torn", ToStd(word));
    text += part;
  }
  return text;
}

void CheckTextHeader(const std::string& name, const std::string& value) {
  if (!IsHeaderName(name) || !IsHeaderText(value)) return;
  const std::string header = MailTextHeader(name, value);
  Require(header.starts_with(StrCat(name, ":")), "a header has its name", header);
  Require(ReadText(header, name.size()) == ToUtf8(value), "a header says what was meant", header);
}

// RFC 2231, and RFC 822's quotes.
void CheckFileName(const std::string& name) {
  if (!IsHeaderText(name)) return;
  std::string unfolded;
  for (const std::string& line : Lines(MailAttachmentHeader(name))) unfolded += line;
  constexpr std::string_view kPlain = "Content-Disposition: attachment; filename=\"";
  if (unfolded.starts_with(kPlain)) {
    Require(unfolded == StrCat(kPlain, name, "\""), "a name is what it was", unfolded);
    return;
  }
  std::string value;
  int number = 0;
  const std::vector<std::string> parts = absl::StrSplit(unfolded, "; ");
  for (size_t i = 1; i < parts.size(); ++i, ++number) {
    const std::string begin = StrCat("filename*", number, "*=");
    Require(parts[i].starts_with(begin), "pieces are numbered", parts[i]);
    value += parts[i].substr(begin.size());
  }
  Require(value.starts_with("UTF-8''"), "a name says how it is written", value);
  std::string bytes;
  for (size_t i = 7; i < value.size(); ++i) {
    if (value[i] != '%') {
      bytes += value[i];
      continue;
    }
    bytes += absl::HexStringToBytes(value.substr(i + 1, 2));
    i += 2;
  }
  Require(bytes == ToUtf8(name), "a name can be read back", unfolded);
}

void CheckAddress(const std::string& address) {
  if (!IsMailAddress(address)) return;
  Require(address.find_first_of(" \t\r\n<>,;\"\\") == std::string::npos,
          "an address is one recipient", address);
  Require(IsHeaderText(MailAddressHeader("To", {address})), "an address ends no header", address);
}

void CheckDialog(FuzzedDataProvider* input) {
  SmtpDialog dialog;
  while (input->remaining_bytes() > 0) {
    const bool sent = input->ConsumeBool();
    const std::string line = input->ConsumeRandomLengthString(600);
    sent ? dialog.Sent(line) : dialog.Received(line);
    const std::string said = dialog.Describe();
    Require(IsUtf8(said) && said.find('\n') == std::string::npos, "what was said is one line",
            said);
    Require(!dialog.refused_for_good() || dialog.refused(), "for good is refused", said);
  }
}

}  // namespace
}  // namespace closewrite

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace cw = closewrite;
  FuzzedDataProvider input(data, size);
  const std::string name = input.ConsumeRandomLengthString(40);
  const std::string value = input.ConsumeRandomLengthString(400);
  cw::CheckTextHeader(name, value);
  cw::CheckTextHeader("Subject", value);
  cw::CheckFileName(value);
  cw::CheckAddress(name);
  cw::Require(cw::IsUtf8(cw::ToUtf8(value)), "it is UTF-8 then");
  cw::CheckDialog(&input);
  return 0;
}
