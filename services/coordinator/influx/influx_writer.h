// Carries points from the store to InfluxDB.
#ifndef SERVICES_COORDINATOR_INFLUX_INFLUX_WRITER_H_
#define SERVICES_COORDINATOR_INFLUX_INFLUX_WRITER_H_

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/coordinator/fleet_turn.h"
#include "services/coordinator/influx/influx_options.h"
#include "services/coordinator/store_loop.h"
#include "services/http/http_client.h"

namespace closewrite {

// Points in one request, and bytes of it, about. More points than that may be read at once, by
// those of a batch.
inline constexpr int64_t kPointsPerWriteMax = 5000;
inline constexpr size_t kWriteBytesMax = 1 << 20;
// How often points are looked for, and the pauses after failures, which double.
inline constexpr absl::Duration kWriteInterval = absl::Seconds(1);
inline constexpr absl::Duration kWritePauseMax = absl::Seconds(30);
// Of several coordinators one writes at a time; when it is gone another one does after this.
inline constexpr absl::Duration kWriteTurn = absl::Seconds(5);

// Points wait in the store until InfluxDB has them. One that arrives twice changes nothing there:
// it has the same tags and time. What InfluxDB refuses for good, such as a field of another type,
// and what is too much to be kept, is given up and counted. Thread-safe.
class InfluxWriter {
 public:
  struct Numbers {
    int64_t written = 0;
    int64_t overflowed = 0;  // given up because too many waited
    int64_t refused = 0;     // given up because InfluxDB will never take them
    int64_t failures = 0;    // requests that have to be repeated
    std::string trouble;     // why the newest request failed; "" when it did not
  };

  // `loop` is not owned.
  InfluxWriter(InfluxOptions options, StoreLoop* loop);
  ~InfluxWriter() { Shutdown(); }

  void Start();
  // Breaks off what is under way. May be called any number of times.
  void Shutdown();

  Numbers numbers() const;

 private:
  enum class Round { kMore, kNothing, kFailed };

  void Run();
  Round WriteSome();
  // Sends some of the lines from `next` on, and sets `next` behind those that need not be sent
  // again; adds to `refused` those of them that InfluxDB will never take.
  Round Send(const std::vector<absl::string_view>& lines, size_t* next, int64_t* refused);
  Round Repeat(const std::string& trouble);
  // Gives up the oldest of too many; true when some are left to be.
  bool GiveUpSome();
  absl::Status Erase(const std::vector<PointBatch>& batches);
  bool Stopping() const;

  const InfluxOptions options_;
  StoreLoop& loop_;
  FleetTurn turn_;
  HttpClient http_;
  int64_t points_per_write_ = kPointsPerWriteMax;  // less while requests are too large
  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Numbers numbers_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_INFLUX_INFLUX_WRITER_H_
