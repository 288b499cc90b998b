// Files of definitions, as -f names them.
#ifndef SERVICES_CLI_YAML_ARGUMENT_H_
#define SERVICES_CLI_YAML_ARGUMENT_H_

#include <string>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

// Reads a YAML file, `-` for stdin, into `message`. Whatever is wrong with it is the user's
// mistake: exit code 2.
absl::Status ReadYamlArgument(Invocation& invocation, const std::string& file,
                              google::protobuf::Message* message);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_YAML_ARGUMENT_H_
