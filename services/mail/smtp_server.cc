#include "services/mail/smtp_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/strip.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

namespace fs = std::filesystem;

// Debian's own, which has Debian's modules.
constexpr char kPython[] = "/usr/bin/python3";
constexpr char kScript[] = "services/mail/smtp_server.py";

// One line, without its end; what there is when the other end is closed.
std::string ReadLine(int fd) {
  std::string line;
  for (;;) {
    char c = 0;
    const ssize_t size = read(fd, &c, 1);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0 || c == '\n') return line;
    line += c;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<SmtpServer>> SmtpServer::Start(
    const std::vector<std::string>& options) {
  std::string folder = fs::temp_directory_path() / "closewrite_smtp_XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    return absl::UnavailableError(StrCat("cannot make ", folder, ": ", strerror(errno)));
  }
  auto server = absl::WrapUnique(new SmtpServer(folder));
  const absl::Status status = server->Spawn(options);
  if (!status.ok()) return status;
  return server;
}

absl::Status SmtpServer::Spawn(const std::vector<std::string>& options) {
  std::vector<std::string> args = {kPython, kScript, folder_};
  args.insert(args.end(), options.begin(), options.end());
  std::vector<char*> argv;
  argv.reserve(args.size() + 1);
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  int input[2];
  int output[2];
  if (pipe2(input, O_CLOEXEC) != 0) return absl::UnavailableError("no pipe");
  input_ = input[1];
  if (pipe2(output, O_CLOEXEC) != 0) return absl::UnavailableError("no pipe");
  pid_ = fork();
  if (pid_ == 0) {
    if (dup2(input[0], 0) < 0 || dup2(output[1], 1) < 0) _exit(126);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(input[0]);
  close(output[1]);
  const std::string said = pid_ < 0 ? "" : ReadLine(output[0]);
  close(output[0]);
  absl::string_view port = said;
  if (!absl::ConsumePrefix(&port, "port ")) {
    return absl::UnavailableError("no mail server: is the package python3-aiosmtpd installed?");
  }
  address_ = StrCat("127.0.0.1:", port);
  return absl::OkStatus();
}

SmtpServer::~SmtpServer() {
  if (input_ >= 0) close(input_);
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
  fs::remove_all(folder_);
}

int SmtpServer::count() const {
  int count = 0;
  while (fs::exists(StrCat(folder_, "/", count + 1))) ++count;
  return count;
}

std::string SmtpServer::Get(int mail, std::string_view what) const {
  std::ifstream file(StrCat(folder_, "/", mail, "/", what), std::ios::binary);
  if (!file) return "?";
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

}  // namespace closewrite
