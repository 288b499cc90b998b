// The fleet that the transcripts are about, and the clock of its day.
#ifndef SERVICES_CLI_TRANSCRIPT_WORLD_H_
#define SERVICES_CLI_TRANSCRIPT_WORLD_H_

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "services/cli/fake_coordinator.h"
#include "services/clock/clock.h"

namespace closewrite::cli {

// Begins at 2100-01-01T12:00:00Z and goes on from there: a day that no machine has reached, because
// gRPC compares deadlines with its own clock. For the same reason no transcript can wait for a
// timeout.
class TranscriptClock : public Clock {
 public:
  absl::Time Now() const override;

 private:
  const absl::Duration begun_ = SinceBoot();
};

// Two hosts, two pipelines, jobs in each state that matters. Add to it what new verbs need.
void FillTranscriptWorld(FakeCoordinator* coordinator);

// A second coordinator that knows tasks and their runs, and nothing else.
class TranscriptTasks {
 public:
  TranscriptTasks();
  ~TranscriptTasks();

  const std::string& address() const { return address_; }

 private:
  std::unique_ptr<grpc::Service> jobs_;
  std::unique_ptr<grpc::Service> tasks_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_TRANSCRIPT_WORLD_H_
