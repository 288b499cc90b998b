#include "services/cli/yaml_argument.h"

#include <istream>

#include "services/config/config.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {

absl::Status ReadYamlArgument(Invocation& invocation, const std::string& file,
                              google::protobuf::Message* message) {
  absl::Status status;
  if (file == "-") {
    std::string text(kConfigBytesMax + 1, '\0');  // one more shows that it is too long
    invocation.console().in->read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(invocation.console().in->gcount()));
    status = ParseYaml("stdin", text, message);
  } else {
    status = LoadYaml(file, message);
  }
  return status.ok() ? status : UsageError(ToStd(status.message()));
}

}  // namespace closewrite::cli
