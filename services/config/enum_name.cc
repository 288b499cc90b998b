#include "services/config/enum_name.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "services/config/nearest.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;

// Of what a message quotes.
constexpr size_t kWordBytesMax = 80;

// What people write for events, by habit from other tools, what the kernel calls it (inotify(7)),
// and what they mean by it: the first that the enum has.
struct EventWord {
  std::string_view word;
  std::string_view kernel_name;
  std::vector<std::string> meant;
};

const EventWord* FindEventWord(std::string_view folded) {
  static const auto* const kWords = new std::vector<EventWord>{
      {"create", "IN_CREATE", {"create", "close_write"}},
      {"created", "IN_CREATE", {"create", "close_write"}},
      {"new", "IN_CREATE", {"create", "close_write"}},
      {"close", "IN_CLOSE_WRITE", {"close_write"}},
      {"closed", "IN_CLOSE_WRITE", {"close_write"}},
      {"closed_write", "IN_CLOSE_WRITE", {"close_write"}},
      {"close_nowrite", "IN_CLOSE_NOWRITE", {"close_write"}},
      {"write", "IN_CLOSE_WRITE", {"close_write"}},
      {"written", "IN_CLOSE_WRITE", {"close_write"}},
      {"modify", "IN_MODIFY", {"close_write"}},
      {"modified", "IN_MODIFY", {"close_write"}},
      {"changed", "IN_MODIFY", {"close_write"}},
      {"move", "IN_MOVED_TO", {"moved_to", "rename"}},
      {"moved", "IN_MOVED_TO", {"moved_to", "rename"}},
      {"moved_to", "IN_MOVED_TO", {"moved_to", "rename"}},
      {"renamed", "IN_MOVED_TO", {"moved_to", "rename"}},
      {"moved_from", "IN_MOVED_FROM", {"moved_from", "delete"}},
      {"deleted", "IN_DELETE", {"delete"}},
      {"remove", "IN_DELETE", {"delete"}},
      {"removed", "IN_DELETE", {"delete"}},
  };
  for (const EventWord& word : *kWords) {
    if (word.word == folded) return &word;
  }
  return nullptr;
}

// `OnNewVersion` -> `ON_NEW_VERSION_`.
std::string Prefix(const EnumDescriptor& type) {
  std::string prefix;
  for (const char c : type.name()) {
    if (absl::ascii_isupper(c) && !prefix.empty()) prefix += '_';
    prefix += absl::ascii_toupper(c);
  }
  return prefix + "_";
}

std::string Fold(std::string_view word) {
  std::string folded = absl::AsciiStrToLower(ToAbsl(word));
  std::replace(folded.begin(), folded.end(), '-', '_');
  return folded.rfind("in_", 0) == 0 ? folded.substr(3) : folded;
}

std::string Suggest(std::string_view word, const EnumDescriptor& type) {
  const std::vector<std::string> names = ShortNames(type);
  const std::string folded = Fold(word);
  const auto has = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (has(folded)) return StrCat("did you mean \"", folded, "\"?");
  const EventWord* event = FindEventWord(folded);
  if (event == nullptr) return SuggestNearest(folded, names);
  const auto meant = std::find_if(event->meant.begin(), event->meant.end(), has);
  if (meant == event->meant.end()) return SuggestNearest(folded, names);
  const bool early = event->kernel_name == "IN_CREATE" && has("close_write");
  return StrCat("did you mean \"", *meant, "\"? (the kernel's name is ", event->kernel_name,
                early ? ", which comes before the data is there; close_write waits for it)" : ")");
}

}  // namespace

std::string ShortName(const EnumValueDescriptor& value) {
  const std::string prefix = Prefix(*value.type());
  const std::string& name = value.name();
  return absl::AsciiStrToLower(name.rfind(prefix, 0) == 0 ? name.substr(prefix.size()) : name);
}

std::vector<std::string> ShortNames(const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0) names.push_back(ShortName(*type.value(i)));
  }
  return names;
}

absl::StatusOr<const EnumValueDescriptor*> ParseEnum(const EnumDescriptor& type,
                                                     std::string_view text) {
  const std::string upper = absl::AsciiStrToUpper(ToAbsl(text));
  int number = 0;
  const EnumValueDescriptor* value = type.FindValueByName(upper);
  if (value == nullptr) value = type.FindValueByName(Prefix(type) + upper);
  if (value == nullptr && absl::SimpleAtoi(upper, &number)) value = type.FindValueByNumber(number);
  if (value != nullptr && value->number() != 0) return value;
  return absl::InvalidArgumentError(StrCat("\"", Display(text.substr(0, kWordBytesMax)),
                                           "\" is not possible here; ", Suggest(text, type)));
}

}  // namespace closewrite
