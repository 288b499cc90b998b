// What is wrong in a fleet, and what will be, found out of what its services say about themselves.
#ifndef SERVICES_CLI_DOCTOR_CHECKS_H_
#define SERVICES_CLI_DOCTOR_CHECKS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "closewrite/v1/fleet.pb.h"
#include "closewrite/v1/pipeline.pb.h"

namespace closewrite::cli {

enum class Level { kFail, kWarn, kNote, kOk };  // the worst first

struct Finding {
  Level level = Level::kOk;
  std::string host;     // empty: it lies on none
  std::string subject;  // such as `volume unenriched`
  std::string check;    // for programs, such as `clock`
  std::string message;  // a sentence
  std::string cure;     // a command, or what to do; empty: nothing is to be done
};

// How a volume stood the live test: EventService.FlushEvents.
struct FlushTest {
  std::string host;
  std::string volume;
  absl::Status status;
  absl::Duration took;
  bool slow_by_nature = false;  // it is polled, or being scanned
};

struct FleetFacts {
  std::string coordinator;  // its address
  std::string our_version;
  v1::GetVersionResponse version;
  std::vector<v1::WatcherStatus> watchers;
  std::vector<v1::ExecutorStatus> executors;
  std::vector<v1::PipelineStatus> pipelines;
  std::vector<FlushTest> flushes;
  absl::Time now;
};

// The worst first; among equals in the order coordinator, watchers, executors, pipelines.
std::vector<Finding> CheckFleet(const FleetFacts& facts);

// `fail`, `warn`, `note` or `ok`.
std::string LevelName(Level level);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_DOCTOR_CHECKS_H_
