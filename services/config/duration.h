// Durations as people write them, and as they travel.
#ifndef SERVICES_CONFIG_DURATION_H_
#define SERVICES_CONFIG_DURATION_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace closewrite {

// `100ms`, `2s`, `1.5h`; not negative. INVALID_ARGUMENT says what is accepted.
absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);

// Field <-> value.
absl::Duration FromProto(const google::protobuf::Duration& duration);
google::protobuf::Duration ToProto(absl::Duration duration);
// Of a time that is not infinite.
google::protobuf::Timestamp ToProto(absl::Time time);

}  // namespace closewrite

#endif  // SERVICES_CONFIG_DURATION_H_
