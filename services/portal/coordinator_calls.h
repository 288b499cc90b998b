// Calls to the coordinator, each with a deadline.
#ifndef SERVICES_PORTAL_COORDINATOR_CALLS_H_
#define SERVICES_PORTAL_COORDINATOR_CALLS_H_

#include <algorithm>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "closewrite/v1/fleet.grpc.pb.h"
#include "closewrite/v1/job.grpc.pb.h"
#include "closewrite/v1/lock.grpc.pb.h"
#include "closewrite/v1/monitor.grpc.pb.h"
#include "closewrite/v1/pipeline.grpc.pb.h"
#include "closewrite/v1/task.grpc.pb.h"
#include "closewrite/v1/upload.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/access/gate.h"
#include "services/clock/clock.h"
#include "services/transport/channel.h"
#include "services/transport/errors.h"

namespace closewrite::portal {

// For a page; for what must not be given up for a coordinator that restarts.
inline constexpr absl::Duration kPageCallTime = absl::Seconds(10);
inline constexpr absl::Duration kPatientCallTime = absl::Seconds(25);
// How long one channel is waited for before its names are looked up again.
inline constexpr absl::Duration kChannelTimeMax = absl::Seconds(1);

// Thread-safe.
class CoordinatorCalls {
 public:
  explicit CoordinatorCalls(const std::string& coordinator,
                            std::shared_ptr<grpc::ChannelCredentials> credentials = nullptr)
      : channel_(coordinator, std::move(credentials)) {}

  // `Call<v1::JobService>(&v1::JobService::Stub::GetJob, request)`.
  template <class Service, class Request, class Response>
  absl::StatusOr<Response> Call(grpc::Status (Service::Stub::*method)(grpc::ClientContext*,
                                                                      const Request&, Response*),
                                const Request& request) {
    return Make<Service>(method, request, kPageCallTime, /*wait=*/false, "");
  }
  // Waits for a coordinator that is away. The request must be one that may be repeated. The
  // coordinator takes down that it was made for `user`.
  template <class Service, class Request, class Response>
  absl::StatusOr<Response> CallPatiently(grpc::Status (Service::Stub::*method)(grpc::ClientContext*,
                                                                               const Request&,
                                                                               Response*),
                                         const Request& request, const std::string& user = "") {
    return Make<Service>(method, request, kPatientCallTime, /*wait=*/true, user);
  }

  std::shared_ptr<grpc::Channel> channel() { return channel_.Get(); }

 private:
  template <class Service, class Request, class Response>
  absl::StatusOr<Response> Make(grpc::Status (Service::Stub::*method)(grpc::ClientContext*,
                                                                      const Request&, Response*),
                                const Request& request, absl::Duration time, bool wait,
                                const std::string& user) {
    const absl::Time until = WallTime() + time;
    for (;;) {
      const std::shared_ptr<grpc::Channel> channel = channel_.Get();
      if (wait) {
        // A coordinator that comes back elsewhere is behind another channel.
        channel->WaitForConnected(
            absl::ToChronoTime(std::min(until, WallTime() + kChannelTimeMax)));
      }
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(until));
      if (!user.empty()) context.AddMetadata(std::string(kUserMetadata), user);
      Response response;
      const auto stub = Service::NewStub(channel);
      const absl::Status status = FromGrpc((stub.get()->*method)(&context, request, &response));
      if (status.ok()) return response;
      // Not connected, or a connection that broke in the middle; the next try waits for a new one.
      const bool again = wait && absl::IsUnavailable(status) && Reason(status).empty();
      if (!again || WallTime() >= until) return status;
    }
  }

  CoordinatorChannel channel_;
};

// A sentence for people about a call that failed.
std::string Sentence(const absl::Status& status);
// What such a status is in HTTP.
int HttpStatusOf(const absl::Status& status);

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_COORDINATOR_CALLS_H_
