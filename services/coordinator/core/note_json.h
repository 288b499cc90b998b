// Notes as JSON, so that whoever looks into the store can read them. For the few files that keep
// notes.
#ifndef SERVICES_COORDINATOR_CORE_NOTE_JSON_H_
#define SERVICES_COORDINATOR_CORE_NOTE_JSON_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace closewrite {

// Bytes that are no UTF-8 are replaced.
inline std::string DumpNote(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}
// nullopt: it is no object, so somebody else has written it.
inline std::optional<nlohmann::json> ParseNote(const std::string& value) {
  nlohmann::json json = nlohmann::json::parse(value, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  return json;
}

// Nanoseconds since 1970; the smallest and the largest number stand for the infinite past and
// future.
inline int64_t NoteTime(absl::Time time) { return absl::ToUnixNanos(time); }
inline absl::Time NoteTime(int64_t nanoseconds) {
  if (nanoseconds == INT64_MAX) return absl::InfiniteFuture();
  if (nanoseconds == INT64_MIN) return absl::InfinitePast();
  return absl::FromUnixNanos(nanoseconds);
}

// What a note does not say, or says in another type, is left as it is.
template <class T>
void TakeField(const nlohmann::json& json, const char* name, T* value) {
  const auto found = json.find(name);
  if (found == json.end()) return;
  if constexpr (std::is_same_v<T, std::string>) {
    if (found->is_string()) *value = found->get<std::string>();
  } else if constexpr (std::is_same_v<T, absl::Time>) {
    if (found->is_number_integer()) *value = NoteTime(found->get<int64_t>());
  } else if constexpr (std::is_same_v<T, absl::Duration>) {
    if (found->is_number_integer()) *value = absl::Nanoseconds(found->get<int64_t>());
  } else if constexpr (std::is_same_v<T, bool>) {
    if (found->is_boolean()) *value = found->get<bool>();
  } else if constexpr (std::is_integral_v<T>) {
    if (found->is_number_integer()) *value = found->get<T>();
  } else {
    if (!found->is_array()) return;
    for (const nlohmann::json& each : *found) {
      if (each.is_string()) value->push_back(each.template get<std::string>());
    }
  }
}

// Keys in the order of times, and in the other one: the newest first.
inline std::string TimeKey(absl::Time time) {
  return absl::StrFormat("%020d", std::max<int64_t>(NoteTime(time), 0));
}
inline std::string NewestFirstKey(absl::Time time) {
  return absl::StrFormat("%020d", INT64_MAX - std::max<int64_t>(NoteTime(time), 0));
}

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_NOTE_JSON_H_
