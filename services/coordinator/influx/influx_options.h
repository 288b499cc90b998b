// Where points go to, out of the configuration and the environment.
#ifndef SERVICES_COORDINATOR_INFLUX_INFLUX_OPTIONS_H_
#define SERVICES_COORDINATOR_INFLUX_INFLUX_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "closewrite/v1/config.pb.h"
#include "services/coordinator/core/execution_points.h"
#include "services/http/http_client.h"

namespace closewrite {

inline constexpr int64_t kPointsMaxDefault = 1'000'000;
inline constexpr int64_t kPointsMaxMin = 1000;
inline constexpr int64_t kPointsMaxMax = 100'000'000;

struct InfluxOptions {
  HttpRequest write;  // all but its body
  std::string shown;  // the address, as logs may have it
  ExtraTags tags;
  int64_t points_max = kPointsMaxDefault;
};

// nullopt: nobody wants points. `environment` gives a variable's value, or "".
// INVALID_ARGUMENT names the key that is wrong and says what is accepted.
absl::StatusOr<std::optional<InfluxOptions>> InfluxOptionsFrom(
    const v1::CoordinatorConfig& config,
    const std::function<std::string(const std::string&)>& environment);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_INFLUX_INFLUX_OPTIONS_H_
