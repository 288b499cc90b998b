// Names of the API as values of labels.
#ifndef SERVICES_COORDINATOR_METRICS_API_NAMES_H_
#define SERVICES_COORDINATOR_METRICS_API_NAMES_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "google/protobuf/descriptor.h"
#include "services/config/enum_name.h"

namespace closewrite {

// Numbers and names of an enum's values without their prefix, such as {4, "LOCK"}; all but number
// 0, which stands for 'not said'.
inline std::vector<std::pair<size_t, std::string>> ApiNames(
    const google::protobuf::EnumDescriptor* type) {
  std::vector<std::pair<size_t, std::string>> names;
  for (int i = 0; i < type->value_count(); ++i) {
    const google::protobuf::EnumValueDescriptor& value = *type->value(i);
    if (value.number() == 0) continue;
    names.emplace_back(value.number(), absl::AsciiStrToUpper(ShortName(value)));
  }
  return names;
}

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_METRICS_API_NAMES_H_
