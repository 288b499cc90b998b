#include "services/coordinator/core/line_protocol.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"

namespace closewrite {
namespace {

constexpr std::string_view kEscapedInMeasurement = ", ";
constexpr std::string_view kEscapedInKey = ",= ";
constexpr size_t kUsualTags = 8;
constexpr size_t kUsualBytes = 192;

void AppendName(std::string_view name, std::string_view escaped, std::string* line) {
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (escaped.find(c) != std::string_view::npos) line->push_back('\\');
    line->push_back(byte < 0x20 || byte == 0x7F ? '?' : c);
  }
  if (!name.empty() && name.back() == '\\') line->back() = '/';
}

void AppendField(const std::variant<int64_t, double>& value, std::string* line) {
  if (const int64_t* integer = std::get_if<int64_t>(&value)) {
    absl::StrAppend(line, *integer, "i");
    return;
  }
  char text[32];
  const auto written = std::to_chars(text, text + sizeof(text), std::get<double>(value));
  line->append(text, written.ptr);
}

}  // namespace

std::string EncodePoint(const Point& point) {
  std::string line;
  line.reserve(kUsualBytes);
  AppendName(point.measurement, kEscapedInMeasurement, &line);
  absl::InlinedVector<const std::pair<std::string, std::string>*, kUsualTags> tags;
  for (const auto& tag : point.tags) tags.push_back(&tag);
  // InfluxDB is quickest with them so.
  std::sort(tags.begin(), tags.end(), [](const auto* a, const auto* b) { return *a < *b; });
  for (const auto* tag : tags) {
    const auto& [key, value] = *tag;
    if (value.empty()) continue;
    line.push_back(',');
    AppendName(key, kEscapedInKey, &line);
    line.push_back('=');
    AppendName(value, kEscapedInKey, &line);
  }
  char separator = ' ';
  for (const auto& [key, value] : point.fields) {
    line.push_back(std::exchange(separator, ','));
    AppendName(key, kEscapedInKey, &line);
    line.push_back('=');
    AppendField(value, &line);
  }
  absl::StrAppend(&line, " ", absl::ToUnixMillis(point.time));
  return line;
}

}  // namespace closewrite
