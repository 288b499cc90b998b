#include "services/portal/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <httplib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "services/clock/clock.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/portal/deadline_stream.h"
#include "services/transport/address.h"
#include "services/volume/file_system.h"

namespace closewrite::portal {
namespace {

constexpr int kBadRequest = 400;
constexpr int kNotAllowed = 405;
constexpr int kLengthRequired = 411;
constexpr int kTargetTooLong = 414;
constexpr int kServerError = 500;
constexpr int64_t kAnyPort = 0;
// Connections that wait to be accepted.
constexpr int kBacklog = 1024;
// What comes after an answer is read for so long, so that the peer gets to see the answer.
constexpr absl::Duration kLingerMax = absl::Seconds(2);
constexpr size_t kFilePieceBytes = 64 << 10;

constexpr char kBusy[] =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 53\r\n\r\n"
    "Too many connections are open: try again in a moment\n";

thread_local DeadlineStream* current_stream = nullptr;
thread_local bool refusing = false;

std::string AddressOf(int socket) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  char text[INET6_ADDRSTRLEN] = "";
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "";
  if (storage.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(&storage)->sin_addr, text, sizeof(text));
  } else if (storage.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(&storage)->sin6_addr, text, sizeof(text));
  }
  const absl::string_view address = text;
  return std::string(absl::StripPrefix(address, "::ffff:"));
}

// Says good-bye so that what was answered arrives, though more may be on its way here.
void CloseGently(int socket) {
  shutdown(socket, SHUT_WR);
  const absl::Duration until = SinceBoot() + kLingerMax;
  char dropped[4096];
  for (;;) {
    const int64_t left = absl::ToInt64Milliseconds(until - SinceBoot());
    pollfd waiting = {.fd = socket, .events = POLLIN, .revents = 0};
    if (left <= 0 || poll(&waiting, 1, static_cast<int>(left)) <= 0) break;
    if (recv(socket, dropped, sizeof(dropped), MSG_DONTWAIT) <= 0) break;
  }
  close(socket);
}

std::string CookieOf(const httplib::Request& request, absl::string_view name) {
  const std::string all = request.get_header_value("Cookie");
  for (const absl::string_view each : absl::StrSplit(all, "; ")) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(each, absl::MaxSplits('=', 1));
    if (pair.first == name) return std::string(pair.second);
  }
  return "";
}

std::string Why(int status) {
  switch (status) {
    case kNotAllowed:
      return "its method is none of GET, HEAD, POST and PATCH";
    case kLengthRequired:
      return "it does not say how long it is; send a Content-Length";
    case kTargetTooLong:
      return "its address is too long";
    case kServerError:
      return "something went wrong here; the portal's log says what";
    default:
      return StrCat("it is not well-formed HTTP (", status, ")");
  }
}

// 0: it is a request that can be answered.
int WhatIsWrong(const httplib::Request& request) {
  if (request.target.size() > kTargetBytesMax) return kTargetTooLong;
  if (request.params.size() > kQueryFieldsMax || request.path.empty() || request.path[0] != '/' ||
      request.path.find('\0') != std::string::npos ||
      request.get_header_value_count("Content-Length") > 1 ||
      request.get_header_value_count("Host") > 1) {
    return kBadRequest;
  }
  const bool has_body =
      request.has_header("Content-Length") && request.get_header_value("Content-Length") != "0";
  // Lengths are checked before anything is read, so they must be said.
  if (request.has_header("Transfer-Encoding")) return kLengthRequired;
  if (request.method == "GET" || request.method == "HEAD") return has_body ? kBadRequest : 0;
  if (request.method != "POST" && request.method != "PATCH") return kNotAllowed;
  int64_t length = 0;
  if (!request.has_header("Content-Length")) return kLengthRequired;
  const bool is_length =
      absl::SimpleAtoi(request.get_header_value("Content-Length"), &length) && length >= 0;
  return is_length ? 0 : kBadRequest;
}

}  // namespace

class HttpServer::Listener : public httplib::Server {
 public:
  // The library has another thing of that name.
  using Setup = HttpServer::Options;

