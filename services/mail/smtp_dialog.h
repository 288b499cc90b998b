// What an SMTP client and its server have said last (RFC 5321).
#ifndef SERVICES_MAIL_SMTP_DIALOG_H_
#define SERVICES_MAIL_SMTP_DIALOG_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace closewrite {

// Not thread-safe. Keeps nothing of a password.
class SmtpDialog {
 public:
  static constexpr size_t kReplyBytesMax = 500;

  // A line of the client's, and one of the server's.
  void Sent(std::string_view line);
  void Received(std::string_view line);

  // Whether the server's last answer is a refusal; and whether it is one of this very mail that
  // would come again: a permanent one, but for those that ask for a login or for TLS.
  bool refused() const { return code_ >= kFirstRefusal; }
  bool refused_for_good() const;
  // For people: "RCPT TO:<x@y>: 550 5.1.1 no such user".
  std::string Describe() const;

 private:
  static constexpr int kFirstRefusal = 400;

  std::string verb_;  // of the last command; "": none yet
  std::string command_;
  int code_ = 0;  // of the answer to it; 0: none yet
  std::string reply_;
  bool ending_ = false;
};

}  // namespace closewrite

#endif  // SERVICES_MAIL_SMTP_DIALOG_H_
