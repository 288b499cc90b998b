// absl::StrCat for std::string_view: Debian's Abseil is built for C++14, so that its
// absl::string_view is a class of its own (ABSL_OPTION_USE_STD_STRING_VIEW 0 in
// absl/base/options.h) and takes no std::string_view.
#ifndef SERVICES_LOG_STR_CAT_H_
#define SERVICES_LOG_STR_CAT_H_

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace closewrite {

// Between the two kinds of view; the bytes are not copied.
inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

namespace str_cat_internal {
template <class Piece>
const Piece& Convert(const Piece& piece) {
  return piece;
}
inline absl::string_view Convert(std::string_view piece) { return ToAbsl(piece); }
}  // namespace str_cat_internal

// As absl::StrCat, and takes std::string_view too.
template <class... Pieces>
std::string StrCat(const Pieces&... pieces) {
  return absl::StrCat(str_cat_internal::Convert(pieces)...);
}

// As absl::StrAppend, and takes std::string_view too.
template <class... Pieces>
void StrAppend(std::string* out, const Pieces&... pieces) {
  absl::StrAppend(out, str_cat_internal::Convert(pieces)...);
}

}  // namespace closewrite

#endif  // SERVICES_LOG_STR_CAT_H_