  explicit Listener(Setup options) : options_(std::move(options)) {
    new_task_queue = [this] { return new Threads(this); };
    set_tcp_nodelay(true);
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      return Begin(request, response);
    });
    const auto with_body = [this](const httplib::Request& request, httplib::Response& response,
                                  const httplib::ContentReader& reader) {
      Handle(request, response, &reader);
    };
    Post(".*", with_body);
    Patch(".*", with_body);
    set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (!response.body.empty()) return;
      response.set_content(StrCat("The request was refused: ", Why(response.status), ".\n"),
                           "text/plain; charset=utf-8");
      response.set_header("X-Content-Type-Options", "nosniff");
      response.set_header("Content-Security-Policy", "default-src 'none'");
    });
    set_exception_handler([](const httplib::Request&, httplib::Response& response,
                             const std::exception_ptr&) { response.status = kServerError; });
  }

  absl::Status Open(int* port);
  void Close();

  Numbers numbers() const {
    return {.requests = requests_, .errors = errors_, .refused = refused_, .connections = open_};
  }

 private:
  // A thread for each connection, as long as there are not too many.
  class Threads : public httplib::TaskQueue {
   public:
    explicit Threads(Listener* listener) : listener_(*listener) {}
    void enqueue(std::function<void()> fn) override;
    void shutdown() override;

   private:
    Listener& listener_;
    absl::Mutex mutex_;
    int running_ ABSL_GUARDED_BY(mutex_) = 0;
  };

  bool process_and_close_socket(socket_t socket) override;
  void Serve(DeadlineStream* stream);
  HandlerResponse Begin(const httplib::Request& request, httplib::Response& response);
  void Handle(const httplib::Request& request, httplib::Response& response,
              const httplib::ContentReader* reader);
  static void Answer(WebResponse answer, httplib::Response* response);

  const Setup options_;
  std::thread thread_;
  std::atomic<int64_t> requests_ = 0;
  std::atomic<int64_t> errors_ = 0;
  std::atomic<int64_t> refused_ = 0;
  std::atomic<int64_t> open_ = 0;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<int> sockets_ ABSL_GUARDED_BY(mutex_);
};

void HttpServer::Listener::Threads::enqueue(std::function<void()> fn) {
  {
    absl::MutexLock lock(&mutex_);
    if (running_ < kConnectionsMax) {
      ++running_;
      std::thread([this, fn = std::move(fn)] {
        fn();
        absl::MutexLock lock(&mutex_);
        --running_;
      }).detach();
      return;
    }
  }
  refusing = true;
  fn();
  refusing = false;
}

void HttpServer::Listener::Threads::shutdown() {
  const auto none = [this] { return running_ == 0; };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&none));
}

