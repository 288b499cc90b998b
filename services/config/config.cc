#include "services/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/util/json_util.h"
#include "nlohmann/json.hpp"
#include "services/config/duration.h"
#include "services/config/enum_name.h"
#include "services/config/nearest.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/yaml.h"

namespace closewrite {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using nlohmann::json;

constexpr int kYamlDepthMax = 32;
// Aliases can make a small file large: each visit of a node counts.
constexpr int64_t kYamlNodesMax = 250'000;

std::vector<std::string> FieldNames(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

// Turns one YAML document into JSON along a message's descriptor, and checks it on the way.
class Walker {
 public:
  explicit Walker(std::string_view file) : file_(Display(file)) {}

  absl::StatusOr<json> Message(const Descriptor& type, const YAML::Node& node,
                               const std::string& path, int depth);
  absl::StatusOr<json> Field(const FieldDescriptor& field, const YAML::Node& node,
                             const std::string& path, int depth);
  // From the text of a scalar, wherever it comes from. The error is without place.
  static absl::StatusOr<json> Scalar(const FieldDescriptor& field, std::string_view text);

  absl::Status Error(const YAML::Mark& mark, std::string_view what) const {
    return absl::InvalidArgumentError(StrCat(file_, ":", std::max(mark.line, 0) + 1, ": ", what));
  }

 private:
  absl::Status Count(const YAML::Node& node, int depth);
  absl::StatusOr<json> List(const FieldDescriptor& field, const YAML::Node& node,
                            const std::string& path, int depth);
  absl::StatusOr<json> Map(const FieldDescriptor& field, const YAML::Node& node,
                           const std::string& path, int depth);
  absl::StatusOr<json> Single(const FieldDescriptor& field, const YAML::Node& node,
                              const std::string& path, int depth);
  // The text of a key that was not there before.
  absl::StatusOr<std::string> Key(const YAML::Node& key, const std::string& path,
                                  std::map<std::string, int>* lines_seen) const;

  const std::string file_;
  int64_t nodes_ = 0;
};

std::string In(const std::string& path) { return path.empty() ? "" : StrCat(" in ", path); }

std::string Below(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : StrCat(path, ".", name);
}

// What a node is, for messages.
std::string Kind(const YAML::Node& node) {
  if (node.IsMap()) return "a map";
  if (node.IsSequence()) return "a list";
  if (node.IsNull()) return "nothing";
  return Quote(node.Scalar());
}

bool IsDuration(const Descriptor& type) { return type.full_name() == "google.protobuf.Duration"; }
bool IsTimestamp(const Descriptor& type) { return type.full_name() == "google.protobuf.Timestamp"; }

bool IsScalarInYaml(const FieldDescriptor& field) {
  return field.message_type() == nullptr || IsDuration(*field.message_type()) ||
         IsTimestamp(*field.message_type());
}

absl::StatusOr<json> EnumToJson(const EnumDescriptor& type, std::string_view text) {
  const auto value = ParseEnum(type, text);
  if (!value.ok()) return value.status();
  return json((*value)->name());
}

template <class Int>
absl::StatusOr<json> IntToJson(std::string_view text) {
  Int value = 0;
  // 64 bits travel as text in proto's JSON, because JavaScript's numbers lose some of them.
  if (absl::SimpleAtoi(ToAbsl(text), &value)) return json(absl::StrCat(value));
  return absl::InvalidArgumentError(StrCat("expected a whole number from ",
                                           std::numeric_limits<Int>::min(), " to ",
                                           std::numeric_limits<Int>::max(), ", not ", Quote(text)));
}

absl::StatusOr<json> DoubleToJson(std::string_view text) {
  double value = 0;
  if (absl::SimpleAtod(ToAbsl(text), &value) && std::isfinite(value)) return json(value);
  return absl::InvalidArgumentError(StrCat("expected a number such as 0.5, not ", Quote(text)));
}

absl::StatusOr<json> BoolToJson(std::string_view text) {
  if (text == "true" || text == "True" || text == "TRUE") return json(true);
  if (text == "false" || text == "False" || text == "FALSE") return json(false);
  return absl::InvalidArgumentError(StrCat("expected true or false, not ", Quote(text)));
}

absl::StatusOr<json> DurationToJson(std::string_view text) {
  const auto duration = ParseDuration(text);
  if (!duration.ok()) return duration.status();
  const auto proto = ToProto(*duration);
  std::string nanos = absl::StrCat(proto.nanos());
  nanos.insert(0, 9 - nanos.size(), '0');
  return json(absl::StrCat(proto.seconds(), ".", nanos, "s"));
}

absl::StatusOr<json> Walker::Scalar(const FieldDescriptor& field, std::string_view text) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return BoolToJson(text);
    case FieldDescriptor::CPPTYPE_INT32:
      return IntToJson<int32_t>(text);
    case FieldDescriptor::CPPTYPE_INT64:
      return IntToJson<int64_t>(text);
    case FieldDescriptor::CPPTYPE_UINT32:
      return IntToJson<uint32_t>(text);
    case FieldDescriptor::CPPTYPE_UINT64:
      return IntToJson<uint64_t>(text);
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return DoubleToJson(text);
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumToJson(*field.enum_type(), text);
    case FieldDescriptor::CPPTYPE_STRING:
      if (field.type() == FieldDescriptor::TYPE_BYTES) {
        return json(absl::Base64Escape(ToAbsl(text)));
      }
      if (!IsUtf8(text)) {
        return absl::InvalidArgumentError(StrCat(Quote(text), " is not UTF-8; save it as UTF-8"));
      }
      return json(std::string(text));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (IsDuration(*field.message_type())) return DurationToJson(text);
      return json(std::string(text));
  }
  return absl::InternalError("a field of an unknown kind");
}

