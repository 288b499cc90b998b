// Configurations: YAML that fits a message, or one line that says what is wrong.
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>

#include <memory>
#include <string>
#include <string_view>

#include "closewrite/v1/config.pb.h"
#include "closewrite/v1/pipeline.pb.h"
#include "closewrite/v1/task.pb.h"
#include "services/config/config.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"
#include "tests/fuzz/require.h"

namespace closewrite {
namespace {

namespace protobuf = google::protobuf;

// JSON is YAML.
void CheckJson(const protobuf::Message& message) {
  std::string json;
  protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  // What JSON can't say, such as a time past the year 9999, has no second way in.
  if (!protobuf::util::MessageToJsonString(message, &json, options).ok()) return;
  std::unique_ptr<protobuf::Message> again(message.New());
  const absl::Status status = ParseYaml("f.json", json, again.get());
  Require(status.ok(), "a message in JSON is read", StrCat(json, " ", status.ToString()));
  Require(protobuf::util::MessageDifferencer::Equals(message, *again),
          "a message in JSON is read as it was", json);
}

}  // namespace
}  // namespace closewrite

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using closewrite::Require;
  namespace v1 = closewrite::v1;
  static const google::protobuf::Message* const kTypes[] = {
      &v1::WatcherConfig::default_instance(),  &v1::CoordinatorConfig::default_instance(),
      &v1::ExecutorConfig::default_instance(), &v1::PipelineFile::default_instance(),
      &v1::PortalConfig::default_instance(),   &v1::TaskFile::default_instance()};
  if (size == 0) return 0;
  const std::unique_ptr<google::protobuf::Message> message(
      kTypes[data[0] % std::size(kTypes)]->New());
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const absl::Status status = closewrite::ParseYaml("f.yaml", text, message.get());
  if (status.ok()) {
    closewrite::CheckJson(*message);
    return 0;
  }
  const std::string_view said = closewrite::ToStd(status.message());
  Require(absl::IsInvalidArgument(status), "wrong text is an invalid argument", said);
  Require(said.find('\n') == std::string_view::npos, "an error is one line", said);
  Require(said.starts_with("f.yaml"), "an error names the file", said);
  Require(closewrite::IsUtf8(said), "an error is text", said);
  return 0;
}
