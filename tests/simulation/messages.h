// What services say to each other, as plain values: the messages of proto/closewrite/v1.
#ifndef TESTS_SIMULATION_MESSAGES_H_
#define TESTS_SIMULATION_MESSAGES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/coordinator/core/dispatch.h"
#include "services/coordinator/core/effects.h"
#include "services/coordinator/core/file_event.h"
#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/lock.h"
#include "services/coordinator/core/pipeline.h"
#include "services/coordinator/core/presence.h"
#include "services/coordinator/core/task.h"
#include "tests/simulation/network.h"
#include "tests/simulation/stream.h"

namespace closewrite::simulation {

// AttendRequest.
struct AttendUp {
  int64_t sequence = 0;
  std::optional<ExecutorHello> hello;
  AttendReport report;  // without the session
};

// AttendResponse.
struct AttendDown {
  int64_t answered_sequence = 0;
  SessionId session;  // in the first answer, with its time to live
  absl::Duration session_ttl;
  std::vector<Grant> assignments;
  bool complete = false;
  std::vector<Lease> held;
  std::vector<Lease> settled;
  std::vector<std::pair<Lease, int64_t>> log_lengths;
};

using VolumeLease = std::pair<std::string, Lease>;

// ObserveRequest.
struct ObserveUp {
  bool hello = false;
  std::string host;
  std::string ledger_id;
  bool heartbeat = false;
  std::vector<VolumeReport> volumes;
  std::vector<FileEvent> events;
  std::vector<std::pair<Lease, std::string>> published;
  std::vector<VolumeLease> staging;
};

// ObserveResponse.
struct ObserveDown {
  bool hello = false;  // it answers one
  int64_t acknowledged = 0;
  bool complete = false;
  std::vector<Job> orders;
  std::vector<VolumeLease> sweep;
};

using AttendStream = Stream<AttendUp, AttendDown>;
using ObserveStream = Stream<ObserveUp, ObserveDown>;

// Unary calls.
struct SubmitCall {
  std::string pipeline;
  std::string volume;
  std::string path;
};
struct CancelCall {
  JobId job;
};
struct RetryCall {
  JobId job;
  bool redrive = false;
};
struct ApplyCall {
  Pipeline pipeline;
};
struct DeleteCall {
  std::string pipeline;
  bool cancel_jobs = false;
};
struct ApplyTaskCall {
  Task task;
};
struct TaskCall {
  enum class Wish { kStart, kStop, kRemove, kRun } wish = Wish::kStart;
  std::string task;
};
// EndSession: a host says that all processes of a session are dead.
struct BuryCall {
  SessionId session;
};

// Of LockService; asking again renews.
struct LockCall {
  enum class Wish { kAsk, kRelease } wish = Wish::kAsk;
  std::string lock;
  SessionId session;
  int priority = 0;
};

struct Call {
  std::string request_id;  // "" where the call may be repeated anyway
  std::variant<SubmitCall, CancelCall, RetryCall, ApplyCall, DeleteCall, ApplyTaskCall, TaskCall,
               BuryCall, LockCall>
      what;
};

struct CallAnswer {
  absl::Status status;
  std::vector<JobId> jobs;  // that were submitted or changed
  std::optional<LockClaim> claim;
};

// What a coordinator is to those who connect to it.
class CoordinatorApi {
 public:
  virtual ~CoordinatorApi() = default;
  virtual LinkEnd end() = 0;
  virtual void Attend(const std::shared_ptr<AttendStream>& stream) = 0;
  virtual void Observe(const std::shared_ptr<ObserveStream>& stream) = 0;
  virtual void Serve(const Call& call, std::function<void(const CallAnswer&)> answer) = 0;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_MESSAGES_H_
