// HTTP requests, by libcurl.
#ifndef SERVICES_HTTP_HTTP_CLIENT_H_
#define SERVICES_HTTP_HTTP_CLIENT_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace closewrite {

// Of an answer; what is longer is cut.
inline constexpr size_t kHttpAnswerBytesMax = 1 << 20;

struct HttpRequest {
  std::string url;                   // http or https
  std::string body;                  // sent by POST; a GET when there is none
  std::vector<std::string> headers;  // `Name: value`
  std::string username;              // "" for none
  std::string password;
  absl::Duration connect_timeout = absl::Seconds(5);
  absl::Duration timeout = absl::Seconds(30);  // for all of it
};

// Of an answer's body that people are shown.
inline constexpr size_t kHttpShownBytesMax = 300;

struct HttpAnswer {
  int code = 0;  // 200
  std::string body;

  bool ok() const { return code >= 200 && code < 300; }
  // `HTTP 404 no such page`.
  std::string Shown() const;
};

// Not thread-safe. Keeps its connections open for the next request.
class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Any answer is an answer, whatever its code; redirections are not followed. UNAVAILABLE: there
  // was none, and the message says why, with the host but without a password. Blocks; `stop`, when
  // it is not null, is asked now and then, and ends the request with CANCELLED when it is true.
  absl::StatusOr<HttpAnswer> Send(const HttpRequest& request,
                                  const std::function<bool()>& stop = nullptr);

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

}  // namespace closewrite

#endif  // SERVICES_HTTP_HTTP_CLIENT_H_
