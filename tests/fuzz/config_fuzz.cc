// Environment and flags over a file: each sets its one field, as the file would, or nothing at all.
#include <fuzzer/FuzzedDataProvider.h>
#include <google/protobuf/util/message_differencer.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "closewrite/v1/config.pb.h"
#include "services/config/config.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"
#include "tests/fuzz/require.h"

namespace closewrite {
namespace {

namespace protobuf = google::protobuf;
using protobuf::FieldDescriptor;
using protobuf::util::MessageDifferencer;

constexpr int kOverridesMax = 6;

void CheckRefused(const absl::Status& status) {
  const std::string_view said = ToStd(status.message());
  Require(absl::IsInvalidArgument(status), "a wrong value is an invalid argument", said);
  Require(said.starts_with("CLOSEWRITE_X"), "an error says what was wrong", said);
  Require(IsUtf8(said) && said.find('\n') == std::string_view::npos, "an error is one line", said);
}

// What differs from `before` in `after`, apart from the one field, is nothing.
void CheckOthersStay(const protobuf::Message& before, const protobuf::Message& after,
                     const FieldDescriptor& field) {
  const std::unique_ptr<protobuf::Message> a(before.New());
  const std::unique_ptr<protobuf::Message> b(after.New());
  a->CopyFrom(before);
  b->CopyFrom(after);
  a->GetReflection()->ClearField(a.get(), &field);
  b->GetReflection()->ClearField(b.get(), &field);
  Require(MessageDifferencer::Equals(*a, *b), "the other fields stay", field.name());
}

// A single value means the same wherever it stands. The quotes keep YAML's own words, such as null,
// from meaning more.
void CheckAsInFile(const FieldDescriptor& field, const std::string& value, bool accepted,
                   const protobuf::Message& after) {
  if (field.is_repeated() || !IsUtf8(value)) return;
  const std::unique_ptr<protobuf::Message> read(after.New());
  const std::string text = StrCat(field.name(), ": ", nlohmann::json(value).dump());
  const absl::Status status = ParseYaml("f.yaml", text, read.get());
  Require(status.ok() == accepted, "a value is right wherever it stands",
          StrCat(text, " ", status.ToString()));
  if (!accepted) return;
  const std::unique_ptr<protobuf::Message> set(after.New());
  Require(SetField("CLOSEWRITE_X", field.name(), value, set.get()).ok(), "it is right again");
  Require(MessageDifferencer::Equals(*read, *set), "a value means the same wherever it stands",
          text);
}

void Override(FuzzedDataProvider* input, protobuf::Message* message) {
  const protobuf::Descriptor& type = *message->GetDescriptor();
  const int number = input->ConsumeIntegralInRange(0, type.field_count());
  // One past the last stands for a field that is not there.
  const FieldDescriptor* const field = number < type.field_count() ? type.field(number) : nullptr;
  const std::string value = input->ConsumeRandomLengthString(200);
  const std::string name = field == nullptr ? value : field->name();
  const std::unique_ptr<protobuf::Message> before(message->New());
  before->CopyFrom(*message);
  const absl::Status status = SetField("CLOSEWRITE_X", name, value, message);
  if (!status.ok()) {
    CheckRefused(status);
    Require(MessageDifferencer::Equals(*before, *message), "what is refused changes nothing", name);
  }
  if (field == nullptr) return;
  CheckOthersStay(*before, *message, *field);
  const bool is_single = field->message_type() == nullptr ||
                         field->message_type()->full_name() == "google.protobuf.Duration";
  if (is_single) CheckAsInFile(*field, value, status.ok(), *message);
}

}  // namespace
}  // namespace closewrite

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace v1 = closewrite::v1;
  static const google::protobuf::Message* const kConfigs[] = {
      &v1::WatcherConfig::default_instance(), &v1::CoordinatorConfig::default_instance(),
      &v1::ExecutorConfig::default_instance(), &v1::PortalConfig::default_instance()};
  FuzzedDataProvider input(data, size);
  const std::unique_ptr<google::protobuf::Message> message(input.PickValueInArray(kConfigs)->New());
  for (int i = input.ConsumeIntegralInRange(1, closewrite::kOverridesMax); i > 0; --i) {
    closewrite::Override(&input, message.get());
  }
  return 0;
}