bool HttpServer::Listener::process_and_close_socket(socket_t socket) {
  if (refusing) {
    ++refused_;
    (void)!send(socket, kBusy, sizeof(kBusy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(socket, SHUT_WR);
    close(socket);
    return false;
  }
  ++open_;
  {
    absl::MutexLock lock(&mutex_);
    sockets_.insert(socket);
    if (stopping_) shutdown(socket, SHUT_RDWR);
  }
  const auto stream = std::make_unique<DeadlineStream>(socket, AddressOf(socket));
  current_stream = stream.get();
  Serve(stream.get());
  current_stream = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    sockets_.erase(socket);
  }
  CloseGently(socket);
  --open_;
  return true;
}

void HttpServer::Listener::Serve(DeadlineStream* stream) {
  for (int left = kRequestsPerConnectionMax; left > 0 && stream->AwaitRequest(); --left) {
    bool closed = false;
    int64_t length = -1;  // of a request that could not be understood
    const bool answered = process_request(
        *stream, /*close_connection=*/left == 1, closed, [&](httplib::Request& request) {
          const std::string said = request.get_header_value("Content-Length");
          if (!absl::SimpleAtoi(said, &length)) length = 0;
          if (request.has_header("Transfer-Encoding")) length = -1;
          stream->BeginBody();
        });
    // What was not read would be taken for the next request.
    if (!answered || closed || stream->body_bytes() != length) return;
  }
}

httplib::Server::HandlerResponse HttpServer::Listener::Begin(const httplib::Request& request,
                                                             httplib::Response& response) {
  ++requests_;
  const int wrong = WhatIsWrong(request);
  if (wrong != 0) {
    response.status = wrong;
    return HandlerResponse::Handled;
  }
  if (request.method != "GET" && request.method != "HEAD") return HandlerResponse::Unhandled;
  Handle(request, response, nullptr);
  return HandlerResponse::Handled;
}

void HttpServer::Listener::Handle(const httplib::Request& request, httplib::Response& response,
                                  const httplib::ContentReader* reader) {
  WebRequest asked;
  asked.method = request.method;
  asked.path = request.path;
  for (const auto& [name, value] : request.params) asked.query.emplace(name, value);
  asked.address = request.remote_addr;
  int64_t length = 0;
  if (absl::SimpleAtoi(request.get_header_value("Content-Length"), &length)) {
    asked.content_length = length;
  }
  asked.header = [&](const char* name) { return request.get_header_value(name); };
  asked.cookie = [&](const char* name) { return CookieOf(request, name); };
  asked.read_body = [&](const TakeBytes& take) { return reader != nullptr && (*reader)(take); };
  asked.read_form = [&](const TakePart& take_part, const TakeBytes& take) {
    if (reader == nullptr || !request.is_multipart_form_data()) return false;
    size_t parts = 0;
    return (*reader)(
        [&](const httplib::MultipartFormData& part) {
          return ++parts <= kFormPartsMax &&
                 take_part({part.name, part.filename, part.content_type});
        },
        take);
  };
  WebResponse answer;
  options_.handle(asked, &answer);
  errors_ += answer.status >= kServerError;
  Answer(std::move(answer), &response);
}

void HttpServer::Listener::Answer(WebResponse answer, httplib::Response* response) {
  response->status = answer.status;
  for (const auto& [name, value] : answer.headers) response->set_header(name, value);
  if (answer.stream) {
    response->set_chunked_content_provider(
        answer.type, [stream = std::move(answer.stream)](size_t, httplib::DataSink& sink) {
          stream([&](std::string_view piece) { return sink.write(piece.data(), piece.size()); });
          sink.done();
          return true;
        });
  } else if (answer.file_size > 0) {
    response->set_content_provider(
        static_cast<size_t>(answer.file_size), answer.type,
        [file = std::move(answer.file)](size_t offset, size_t size, httplib::DataSink& sink) {
          return file(
              static_cast<int64_t>(offset), static_cast<int64_t>(std::min(size, kFilePieceBytes)),
              [&](std::string_view piece) { return sink.write(piece.data(), piece.size()); });
        });
  } else {
    response->set_content(std::move(answer.body), answer.type);
  }
}

absl::Status HttpServer::Listener::Open(int* port) {
  const absl::StatusOr<HostPort> at = ParseHostPort("listen", options_.listen);
  if (!at.ok()) return at.status();
  int number = 0;
  if (!absl::SimpleAtoi(at->port, &number) || number < 0 || number > UINT16_MAX) {
    return absl::InvalidArgumentError(StrCat("listen: ", at->port, " is no port"));
  }
  // By default the library lets several programs share a port, each with a part of the requests.
  set_socket_options([](int socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  if (number == kAnyPort) {
    number = bind_to_any_port(at->host);
  } else if (!bind_to_port(at->host, number)) {
    number = -1;
  }
  if (number < 0) {
    return absl::UnavailableError(
        StrCat("listen: cannot serve on ", options_.listen, "; is something else there already?"));
  }
  // The library waits with a queue of five, which makes browsers wait for seconds.
  if (::listen(svr_sock_, kBacklog) != 0) return ErrnoStatus(errno, "listen", options_.listen);
  *port = number;
  thread_ = std::thread([this] { listen_after_bind(); });
  return absl::OkStatus();
}

void HttpServer::Listener::Close() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    for (const int socket : sockets_) shutdown(socket, SHUT_RDWR);
  }
  stop();
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(Options options) {
  auto server = std::unique_ptr<HttpServer>(new HttpServer);
  server->listener_ = std::make_unique<Listener>(std::move(options));
  if (absl::Status s = server->listener_->Open(&server->port_); !s.ok()) return s;
  return server;
}

HttpServer::~HttpServer() { Shutdown(); }

HttpServer::Numbers HttpServer::numbers() const { return listener_->numbers(); }

void HttpServer::Shutdown() { listener_->Close(); }

}  // namespace closewrite::portal
