#include "services/cli/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "closewrite/v1/config.pb.h"
#include "services/cli/exit_code.h"
#include "services/log/str_cat.h"
#include "services/transport/tls.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

constexpr char kTokenVariable[] = "CLOSEWRITE_ACCESS_TOKEN";

// As in the folders that `certs issue` makes, and in the secrets of cert-manager.
constexpr char kAuthorityFile[] = "/ca.crt";
constexpr char kCertificateFile[] = "/tls.crt";
constexpr char kKeyFile[] = "/tls.key";

absl::StatusOr<std::string> ReadToken(const Setting& file) {
  const auto wrong = [&file](std::string_view why) {
    return UsageError(StrCat(file.from, ": ", Display(file.value), " ", why));
  };
  const int fd = open(file.value.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return wrong(StrCat("can't be read: ", strerror(errno)));
  const absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat st = {};
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) return wrong("is not a file");
  if ((st.st_mode & S_IRWXO) != 0) return wrong("can be read by others; chmod 600 it");
  std::string text(kTokenFileBytesMax, '\0');
  const ssize_t got = read(fd, text.data(), text.size());
  if (got < 0) return wrong(StrCat("can't be read: ", strerror(errno)));
  text.resize(static_cast<size_t>(got));
  absl::StripAsciiWhitespace(&text);
  if (text.empty()) return wrong("is empty; it is to hold a token, see `closewrite token new`");
  return text;
}

absl::StatusOr<std::string> Token(const Settings& settings, const Console& console) {
  const bool by_file = !settings.access_token_file.value.empty();
  std::string token = console.environment(kTokenVariable);
  // What was asked for in this very command counts for more than what lies about.
  if (by_file && (token.empty() || settings.access_token_file.from == kTokenFileOption)) {
    return ReadToken(settings.access_token_file);
  }
  absl::StripAsciiWhitespace(&token);
  return token;
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(const Settings& settings,
                                                                          const Console& console) {
  const absl::StatusOr<std::string> token = Token(settings, console);
  if (!token.ok()) return token.status();
  const Setting& folder = settings.tls;
  if (folder.value.empty()) {
    if (token->empty()) return std::shared_ptr<grpc::ChannelCredentials>();
    return UsageError(
        "a token would cross the network in clear: say by --tls or CLOSEWRITE_TLS which folder has "
        "the ca.crt of the coordinator's authority");
  }
  v1::TlsConfig files;
  files.set_ca(folder.value + kAuthorityFile);
  const std::string certificate = folder.value + kCertificateFile;
  if (access(certificate.c_str(), F_OK) == 0) {
    files.set_cert(certificate);
    files.set_key(folder.value + kKeyFile);
  } else if (token->empty()) {
    return UsageError(StrCat(folder.from, ": ", Display(folder.value),
                             " has no tls.crt; `closewrite certs issue` makes one, or give a token "
                             "by --access-token-file"));
  }
  const absl::StatusOr<std::unique_ptr<Tls>> tls = Tls::OfPerson(files);
  if (!tls.ok()) return UsageError(StrCat(folder.from, ": ", tls.status().message()));
  return (*tls)->ForChannel(*token);
}

}  // namespace closewrite::cli
