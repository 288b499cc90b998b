// Times, durations and sizes for people and for programs.
#ifndef SERVICES_TEXT_TIME_TEXT_H_
#define SERVICES_TEXT_TIME_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace closewrite {

absl::Time ToTime(const google::protobuf::Timestamp& timestamp);
absl::Duration ToDuration(const google::protobuf::Duration& duration);

// `2026-11-22T10:55:03.123Z`, always UTC.
std::string Rfc3339(absl::Time time);
// `2026-11-22T11:55:03.123+01:00`.
std::string Rfc3339Local(absl::Time time, absl::TimeZone zone);

// The largest unit alone: `12s`, `5m`, `3h`, `2d`. Negative durations (clocks differ) count as 0.
std::string AgeText(absl::Duration age);

// For how long something took: `35ms`, `1.2s`, `3m12s`, `2h05m`.
std::string DurationText(absl::Duration duration);

// `12s ago` for people at a terminal, RFC 3339 for all else.
std::string WhenText(absl::Time time, absl::Time now, bool terminal);

// `512 B`, `1.2 KiB`, `34 MiB`.
std::string BytesText(int64_t bytes);

}  // namespace closewrite

#endif  // SERVICES_TEXT_TIME_TEXT_H_
