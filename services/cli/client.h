// Calls to the coordinator that survive its restarts.
#ifndef SERVICES_CLI_CLIENT_H_
#define SERVICES_CLI_CLIENT_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "closewrite/v1/alert.grpc.pb.h"
#include "closewrite/v1/audit.grpc.pb.h"
#include "closewrite/v1/event.grpc.pb.h"
#include "closewrite/v1/fleet.grpc.pb.h"
#include "closewrite/v1/job.grpc.pb.h"
#include "closewrite/v1/lock.grpc.pb.h"
#include "closewrite/v1/monitor.grpc.pb.h"
#include "closewrite/v1/pipeline.grpc.pb.h"
#include "closewrite/v1/store.grpc.pb.h"
#include "closewrite/v1/task.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/cli/interrupts.h"
#include "services/clock/clock.h"
#include "services/transport/channel.h"
#include "services/transport/errors.h"

namespace closewrite::cli {

// How long a wait or a follow that has had an answer before goes on looking for a lost coordinator.
inline constexpr absl::Duration kReconnectMax = absl::Minutes(10);

// A fresh UUID, version 4 (RFC 9562). The same one goes with every repetition of one request, which
// makes repetitions safe.
std::string NewRequestId();

// The last and most telling part of a gRPC connection error, such as `connection refused`.
std::string ConnectionProblem(std::string_view message);

// Statuses that come out of Call and Follow, beside those of the coordinator:
//   UNAVAILABLE        it can't be reached; the message says since when, why and what to do. With a
//                      reason (transport/errors.h) it is the coordinator's own answer.
//   CANCELLED          the user pressed Ctrl-C; the interrupt is still pending.
//   DEADLINE_EXCEEDED  no answer in time, or `deadline` of Follow has come.
// Used by one thread.
class Client {
 public:
  struct Options {
    std::string coordinator;                                 // host:port, several with commas
    std::shared_ptr<grpc::ChannelCredentials> credentials;   // null: no TLS
    std::string coordinator_from;                            // who said so; "" is not told
    absl::Duration call_timeout = absl::Seconds(30);         // for one answer
    absl::Duration connect_timeout = absl::Seconds(10);      // for one that can't be reached
    const Clock* clock = nullptr;                            // not owned
    Interrupts* interrupts = nullptr;                        // not owned
    std::function<void(const std::string& text)> on_notice;  // something that the user should know
  };

  explicit Client(Options options);

  v1::JobService::Stub& jobs() { return *jobs_; }
  v1::PipelineService::Stub& pipelines() { return *pipelines_; }
  v1::TaskService::Stub& tasks() { return *tasks_; }
  v1::EventService::Stub& events() { return *events_; }
  v1::FleetService::Stub& fleet() { return *fleet_; }
  v1::MonitorService::Stub& monitor() { return *monitor_; }
  v1::AlertService::Stub& alerts() { return *alerts_; }
  v1::AuditService::Stub& audit() { return *audit_; }
  v1::StoreService::Stub& store() { return *store_; }
  v1::LockService::Stub& locks() { return *locks_; }

  // Makes one unary call, again with jittered backoff while the coordinator can't be reached.
  // `call` must send the same request each time.
  absl::Status Call(absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call);
  // The same for a call that takes as long as it takes, until `deadline`.
  absl::Status CallUntil(absl::Time deadline,
                         absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call);

  // Reads a stream until `on_message` returns false (OK), the stream ends by itself (OK),
  // `deadline`, or an error that does not pass. A broken stream is opened again: `open` then asks
  // for what is missing, and `on_message` must bear to hear things twice. `patience` is for an
  // outage once there has been an answer.
  template <class Response>
  absl::Status Follow(
      absl::Time deadline,
      const std::function<std::unique_ptr<grpc::ClientReader<Response>>(grpc::ClientContext*)>&
          open,
      const std::function<bool(const Response&)>& on_message,
      absl::Duration patience = kReconnectMax);

 private:
  // One try. `heard` is to be set when the coordinator has answered something.
  using Try = absl::FunctionRef<absl::Status(grpc::ClientContext*, bool* heard)>;
  struct Limits {
    absl::Time deadline;      // for all tries together
    absl::Duration one_try;   // for one try
    absl::Duration patience;  // for an outage once there has been an answer
  };

  absl::Status Repeat(const Limits& limits, Try try_once);
  // Takes the channel that is to be used next.
  void TakeChannel();
  void Pause(absl::Duration pause);
  absl::Status WaitForChannel(absl::Time until);
  absl::Status NoCoordinator() const;
  std::string WhoSaidSo() const;
  // Gives up for good, or goes on for `patience`.
  absl::Status Unreachable(const absl::Status& status, absl::Time since,
                           absl::Duration patience) const;

  const Options options_;
  bool heard_ = false;  // the coordinator has answered once: it exists, and an outage will pass
  CoordinatorChannel coordinators_;
  std::shared_ptr<grpc::Channel> channel_;  // of the next try
  std::unique_ptr<v1::JobService::Stub> jobs_;
  std::unique_ptr<v1::PipelineService::Stub> pipelines_;
  std::unique_ptr<v1::TaskService::Stub> tasks_;
  std::unique_ptr<v1::EventService::Stub> events_;
  std::unique_ptr<v1::FleetService::Stub> fleet_;
  std::unique_ptr<v1::MonitorService::Stub> monitor_;
  std::unique_ptr<v1::AlertService::Stub> alerts_;
  std::unique_ptr<v1::AuditService::Stub> audit_;
  std::unique_ptr<v1::StoreService::Stub> store_;
  std::unique_ptr<v1::LockService::Stub> locks_;
};

template <class Response>
absl::Status Client::Follow(
    absl::Time deadline,
    const std::function<std::unique_ptr<grpc::ClientReader<Response>>(grpc::ClientContext*)>& open,
    const std::function<bool(const Response&)>& on_message, absl::Duration patience) {
  const Limits limits = {deadline, absl::InfiniteDuration(), patience};
  return Repeat(limits, [&](grpc::ClientContext* context, bool* heard) {
    const auto reader = open(context);
    Response response;
    while (reader->Read(&response)) {
      *heard = true;
      if (on_message(response)) continue;
      context->TryCancel();
      reader->Finish().ok();  // it was us who ended the stream
      return absl::OkStatus();
    }
    absl::Status status = FromGrpc(reader->Finish());
    // A coordinator that is stopped cancels its streams, and one whose messages we are too slow to
    // read drops us.
    const bool passes = absl::IsCancelled(status) || (*heard && absl::IsResourceExhausted(status));
    return passes ? absl::UnavailableError(status.message()) : status;
  });
}

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_CLIENT_H_