absl::Status Walker::Count(const YAML::Node& node, int depth) {
  if (depth > kYamlDepthMax) {
    return Error(node.Mark(), StrCat("nested deeper than ", kYamlDepthMax,
                                     " levels; make it flatter, without aliases to itself"));
  }
  if (++nodes_ > kYamlNodesMax) {
    return Error(node.Mark(), StrCat("more than ", kYamlNodesMax,
                                     " values, aliases counted in; split the file"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Walker::Key(const YAML::Node& key, const std::string& path,
                                        std::map<std::string, int>* lines_seen) const {
  if (!key.IsScalar()) {
    return Error(key.Mark(),
                 StrCat("expected a key", In(path), ", not ", Kind(key), "; write `name: value`"));
  }
  const std::string& name = key.Scalar();
  const auto [seen, is_new] = lines_seen->emplace(name, key.Mark().line + 1);
  if (is_new) return name;
  return Error(key.Mark(), StrCat("key ", Quote(name), In(path), " is repeated; it stands in line ",
                                  seen->second, " too, keep one of them"));
}

absl::StatusOr<json> Walker::Message(const Descriptor& type, const YAML::Node& node,
                                     const std::string& path, int depth) {
  const absl::Status counted = Count(node, depth);
  if (!counted.ok()) return counted;
  if (!node.IsMap()) {
    return Error(node.Mark(),
                 StrCat(path, path.empty() ? "" : ": ", "expected keys and values, not ",
                        Kind(node), "; known are ", absl::StrJoin(FieldNames(type), ", ")));
  }
  json out = json::object();
  std::map<std::string, int> lines_seen;
  for (const auto& entry : node) {
    const auto name = Key(entry.first, path, &lines_seen);
    if (!name.ok()) return name.status();
    const FieldDescriptor* field = type.FindFieldByName(*name);
    if (field == nullptr) {
      return Error(entry.first.Mark(), StrCat("unknown key ", Quote(*name), In(path), "; ",
                                              SuggestNearest(*name, FieldNames(type))));
    }
    const std::string below = Below(path, *name);
    if (entry.second.IsNull() && (field->is_repeated() || !IsScalarInYaml(*field))) continue;
    if (entry.second.IsNull()) {
      return Error(entry.first.Mark(),
                   StrCat(below, " has no value; give it one, or remove the line"));
    }
    auto value = Field(*field, entry.second, below, depth + 1);
    if (!value.ok()) return value;
    out[*name] = *std::move(value);
  }
  return out;
}

absl::StatusOr<json> Walker::Field(const FieldDescriptor& field, const YAML::Node& node,
                                   const std::string& path, int depth) {
  if (field.is_map()) return Map(field, node, path, depth);
  if (field.is_repeated()) return List(field, node, path, depth);
  return Single(field, node, path, depth);
}

absl::StatusOr<json> Walker::List(const FieldDescriptor& field, const YAML::Node& node,
                                  const std::string& path, int depth) {
  const absl::Status counted = Count(node, depth);
  if (!counted.ok()) return counted;
  if (node.IsScalar()) {
    // A command in one piece is meant for a shell, and there is none.
    std::vector<std::string> entries = {node.Scalar()};
    if (field.name() == "command") entries = absl::StrSplit(node.Scalar(), ' ', absl::SkipEmpty());
    for (std::string& entry : entries) entry = Quote(entry);
    return Error(node.Mark(), StrCat(path, ": expected a list, not ", Kind(node), "; write ",
                                     path.substr(path.rfind('.') + 1), ": [",
                                     absl::StrJoin(entries, ", "), "]"));
  }
  if (!node.IsSequence()) {
    return Error(node.Mark(), StrCat(path, ": expected a list, not ", Kind(node),
                                     "; put `- ` before each of its entries"));
  }
  json out = json::array();
  for (const YAML::Node& item : node) {
    auto value = Single(field, item, StrCat(path, "[", out.size(), "]"), depth + 1);
    if (!value.ok()) return value;
    out.push_back(*std::move(value));
  }
  return out;
}

absl::StatusOr<json> Walker::Map(const FieldDescriptor& field, const YAML::Node& node,
                                 const std::string& path, int depth) {
  const absl::Status counted = Count(node, depth);
  if (!counted.ok()) return counted;
  if (!node.IsMap()) {
    return Error(node.Mark(), StrCat(path, ": expected names and values, not ", Kind(node),
                                     "; write `name: ...` below it"));
  }
  const FieldDescriptor& key_field = *field.message_type()->map_key();
  const FieldDescriptor& value_field = *field.message_type()->map_value();
  json out = json::object();
  std::map<std::string, int> lines_seen;
  for (const auto& entry : node) {
    const auto name = Key(entry.first, path, &lines_seen);
    if (!name.ok()) return name.status();
    const std::string below = Below(path, Display(*name));
    const auto key = Scalar(key_field, *name);
    if (!key.ok()) {
      return Error(entry.first.Mark(), StrCat(below, ": ", ToStd(key.status().message())));
    }
    auto value = Single(value_field, entry.second, below, depth + 1);
    if (!value.ok()) return value;
    out[key->is_string() ? key->get<std::string>() : key->dump()] = *std::move(value);
  }
  return out;
}

absl::StatusOr<json> Walker::Single(const FieldDescriptor& field, const YAML::Node& node,
                                    const std::string& path, int depth) {
  if (!IsScalarInYaml(field)) return Message(*field.message_type(), node, path, depth);
  const absl::Status counted = Count(node, depth);
  if (!counted.ok()) return counted;
  if (!node.IsScalar()) {
    return Error(node.Mark(), StrCat(path, ": expected a single value, not ", Kind(node),
                                     "; quote it if it is meant as text"));
  }
  auto value = Scalar(field, node.Scalar());
  if (value.ok()) return value;
  return Error(node.Mark(), StrCat(path, ": ", ToStd(value.status().message())));
}

absl::Status JsonToMessage(std::string_view origin, const json& value,
                           google::protobuf::Message* message) {
  const auto parsed = google::protobuf::util::JsonStringToMessage(value.dump(), message);
  if (parsed.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat(Display(origin), ": ", Display(parsed.message().ToString()), "; correct that value"));
}

// Notes where a document starts, and nothing else.
class DocumentStart : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { mark_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
  const YAML::Mark& mark() const { return mark_; }

 private:
  YAML::Mark mark_;
};

// One document, or null for a file of comments. Not by YAML::LoadAll: given a ',' outside of all
// brackets, yaml-cpp 0.7 makes empty documents of it until the memory is used up.
absl::StatusOr<YAML::Node> LoadDocument(const Walker& walker, const std::string& text) {
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    DocumentStart document;
    if (!parser.HandleNextDocument(document)) return YAML::Node();
    if (parser.HandleNextDocument(document)) {
      return walker.Error(document.mark(),
                          "here starts a second document, or something that belongs to nothing; "
                          "keep one document a file, and look for a stray ',' or '---'");
    }
    return YAML::Load(text);
  } catch (const YAML::Exception& e) {
    return walker.Error(e.mark, StrCat("cannot be read as YAML: ", Display(e.msg),
                                       "; check indentation and quotes here and just above"));
  }
}

// Counted from 0. No UTF-8 sequence contains a newline, so each line can be looked at alone.
int LineThatIsNotUtf8(std::string_view text) {
  int line = 0;
  for (const absl::string_view part : absl::StrSplit(ToAbsl(text), '\n')) {
    if (!IsUtf8(ToStd(part))) return line;
    ++line;
  }
  return line;
}

absl::StatusOr<json> TextToJson(const FieldDescriptor& field, std::string_view text) {
  if (!field.is_repeated()) return Walker::Scalar(field, text);
  json list = json::array();
  for (const absl::string_view part : absl::StrSplit(ToAbsl(text), ',', absl::SkipWhitespace())) {
    const auto item = Walker::Scalar(field, ToStd(absl::StripAsciiWhitespace(part)));
    if (!item.ok()) return item;
    list.push_back(*item);
  }
  return list;
}

}  // namespace

absl::Status ParseYaml(std::string_view file, std::string_view text,
                       google::protobuf::Message* message) {
  Walker walker(file);
  YAML::Mark mark;
  if (text.size() > kConfigBytesMax) {
    return walker.Error(mark, StrCat("more than ", kConfigBytesMax, " bytes; split the file"));
  }
  if (!IsUtf8(text)) {
    mark.line = LineThatIsNotUtf8(text);
    return walker.Error(mark, "is not UTF-8; save the file as UTF-8");
  }
  const auto document = LoadDocument(walker, std::string(text));
  if (!document.ok()) return document.status();
  json value = json::object();
  if (!document->IsNull()) {
    auto walked = walker.Message(*message->GetDescriptor(), *document, "", 0);
    if (!walked.ok()) return walked.status();
    value = *std::move(walked);
  }
  const std::unique_ptr<google::protobuf::Message> parsed(message->New());
  const absl::Status converted = JsonToMessage(file, value, parsed.get());
  if (converted.ok()) message->CopyFrom(*parsed);
  return converted;
}

absl::Status LoadYaml(const std::string& file, google::protobuf::Message* message) {
  const Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "open", file);
  std::string text(kConfigBytesMax + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(fd.get(), text.data() + size, text.size() - size);
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EISDIR) {
      return absl::InvalidArgumentError(
          StrCat("\"", Display(file), "\" is a directory; give the file in it"));
    }
    if (got < 0) return ErrnoStatus(errno, "read", file);
    size += static_cast<size_t>(got);
  }
  text.resize(size);
  return ParseYaml(file, text, message);
}

absl::Status SetField(std::string_view origin, std::string_view name, std::string_view value,
                      google::protobuf::Message* message) {
  const auto refuse = [&](std::string_view why) {
    return absl::InvalidArgumentError(StrCat(Display(origin), ": ", why));
  };
  const Descriptor& type = *message->GetDescriptor();
  const FieldDescriptor* field = type.FindFieldByName(std::string(name));
  if (field == nullptr) {
    return refuse(
        StrCat("unknown field ", Quote(name), "; ", SuggestNearest(name, FieldNames(type))));
  }
  if (!IsScalarInYaml(*field)) {
    return refuse(StrCat(Quote(name), " is not a single value; set it in the configuration file"));
  }
  const auto converted = TextToJson(*field, value);
  if (!converted.ok()) return refuse(ToStd(converted.status().message()));
  const std::unique_ptr<google::protobuf::Message> parsed(message->New());
  const absl::Status status =
      JsonToMessage(origin, json::object({{std::string(name), *converted}}), parsed.get());
  if (!status.ok()) return status;
  message->GetReflection()->ClearField(message, field);
  message->MergeFrom(*parsed);
  return absl::OkStatus();
}

}  // namespace closewrite
