#include "services/mail/mail_address.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace closewrite {

bool IsMailAddress(std::string_view address) {
  constexpr std::string_view kRefused = "\"(),:;<>\\";
  const size_t at = address.find('@');
  if (address.size() > kMailAddressBytesMax || at == std::string_view::npos) return false;
  if (at == 0 || at + 1 == address.size() || address.rfind('@') != at) return false;
  return std::all_of(address.begin(), address.end(), [&](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c)) &&
           kRefused.find(c) == std::string_view::npos;
  });
}

}  // namespace closewrite
