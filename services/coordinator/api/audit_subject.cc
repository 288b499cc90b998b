#include "services/coordinator/api/audit_subject.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "absl/strings/str_join.h"
#include "services/config/enum_name.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// The id has a place of its own in an entry. A key opens the page of an upload, and the address of
// a webhook often holds what lets one post to it.
constexpr std::string_view kLeftOut[] = {"request_id", "key", "page_url", "webhook"};
constexpr std::string_view kGoesOn = "...";

// UTF-8 stays whole.
std::string Shortened(std::string text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max - kGoesOn.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  return text.append(kGoesOn);
}

std::string ShownText(const std::string& text) {
  // What is cut off here is cut off below in any case.
  constexpr size_t kLookedAt = kSubjectTextBytesMax + 4;
  return Shortened(Display(std::string_view(text).substr(0, kLookedAt)), kSubjectTextBytesMax);
}

// "" for a message without a name.
std::string NameIn(const Message& message) {
  const FieldDescriptor* const name = message.GetDescriptor()->FindFieldByName("name");
  if (name == nullptr || name->is_repeated()) return "";
  if (name->cpp_type() != FieldDescriptor::CPPTYPE_STRING) return "";
  return ShownText(message.GetReflection()->GetString(message, name));
}

// `index` is that of a repeated field, -1 of another one.
std::string ValueOf(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& in = *message.GetReflection();
  const auto number = [&](auto get, auto get_repeated) {
    return StrCat(index < 0 ? (in.*get)(message, &field)
                            : (in.*get_repeated)(message, &field, index));
  };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return number(&Reflection::GetInt32, &Reflection::GetRepeatedInt32);
    case FieldDescriptor::CPPTYPE_INT64:
      return number(&Reflection::GetInt64, &Reflection::GetRepeatedInt64);
    case FieldDescriptor::CPPTYPE_UINT32:
      return number(&Reflection::GetUInt32, &Reflection::GetRepeatedUInt32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return number(&Reflection::GetUInt64, &Reflection::GetRepeatedUInt64);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return number(&Reflection::GetDouble, &Reflection::GetRepeatedDouble);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return number(&Reflection::GetFloat, &Reflection::GetRepeatedFloat);
    case FieldDescriptor::CPPTYPE_BOOL:
      return number(&Reflection::GetBool, &Reflection::GetRepeatedBool);
    case FieldDescriptor::CPPTYPE_ENUM:
      return ShortName(index < 0 ? *in.GetEnum(message, &field)
                                 : *in.GetRepeatedEnum(message, &field, index));
    case FieldDescriptor::CPPTYPE_STRING:
      return ShownText(index < 0 ? in.GetString(message, &field)
                                 : in.GetRepeatedString(message, &field, index));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return NameIn(index < 0 ? in.GetMessage(message, &field)
                              : in.GetRepeatedMessage(message, &field, index));
  }
  return "";
}

// `job_ids 41, 42 and 7 more`; `3 files` of what has no names.
std::string ShownList(const Message& message, const FieldDescriptor& field) {
  const int size = message.GetReflection()->FieldSize(message, &field);
  std::vector<std::string> values;
  for (int i = 0; i < std::min(size, kSubjectNamedMax); ++i) {
    std::string value = ValueOf(message, field, i);
    if (!value.empty()) values.push_back(std::move(value));
  }
  if (size == 0) return "";
  if (values.empty()) return StrCat(size, " ", field.name());
  const int more = size - static_cast<int>(values.size());
  return StrCat(field.name(), " ", absl::StrJoin(values, ", "),
                more > 0 ? StrCat(" and ", more, " more") : "");
}

std::string ShownField(const Message& message, const FieldDescriptor& field) {
  if (field.is_map()) return "";
  if (field.is_repeated()) return ShownList(message, field);
  if (!message.GetReflection()->HasField(message, &field)) return "";
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) return field.name();
  const std::string value = ValueOf(message, field, -1);
  return value.empty() ? "" : StrCat(field.name(), " ", value);
}

}  // namespace

std::string AuditSubject(const Message& request) {
  std::vector<std::string> shown;
  for (int i = 0; i < request.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *request.GetDescriptor()->field(i);
    if (std::count(std::begin(kLeftOut), std::end(kLeftOut), field.name()) > 0) continue;
    std::string text = ShownField(request, field);
    if (!text.empty()) shown.push_back(std::move(text));
  }
  return Shortened(absl::StrJoin(shown, "; "), kSubjectBytesMax);
}

}  // namespace closewrite
