// Sizes as people write them.
#ifndef SERVICES_CONFIG_SIZE_H_
#define SERVICES_CONFIG_SIZE_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace closewrite {

// `64MiB`, `1.5GiB`, `10GB`, `4096B`: bytes, not negative. INVALID_ARGUMENT says what is accepted.
absl::StatusOr<int64_t> ParseSize(std::string_view text);

}  // namespace closewrite

#endif  // SERVICES_CONFIG_SIZE_H_
