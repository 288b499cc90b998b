// The version of all programs of this repository: they are built and released together.
#ifndef SERVICES_VERSION_VERSION_H_
#define SERVICES_VERSION_VERSION_H_

#include <string_view>

namespace closewrite {

// Semantic version (https://semver.org).
inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace closewrite

#endif  // SERVICES_VERSION_VERSION_H_
