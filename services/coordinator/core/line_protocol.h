// Points of InfluxDB's line protocol:
// https://docs.influxdata.com/influxdb/v1.8/write_protocols/line_protocol_reference/.
#ifndef SERVICES_COORDINATOR_CORE_LINE_PROTOCOL_H_
#define SERVICES_COORDINATOR_CORE_LINE_PROTOCOL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"

namespace closewrite {

struct Point {
  std::string measurement;
  // Each is indexed, so values must be few: names, but no paths. One that is empty is left out, as
  // the protocol has no form for it.
  std::vector<std::pair<std::string, std::string>> tags;
  // At least one; a double must be finite. InfluxDB keeps the type of a field's first value, and
  // refuses all others.
  std::vector<std::pair<std::string, std::variant<int64_t, double>>> fields;
  absl::Time time;
};

// One line without its end, with the time in milliseconds. What the protocol can't hold is replaced
// in names: control characters by `?`, and a backslash at the end, which would escape what comes
// next, by `/`.
std::string EncodePoint(const Point& point);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_LINE_PROTOCOL_H_
