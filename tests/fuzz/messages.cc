#include "tests/fuzz/messages.h"

#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/json_util.h>

#include <memory>
#include <string>

#include "tests/fuzz/require.h"

namespace closewrite {

void RequireReadable(const google::protobuf::Message& message, std::string_view what) {
  const std::unique_ptr<google::protobuf::Message> read(message.New());
  const std::string bytes = message.SerializeAsString();
  Require(read->ParseFromString(bytes) && read->SerializeAsString().size() == bytes.size(),
          "what is sent can be read", what);
  std::string json;
  const auto printed = google::protobuf::util::MessageToJsonString(message, &json);
  Require(printed.ok(), "what is sent can be printed", printed.ToString());
}

void QuietProtobuf() { google::protobuf::SetLogHandler(nullptr); }

}  // namespace closewrite
