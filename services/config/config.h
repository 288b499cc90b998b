// YAML files whose schema is a proto message.
#ifndef SERVICES_CONFIG_CONFIG_H_
#define SERVICES_CONFIG_CONFIG_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "services/config/duration.h"
#include "services/config/nearest.h"

namespace closewrite {

inline constexpr size_t kConfigBytesMax = 4 << 20;

// Reads YAML text into `message` (YAML -> JSON -> JsonStringToMessage). `file` is used in messages
// alone. Beside proto's JSON rules it takes durations as `100ms 2s 5m 1h 2d` and enum values by
// their short lower-case name (`close_write` for WHEN_CLOSE_WRITE). Keys are the field names as
// written in the .proto.
//
// INVALID_ARGUMENT, one line `FILE:LINE: what is wrong; what would be right`, for YAML that can't
// be read, an unknown key (names the nearest known one), a repeated key, a value of the wrong kind,
// an unknown enum value (names the nearest; `IN_CREATED` and the like get the right kernel name),
// or a file over kConfigBytesMax.
absl::Status ParseYaml(std::string_view file, std::string_view text,
                       google::protobuf::Message* message);

// Reads a file and parses it. NOT_FOUND and PERMISSION_DENIED name the file.
absl::Status LoadYaml(const std::string& file, google::protobuf::Message* message);

// Overrides a scalar top-level field by name with text as YAML would have it (flags and environment
// use this).
absl::Status SetField(std::string_view origin, std::string_view name, std::string_view value,
                      google::protobuf::Message* message);

}  // namespace closewrite

#endif  // SERVICES_CONFIG_CONFIG_H_
