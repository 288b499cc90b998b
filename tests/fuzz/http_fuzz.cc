// Bytes that strangers send to the portal: whatever they are, its pages are asked for what is
// well-formed and bounded alone, and each connection ends.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>

#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/portal/form_fields.h"
#include "services/portal/http_server.h"
#include "tests/fuzz/require.h"

namespace closewrite::portal {
namespace {

constexpr size_t kFieldsBytesMax = 1024;

void ReadParts(WebRequest& request) {
  size_t parts = 0;
  size_t bytes = 0;
  request.read_form(
      [&](const FormPart& part) {
        Require(++parts <= kFormPartsMax, "a form has a bounded number of parts");
        Require(
            static_cast<int64_t>(part.name.size() + part.filename.size()) <= request.content_length,
            "a name came with its form");
        return true;
      },
      [&](const char*, size_t size) {
        bytes += size;
        Require(parts > 0, "bytes belong to a part");
        Require(static_cast<int64_t>(bytes) <= request.content_length, "a form is no longer");
        return true;
      });
}

void Handle(WebRequest& request, WebResponse* response) {
  Require(request.is_read() || request.method == "POST" || request.method == "PATCH",
          "a method is one of ours", request.method);
  Require(request.path.starts_with('/') && request.path.find('\0') == std::string::npos,
          "a path is one", request.path);
  Require(request.query.size() <= kQueryFieldsMax, "a query is bounded");
  Require(request.address == "127.0.0.1", "an address is the peer's", request.address);
  if (!request.is_read()) {
    Require(request.content_length >= 0, "a body says how long it is");
    if (request.header("Content-Type").starts_with("multipart/")) {
      ReadParts(request);
    } else {
      (void)ReadFields(request, kFieldsBytesMax);
    }
  }
  const std::string cookie = request.cookie("closewrite_session");
  Require(cookie.empty() || request.header("Cookie").find(cookie) != std::string::npos,
          "a cookie is one that was sent", cookie);
  response->body = StrCat(request.path.size(), " ", cookie.size());
}

class Peer {
 public:
  explicit Peer(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at = {};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<uint16_t>(port));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // The signal that tells libFuzzer to end may come meanwhile.
    int failed = 0;
    do {
      failed = connect(socket_, reinterpret_cast<sockaddr*>(&at), sizeof at);
    } while (failed != 0 && (errno == EINTR || errno == EALREADY));
    Require(failed == 0 || errno == EISCONN, "the server listens");
  }
  ~Peer() { close(socket_); }

  // Says all of it, and hears what comes until the server has closed.
  std::string Say(std::string_view bytes) {
    // An input is smaller than any buffer of a socket.
    (void)!send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    shutdown(socket_, SHUT_WR);
    std::string heard;
    char piece[4096];
    for (;;) {
      const ssize_t got = recv(socket_, piece, sizeof piece, 0);
      if (got <= 0) return heard;
      heard.append(piece, static_cast<size_t>(got));
    }
  }

 private:
  const int socket_;
};

}  // namespace
}  // namespace closewrite::portal

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  setenv("CLOSEWRITE_LOG", "error", 1);
  closewrite::InitLog("fuzz");
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace portal = closewrite::portal;
  static portal::HttpServer* const server = [] {
    auto started = portal::HttpServer::Start({.listen = "127.0.0.1:0", .handle = portal::Handle});
    closewrite::Require(started.ok(), "the server starts", started.status().ToString());
    return started->release();
  }();
  portal::Peer peer(server->port());
  const std::string heard = peer.Say(std::string_view(reinterpret_cast<const char*>(data), size));
  closewrite::Require(heard.empty() || heard.starts_with("HTTP/1.1 "), "an answer is HTTP", heard);
  closewrite::Require(server->numbers().errors == 0, "no request breaks anything");
  return 0;
}
