// The portal's HTTP server: bounded in every way that a stranger could stretch it.
#ifndef SERVICES_PORTAL_HTTP_SERVER_H_
#define SERVICES_PORTAL_HTTP_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/portal/web.h"

namespace closewrite::portal {

// Connections at once, a thread each; more are told to come back.
inline constexpr int kConnectionsMax = 256;
inline constexpr int kRequestsPerConnectionMax = 1000;
inline constexpr size_t kTargetBytesMax = 2048;  // path and query
inline constexpr size_t kQueryFieldsMax = 64;
inline constexpr size_t kFormPartsMax = 64;

// Thread-safe.
class HttpServer {
 public:
  struct Options {
    std::string listen;  // "host:port"; port 0 takes a free one
    // Called for each request, from many threads.
    std::function<void(WebRequest& request, WebResponse* response)> handle;
  };
  struct Numbers {
    int64_t requests = 0;
    int64_t errors = 0;       // answers of 500 and more
    int64_t refused = 0;      // connections beyond the limit
    int64_t connections = 0;  // now
  };

  // INVALID_ARGUMENT when `listen` is no address, UNAVAILABLE when it can't be had.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(Options options);
  ~HttpServer();

  int port() const { return port_; }
  Numbers numbers() const;
  // Ends all connections. May be called any number of times.
  void Shutdown();

 private:
  class Listener;  // keeps the library's header out of this one

  HttpServer() = default;

  std::unique_ptr<Listener> listener_;
  int port_ = 0;
};

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_HTTP_SERVER_H_
