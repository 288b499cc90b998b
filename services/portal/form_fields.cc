#include "services/portal/form_fields.h"

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "services/log/str_cat.h"

namespace closewrite::portal {
namespace {

std::optional<std::string> Decode(absl::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (i + 2 >= text.size() || !absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 1])) ||
        !absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 2]))) {
      return std::nullopt;
    }
    decoded += absl::HexStringToBytes(text.substr(i + 1, 2));
    i += 2;
  }
  return decoded;
}

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> ParseFields(std::string_view body) {
  std::map<std::string, std::string> fields;
  for (const absl::string_view pair : absl::StrSplit(ToAbsl(body), '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(pair, absl::MaxSplits('=', 1));
    std::optional<std::string> name = Decode(parts.first);
    std::optional<std::string> value = Decode(parts.second);
    if (!name.has_value() || !value.has_value()) {
      return absl::InvalidArgumentError("the form is not well-formed");
    }
    fields[*std::move(name)] = *std::move(value);
    if (fields.size() > kFieldsMax) {
      return absl::InvalidArgumentError(StrCat("a form has ", kFieldsMax, " fields at most"));
    }
  }
  return fields;
}

absl::StatusOr<std::map<std::string, std::string>> ReadFields(WebRequest& request,
                                                              size_t bytes_max) {
  const absl::Status too_long =
      absl::InvalidArgumentError(StrCat("this form has ", bytes_max, " bytes at most"));
  if (request.content_length > static_cast<int64_t>(bytes_max)) return too_long;
  std::string body;
  const bool whole = request.read_body([&](const char* data, size_t size) {
    body.append(data, size);
    return body.size() <= bytes_max;
  });
  if (!whole)
    return body.size() > bytes_max ? too_long : absl::InvalidArgumentError("the form broke off");
  return ParseFields(body);
}

}  // namespace closewrite::portal
