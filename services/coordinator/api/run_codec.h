// What pipelines and tasks have in common: what is run, and what happens when it fails.
#ifndef SERVICES_COORDINATOR_API_RUN_CODEC_H_
#define SERVICES_COORDINATOR_API_RUN_CODEC_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "closewrite/v1/lock.pb.h"
#include "closewrite/v1/pipeline.pb.h"
#include "google/protobuf/repeated_field.h"
#include "services/coordinator/api/violations.h"
#include "services/coordinator/core/pipeline.h"

namespace closewrite {

inline constexpr int kCommandArgumentsMax = 1024;
// Bytes of all arguments and of all additional environment; the kernel's own limit for both is
// 2 MiB by default (execve(2)), and placeholders still grow.
inline constexpr size_t kCommandBytesMax = 256 << 10;
inline constexpr int kEnvironmentMax = 256;
inline constexpr int kPipelineLabelsMax = 64;
inline constexpr int kLocksMax = 16;
inline constexpr int kPriorityMax = 1000;
inline constexpr int kAttemptsMax = 1000;
inline constexpr absl::Duration kTimeoutMax = absl::Hours(24 * 365);
inline constexpr absl::Duration kVisibleWithinMax = absl::Hours(1);
inline constexpr absl::Duration kKillAfterMax = absl::Hours(1);
inline constexpr size_t kHostPathBytesMax = 4095;  // PATH_MAX without its NUL
inline constexpr size_t kUserBytesMax = 32;        // useradd(8)
inline constexpr int kNiceMax = 19;
inline constexpr int64_t kOpenFilesMin = 16;
inline constexpr int64_t kOpenFilesMax = 1 << 20;
inline constexpr int64_t kMemoryBytesMin = int64_t{4} << 20;  // less, and no interpreter starts
inline constexpr int64_t kMemoryBytesMax = int64_t{16} << 40;
inline constexpr double kCpuMin = 0.01;  // a hundredth: the kernel takes no less (cpu.max)
inline constexpr double kCpuMax = 1024;
inline constexpr absl::Duration kBackoffMin = absl::Milliseconds(1);
inline constexpr absl::Duration kBackoffMax = absl::Hours(24);

// Reads parts of a definition; completes each in place, and collects what is wrong. Not
// thread-safe.
class RunDecoder {
 public:
  // `prefix` stands before the names of fields. `violations` is not owned.
  RunDecoder(std::string prefix, Violations* violations)
      : prefix_(std::move(prefix)), violations_(*violations) {}

  void DecodeRun(v1::Run* run, Pipeline* pipeline);
  void DecodeRetry(v1::Retry* retry, RetryPolicy* policy);
  NamedRate DecodeRate(const v1::Rate& rate);

  void Wrong(std::string_view field, std::string_view description) {
    violations_.Add(prefix_ + std::string(field), description);
  }
  void Check(std::string_view field, const absl::Status& status) {
    violations_.AddUnlessOk(prefix_ + std::string(field), status);
  }
  std::string Name(std::string_view field, std::string_view what, const std::string& name);
  // Sorted and unique, so that the same meaning has the same bytes.
  std::vector<std::string> Names(std::string_view field, std::string_view what,
                                 google::protobuf::RepeatedPtrField<std::string>* names,
                                 int names_max);
  // `fallback` for 0.
  int Number(std::string_view field, int value, int fallback, int low, int high);
  absl::Duration Range(std::string_view field, const google::protobuf::Duration& value,
                       absl::Duration low, absl::Duration high);

  // Deterministic: entries of maps are written in the order of their keys.
  static std::string Serialize(const google::protobuf::Message& message);

 private:
  void DecodeCommand(const v1::Run& run, Pipeline* pipeline);
  void DecodeEnvironment(const v1::Run& run, Pipeline* pipeline);
  void DecodeSurroundings(const v1::Run& run, Pipeline* pipeline);
  void DecodeLimits(const v1::Limits& limits, Pipeline* pipeline);
  // An absolute path on an executor's host, or nothing.
  std::string HostPath(std::string_view field, const std::string& path);

  const std::string prefix_;
  Violations& violations_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_RUN_CODEC_H_
