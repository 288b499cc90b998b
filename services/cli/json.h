// Messages of the API as JSON for programs.
#ifndef SERVICES_CLI_JSON_H_
#define SERVICES_CLI_JSON_H_

#include <string>

#include "google/protobuf/message.h"
#include "nlohmann/json.hpp"

namespace closewrite::cli {

using Json = nlohmann::ordered_json;

// Keys are the fields of the message in their order, all of them. Beside the obvious:
//   times        RFC 3339 in UTC with milliseconds
//   durations    seconds as a number
//   enums        the short name in lower case, such as "running"
//   path         text as people read it; where that is not the name itself, `path_base64` has its
//   bytes other bytes  hexadecimal inode, mtime_ns   decimal text: as numbers they would lose
//   digits in most readers what is absent or not said   null
Json ToJson(const google::protobuf::Message& message);

// The short lower-case name of an enum's value: "running" for JOB_STATE_RUNNING; "" for
// UNSPECIFIED.
std::string EnumName(const google::protobuf::EnumDescriptor& descriptor, int number);

// One line, UTF-8 whatever is in it.
std::string JsonLine(const Json& json);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_JSON_H_
