#include "services/config/url.h"

#include "absl/strings/ascii.h"
#include "services/log/str_cat.h"

namespace closewrite {

std::string UrlEscaped(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~') {
      escaped += c;
    } else {
      escaped += {'%', kDigits[byte >> 4], kDigits[byte & 0xF]};
    }
  }
  return escaped;
}

std::string InfluxUrl(std::string_view host, std::string_view port) {
  if (host.find("://") != std::string_view::npos) return std::string(host);
  return StrCat("http://", host, ":", port.empty() ? "8086" : port);
}

std::string WithoutPassword(const std::string& url) {
  constexpr char kKey[] = "password=";
  if (const size_t key = url.find(kKey); key != std::string::npos) {
    const size_t end = url.find('&', key);
    return WithoutPassword(url.substr(0, key) +
                           (end == std::string::npos ? "" : url.substr(end + 1)));
  }
  const size_t at = url.rfind('@');
  const size_t scheme = url.find("://");
  if (at == std::string::npos || scheme == std::string::npos || scheme > at) return url;
  const size_t colon = url.find(':', scheme + 3);
  if (colon == std::string::npos || colon > at) return url;
  return StrCat(url.substr(0, colon), url.substr(at));
}

}  // namespace closewrite
