// Points for InfluxDB: one line each, from which InfluxDB reads what was meant.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/coordinator/core/line_protocol.h"
#include "services/log/str_cat.h"
#include "tests/fuzz/require.h"

namespace closewrite {
namespace {

constexpr int kTagsMax = 4;
constexpr int kFieldsMax = 3;
using Pairs = std::vector<std::pair<std::string, std::string>>;

// InfluxDB 1.8 (models/points.go: scanMeasurement, scanTagsKey, scanTagsValue, unescapeTag): a
// separator is one of `stops` that no backslash stands before, whatever stands before that; and a
// backslash before one of `escaped` is dropped.
std::string Take(std::string_view* line, std::string_view stops, std::string_view escaped) {
  std::string word;
  size_t at = 0;
  while (at < line->size() && (stops.find((*line)[at]) == std::string_view::npos ||
                               (at > 0 && (*line)[at - 1] == '\\'))) {
    ++at;
  }
  const std::string_view raw = line->substr(0, at);
  for (size_t i = 0; i < raw.size(); ++i) {
    const bool drops =
        raw[i] == '\\' && i + 1 < raw.size() && escaped.find(raw[i + 1]) != std::string_view::npos;
    word += drops ? raw[++i] : raw[i];
  }
  line->remove_prefix(at);
  return word;
}

void Skip(std::string_view* line, char expected) {
  Require(!line->empty() && line->front() == expected, "a separator stands where it must", *line);
  line->remove_prefix(1);
}

// What becomes of a name that the protocol can't hold.
std::string Held(std::string name) {
  for (char& c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  if (name.ends_with('\\')) name.back() = '/';
  return name;
}

std::string Name(FuzzedDataProvider* input) {
  std::string name = input->ConsumeRandomLengthString(20);
  if (name.empty()) name = "n";
  return name;
}

void CheckFields(const Point& point, std::string_view* line) {
  for (size_t i = 0; i < point.fields.size(); ++i) {
    Skip(line, i == 0 ? ' ' : ',');
    const auto& [key, value] = point.fields[i];
    Require(Take(line, "=", ",= ") == Held(key), "a field has its name");
    Skip(line, '=');
    const std::string number = Take(line, ", ", "");
    if (const int64_t* integer = std::get_if<int64_t>(&value)) {
      Require(number == StrCat(*integer, "i"), "a whole number is one", number);
    } else {
      Require(std::strtod(number.c_str(), nullptr) == std::get<double>(value), "a number is exact",
              number);
      Require(number.find_first_not_of("0123456789.eE+-") == std::string::npos,
              "a number is a number", number);
    }
  }
}

void CheckPoint(const Point& point) {
  const std::string text = EncodePoint(point);
  Require(std::none_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20; }),
          "a point is one line", text);
  std::string_view line = text;
  Require(Take(&line, ", ", ", ") == Held(point.measurement), "the measurement is what it was",
          text);
  Pairs expected;
  for (const auto& [key, value] : point.tags) {
    if (!value.empty()) expected.emplace_back(key, value);
  }
  std::sort(expected.begin(), expected.end());
  for (const auto& [key, value] : expected) {
    Skip(&line, ',');
    Require(Take(&line, "=, ", ",= ") == Held(key), "a tag has its name", text);
    Skip(&line, '=');
    Require(Take(&line, ", ", ",= ") == Held(value), "a tag has its value", text);
  }
  CheckFields(point, &line);
  Require(line == StrCat(" ", absl::ToUnixMillis(point.time)), "its time ends it", text);
}

}  // namespace
}  // namespace closewrite

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace cw = closewrite;
  FuzzedDataProvider input(data, size);
  cw::Point point{.measurement = cw::Name(&input)};
  for (int i = input.ConsumeIntegralInRange(0, cw::kTagsMax); i > 0; --i) {
    std::string key = cw::Name(&input);
    point.tags.emplace_back(std::move(key), input.ConsumeRandomLengthString(20));
  }
  for (int i = input.ConsumeIntegralInRange(1, cw::kFieldsMax); i > 0; --i) {
    std::string key = cw::Name(&input);
    const double number = input.ConsumeFloatingPoint<double>();
    if (input.ConsumeBool() && std::isfinite(number)) {
      point.fields.emplace_back(std::move(key), number);
    } else {
      point.fields.emplace_back(std::move(key), input.ConsumeIntegral<int64_t>());
    }
  }
  point.time = absl::FromUnixMillis(input.ConsumeIntegral<int32_t>());
  cw::CheckPoint(point);
  return 0;
}
