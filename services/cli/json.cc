#include "services/cli/json.h"

#include <cstdint>
#include <map>
#include <utility>

#include "absl/strings/escaping.h"
#include "services/cli/time_text.h"
#include "services/config/enum_name.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

Json MessageJson(const Message& message) {
  const std::string& name = message.GetDescriptor()->full_name();
  if (name == "google.protobuf.Timestamp") {
    return Rfc3339(ToTime(dynamic_cast<const google::protobuf::Timestamp&>(message)));
  }
  if (name == "google.protobuf.Duration") {
    return absl::ToDoubleSeconds(
        ToDuration(dynamic_cast<const google::protobuf::Duration&>(message)));
  }
  return ToJson(message);
}

Json EnumJson(const google::protobuf::EnumDescriptor& descriptor, int number) {
  std::string name = EnumName(descriptor, number);
  return name.empty() ? Json(nullptr) : Json(std::move(name));
}

template <class Integer>
Json IntegerJson(const FieldDescriptor& field, Integer value) {
  const bool as_text = field.name() == "inode" || field.name() == "mtime_ns";
  return as_text ? Json(StrCat(value)) : Json(value);
}

// The value of a field, or of one element of it when `index` is not negative.
Json ValueJson(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool one = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return one ? reflection.GetInt32(message, &field)
                 : reflection.GetRepeatedInt32(message, &field, index);
    case FieldDescriptor::CPPTYPE_INT64:
      return IntegerJson(field, one ? reflection.GetInt64(message, &field)
                                    : reflection.GetRepeatedInt64(message, &field, index));
    case FieldDescriptor::CPPTYPE_UINT32:
      return one ? reflection.GetUInt32(message, &field)
                 : reflection.GetRepeatedUInt32(message, &field, index);
    case FieldDescriptor::CPPTYPE_UINT64:
      return IntegerJson(field, one ? reflection.GetUInt64(message, &field)
                                    : reflection.GetRepeatedUInt64(message, &field, index));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return one ? reflection.GetDouble(message, &field)
                 : reflection.GetRepeatedDouble(message, &field, index);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return one ? reflection.GetFloat(message, &field)
                 : reflection.GetRepeatedFloat(message, &field, index);
    case FieldDescriptor::CPPTYPE_BOOL:
      return one ? reflection.GetBool(message, &field)
                 : reflection.GetRepeatedBool(message, &field, index);
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumJson(*field.enum_type(),
                      one ? reflection.GetEnumValue(message, &field)
                          : reflection.GetRepeatedEnumValue(message, &field, index));
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string text = one ? reflection.GetString(message, &field)
                             : reflection.GetRepeatedString(message, &field, index);
      if (field.type() == FieldDescriptor::TYPE_BYTES) text = absl::BytesToHexString(text);
      return text;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageJson(one ? reflection.GetMessage(message, &field)
                             : reflection.GetRepeatedMessage(message, &field, index));
  }
  return nullptr;
}

Json MapJson(const Message& message, const FieldDescriptor& field) {
  std::map<std::string, Json> sorted;
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    const auto* descriptor = entry.GetDescriptor();
    const Json key = ValueJson(entry, *descriptor->FindFieldByNumber(1), -1);
    sorted[key.is_string() ? key.get<std::string>() : key.dump()] =
        ValueJson(entry, *descriptor->FindFieldByNumber(2), -1);
  }
  Json json = Json::object();
  for (auto& [key, value] : sorted) json[key] = std::move(value);
  return json;
}

Json FieldJson(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  if (field.is_map()) return MapJson(message, field);
  if (field.is_repeated()) {
    Json array = Json::array();
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      array.push_back(ValueJson(message, field, i));
    }
    return array;
  }
  if (field.has_presence() && !reflection.HasField(message, &field)) return nullptr;
  return ValueJson(message, field, -1);
}

}  // namespace

std::string EnumName(const google::protobuf::EnumDescriptor& descriptor, int number) {
  const auto* value = descriptor.FindValueByNumber(number);
  if (value == nullptr) return StrCat(number);  // of a newer coordinator
  if (number == 0) return "";
  return ShortName(*value);
}

Json ToJson(const Message& message) {
  Json json = Json::object();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    const bool path = field.type() == FieldDescriptor::TYPE_BYTES && field.name() == "path";
    if (!path) {
      json[field.name()] = FieldJson(message, field);
      continue;
    }
    const std::string bytes = message.GetReflection()->GetString(message, &field);
    const std::string text = Display(bytes);
    json["path"] = text;
    if (text != bytes) json["path_base64"] = absl::Base64Escape(bytes);
  }
  return json;
}

std::string JsonLine(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace closewrite::cli
