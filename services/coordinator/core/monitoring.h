// What is kept for people who watch the work: points for a time series database, increments of data
// sources, what was loaded from them, and executions of scripts that run outside of Closewrite.
// Plain values. Names and ids are of the caller's making, at most kMonitoringNameBytesMax each.
#ifndef SERVICES_COORDINATOR_CORE_MONITORING_H_
#define SERVICES_COORDINATOR_CORE_MONITORING_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "services/coordinator/core/ids.h"

namespace closewrite {

// PostgreSQL takes no more than 2,704 bytes of names into one entry of an index.
inline constexpr size_t kMonitoringNameBytesMax = 256;

// Limits of a batch of points, in points and in bytes, about.
inline constexpr int64_t kPointBatchMax = 500;
inline constexpr size_t kPointBatchBytesMax = 64 << 10;

// Points that wait to be sent: lines of InfluxDB's line protocol with newlines between them. Those
// of one commit are kept as one, since a row costs more than a line does.
struct PointBatch {
  int64_t id = 0;     // the number of its last point: rises, never used again
  int64_t count = 0;  // of lines, at least 1
  std::string lines;
  bool operator==(const PointBatch&) const = default;
};

// Numbers of the points that wait; both 0 when none do. newest - oldest + 1 is their count, about:
// there may be gaps.
struct PointRange {
  int64_t oldest = 0;
  int64_t newest = 0;
  int64_t count() const { return newest == 0 ? 0 : newest - oldest + 1; }
  bool operator==(const PointRange&) const = default;
};

// What an increment is the mark of. `job` is a name, not a JobId, and not empty.
struct IncrementKey {
  std::string job;
  std::string type;
  std::string datasource;
  auto operator<=>(const IncrementKey&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const IncrementKey& key) {
    return H::combine(std::move(h), key.job, key.type, key.datasource);
  }
};

// The high-water mark of a data source.
struct Increment {
  std::string job;
  std::string type;
  std::string datasource;
  int64_t value = 0;
  absl::Time at;  // when it was logged
  IncrementKey key() const { return {job, type, datasource}; }
  bool operator==(const Increment&) const = default;
};

// One load from a data source.
struct Load {
  int64_t id = 0;         // rises, never used again
  std::string execution;  // the id of one; "": none
  std::string job;
  std::string type;
  std::string datasource;
  int64_t records = 0;
  int64_t increment = 0;
  absl::Time at;  // when it was logged; finite
  bool operator==(const Load&) const = default;
};

// Which loads; what is left as it is does not restrict.
struct LoadFilter {
  std::string job;
  std::string datasource;
  absl::Time since = absl::InfinitePast();  // `at` is then or later
};

// A place in a list of loads, which has larger ones first; as it is made, before all.
struct LoadPlace {
  absl::Time at = absl::InfiniteFuture();
  int64_t id = 0;
};

// The numbers are stored.
enum class ExecutionState { kStart = 0, kEnd = 1, kError = 2 };

// One run of a script, as it tells.
struct Execution {
  std::string id;
  std::string job;
  ExecutionState state = ExecutionState::kStart;
  absl::Time started_at;                         // finite
  absl::Time ended_at = absl::InfiniteFuture();  // open as long as it is infinite
  bool operator==(const Execution&) const = default;
};

// Which executions; what is left as it is does not restrict.
struct ExecutionFilter {
  std::string job;
  absl::Time since = absl::InfinitePast();  // started then or later
};

// A place in a list of executions, which has larger ones first; as it is made, before all.
struct ExecutionPlace {
  absl::Time started_at = absl::InfiniteFuture();
  std::string id;
};

// A place in a list of finished jobs, which has larger ones first; as it is made, before all.
struct FinishedPlace {
  absl::Time finished_at = absl::InfiniteFuture();
  JobId id;
};

inline constexpr size_t kNoteKeyBytesMax = 1024;
inline constexpr size_t kNoteValueBytesMax = 256 << 10;

// A small record of one of the coordinator's duties, such as an alarm or a mail that waits to be
// sent, which nobody looks for but by its kind and key. Its value is opaque to the store.
struct Note {
  std::string key;    // bytes, not empty
  std::string value;  // bytes
  bool operator==(const Note&) const = default;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_MONITORING_H_
