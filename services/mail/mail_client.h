// Sends mail over SMTP, by libcurl.
#ifndef SERVICES_MAIL_MAIL_CLIENT_H_
#define SERVICES_MAIL_MAIL_CLIENT_H_

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace closewrite {

inline constexpr size_t kMailRecipientsMax = 100;  // every server takes so many; RFC 5321
inline constexpr size_t kMailSubjectBytesMax = 1000;
inline constexpr size_t kMailTextBytesMax = size_t{4} << 20;
inline constexpr size_t kMailAttachmentsMax = 20;
// Of all of them together; they grow by a third on their way, and many servers take 20 MB in all.
inline constexpr size_t kMailAttachmentBytesMax = size_t{12} << 20;
inline constexpr size_t kMailHeadersMax = 20;
// Of a Message-ID, a name of a file, a type, the value of another header.
inline constexpr size_t kMailHeaderBytesMax = 250;

// How long a connection, one answer of the server, and all of it may take.
inline constexpr absl::Duration kMailConnectMax = absl::Seconds(15);
inline constexpr absl::Duration kMailAnswerMax = absl::Seconds(60);
inline constexpr absl::Duration kMailSendMax = absl::Minutes(5);

struct MailServer {
  std::string url;       // smtp://host:port or smtps://host:port; without a name or a password
  std::string username;  // "": does not log in
  std::string password;
  // Of smtp://, which begins without TLS: what becomes of it if the server offers none (STARTTLS).
  // Whoever is between can hide the offer, so only kRequired keeps the password from them.
  enum class Tls {
    kRequired,   // nothing is sent
    kIfOffered,  // it goes on without
    kNone,       // it is not even tried
  };
  Tls tls = Tls::kRequired;
  std::string ca_file;  // of the authorities that may have signed for it; "": the system's
};

struct Attachment {
  std::string name;  // of the file
  std::string type;  // application/pdf
  std::string bytes;
};

struct Mail {
  std::string from;  // see IsMailAddress, as for the next
  std::vector<std::string> to;
  std::string subject;
  std::string text;  // UTF-8, lines that end with \n
  std::vector<Attachment> attachments;
  std::string message_id;  // unique, `something@host`, without <>
  absl::Time date;
  // More of them, such as X-Priority. `Auto-Submitted: auto-generated` (RFC 3834) is among them
  // unless another one is given.
  std::vector<std::pair<std::string, std::string>> headers;
};

// OK when Send would try; otherwise INVALID_ARGUMENT, which says what is wrong.
absl::Status CheckMailServer(const MailServer& server);
absl::Status CheckMail(const Mail& mail);

// Thread-safe: each Send has a connection of its own.
class MailClient {
 public:
  // Returns OK when the server has taken the mail for all recipients; otherwise none gets it. Only
  // when the connection breaks while it answers in the end some may get it nevertheless, and again
  // with the next attempt: then with the same message_id, if the caller keeps it.
  //
  // Errors: INVALID_ARGUMENT: see CheckMail. FAILED_PRECONDITION: the server refused this mail for
  // good, and would again. UNAVAILABLE: it may be taken later, or when somebody has mended the
  // configuration; no connection, no TLS, a wrong password, a server that says so. CANCELLED: see
  // `stop`. Messages say what the server said, and never the password.
  //
  // Blocks; `stop`, when it is not null, is asked about once a second, and ends it when it is true.
  absl::Status Send(const MailServer& server, const Mail& mail,
                    const std::function<bool()>& stop = nullptr) const;
};

}  // namespace closewrite

#endif  // SERVICES_MAIL_MAIL_CLIENT_H_
