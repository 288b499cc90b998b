// Names of enum values as people write them: `close_write` for WHEN_CLOSE_WRITE.
#ifndef SERVICES_CONFIG_ENUM_NAME_H_
#define SERVICES_CONFIG_ENUM_NAME_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"

namespace closewrite {

// `close_write` of WHEN_CLOSE_WRITE.
std::string ShortName(const google::protobuf::EnumValueDescriptor& value);

// Of all values that can be asked for: all but number 0, which stands for 'not said'.
std::vector<std::string> ShortNames(const google::protobuf::EnumDescriptor& type);

// By short or full name, in any case, or by number. INVALID_ARGUMENT with the nearest name, and for
// words of inotify(7) and of other tools (`IN_CREATED`, `modified`) with what is meant by them.
absl::StatusOr<const google::protobuf::EnumValueDescriptor*> ParseEnum(
    const google::protobuf::EnumDescriptor& type, std::string_view text);

}  // namespace closewrite

#endif  // SERVICES_CONFIG_ENUM_NAME_H_
