#include "services/mail/smtp_dialog.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

constexpr std::string_view kVerbs[] = {"EHLO", "HELO", "STARTTLS", "AUTH",
                                       "MAIL", "RCPT", "DATA",     "QUIT"};
constexpr int kFirstPermanent = 500;
// RFC 4954: authentication is required, is too weak, has failed, needs TLS. RFC 3207 says 530, too.
constexpr int kAboutLogins[] = {530, 534, 535, 538};
constexpr size_t kCodeBytes = 3;

template <class List, class Value>
bool Has(const List& list, const Value& value) {
  return std::find(std::begin(list), std::end(list), value) != std::end(list);
}

std::string_view WithoutEnd(std::string_view line) {
  while (!line.empty() && absl::ascii_isspace(static_cast<unsigned char>(line.back()))) {
    line.remove_suffix(1);
  }
  return line;
}

}  // namespace

void SmtpDialog::Sent(std::string_view line) {
  line = WithoutEnd(line);
  const std::string_view verb = line.substr(0, line.find(' '));
  // Anything else is a step of a login. Goodbye is said after a refusal, too, which stays.
  if (!Has(kVerbs, verb)) return;
  ending_ = verb == "QUIT";
  if (ending_) return;
  verb_ = verb;
  command_ = verb == "AUTH" ? "login" : line;
  code_ = 0;
  reply_.clear();
}

void SmtpDialog::Received(std::string_view line) {
  line = WithoutEnd(line);
  int code = 0;
  if (ending_ || !absl::SimpleAtoi(ToAbsl(line.substr(0, kCodeBytes)), &code)) return;
  if (code != code_) reply_.clear();
  code_ = code;
  // Of an answer of several lines each has the code in front.
  StrAppend(&reply_, reply_.empty() ? "" : " ",
            line.substr(std::min(line.size(), reply_.empty() ? 0 : kCodeBytes + 1)));
  if (reply_.size() > kReplyBytesMax) reply_.resize(kReplyBytesMax);
}

bool SmtpDialog::refused_for_good() const {
  const bool about_the_mail = verb_ == "MAIL" || verb_ == "RCPT" || verb_ == "DATA";
  return about_the_mail && code_ >= kFirstPermanent && !Has(kAboutLogins, code_);
}

std::string SmtpDialog::Describe() const {
  return StrCat(command_.empty() ? "at the connection" : Display(command_), ": ", Display(reply_));
}

}  // namespace closewrite
