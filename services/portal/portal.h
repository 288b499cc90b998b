// The portal: wires its parts, and finds who answers which address.
#ifndef SERVICES_PORTAL_PORTAL_H_
#define SERVICES_PORTAL_PORTAL_H_

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "closewrite/v1/config.pb.h"
#include "services/metrics/metrics_server.h"
#include "services/portal/access.h"
#include "services/portal/coordinator_calls.h"
#include "services/portal/http_server.h"
#include "services/portal/operator_handler.h"
#include "services/portal/page_frame.h"
#include "services/portal/upload_handler.h"
#include "services/portal/web.h"
#include "services/transport/tls.h"

namespace closewrite::portal {

// Pages that are kept up to date at once; others can be reloaded.
inline constexpr int kLivePagesMax = 64;
inline constexpr absl::Duration kLivePause = absl::Seconds(2);
// So often something is sent though nothing has changed, and after so long the browser comes again.
inline constexpr absl::Duration kLiveBeat = absl::Seconds(15);
inline constexpr absl::Duration kLiveMax = absl::Minutes(10);
// Of a form without a file.
inline constexpr size_t kSmallFormBytesMax = 16 << 10;
inline constexpr size_t kTitleBytesMax = 100;

// Thread-safe.
class Portal {
 public:
  // INVALID_ARGUMENT and others name the key of the configuration that is wrong.
  static absl::StatusOr<std::unique_ptr<Portal>> Start(const v1::PortalConfig& config);
  ~Portal() { Shutdown(); }

  int port() const { return server_->port(); }
  // Ends all connections. May be called any number of times.
  void Shutdown();

 private:
  Portal() = default;

  absl::Status Configure(const v1::PortalConfig& config);
  absl::Status ServeMetrics(const std::string& listen);
  void Handle(WebRequest& request, WebResponse* response);
  WebResponse Route(WebRequest& request, const std::string& token);
  Page Read(const WebRequest& request, const std::string& path);
  Page Write(WebRequest& request);
  WebResponse ReadUpload(WebRequest& request, const std::string& token);
  WebResponse Live(const WebRequest& request, const std::string& token);
  void SendLive(const WebRequest& request, const std::string& path, const std::string& token,
                const SendBytes& send);
  Page SignIn(WebRequest& request, const std::map<std::string, std::string>& fields);

  Site site_;
  std::unique_ptr<Tls> tls_;  // null: none
  std::unique_ptr<CoordinatorCalls> calls_;
  std::unique_ptr<Access> access_;
  std::unique_ptr<UploadHandler> uploads_;
  std::unique_ptr<OperatorHandler> operators_;
  std::atomic<int> live_ = 0;
  absl::Notification stopping_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<MetricsServer> metrics_;
};

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_PORTAL_H_
