// A mail server for tests.
#ifndef SERVICES_MAIL_SMTP_SERVER_H_
#define SERVICES_MAIL_SMTP_SERVER_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace closewrite {

// Runs smtp_server.py, which says what it refuses, on a port of its own; it ends with the object or
// with the process. Not thread-safe.
class SmtpServer {
 public:
  // `options` are those of smtp_server.py. Returns when it listens.
  static absl::StatusOr<std::unique_ptr<SmtpServer>> Start(
      const std::vector<std::string>& options = {});
  ~SmtpServer();
  SmtpServer(const SmtpServer&) = delete;
  SmtpServer& operator=(const SmtpServer&) = delete;

  // "127.0.0.1:12345"
  const std::string& address() const { return address_; }
  // Its certificate, which is its own authority.
  std::string ca_file() const { return folder_ + "/certificate.pem"; }

  // How many mails it has taken.
  int count() const;
  // What it keeps of one, counted from 1: "raw", "header Subject" ...; "?" when there is no such
  // thing.
  std::string Get(int mail, std::string_view what) const;

 private:
  explicit SmtpServer(std::string folder) : folder_(std::move(folder)) {}
  absl::Status Spawn(const std::vector<std::string>& options);

  const std::string folder_;
  std::string address_;
  pid_t pid_ = 0;
  int input_ = -1;  // of the server: it ends when this is closed
};

}  // namespace closewrite

#endif  // SERVICES_MAIL_SMTP_SERVER_H_
