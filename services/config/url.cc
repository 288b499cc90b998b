#include "services/config/url.h"

#include <algorithm>

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

// Where a password has characters that should have been escaped, more is left out than it alone.
std::string WithoutPassword(const std::string& url) {
  constexpr size_t kNone = std::string::npos;
  const size_t scheme = url.find("://");
  const size_t last_at = scheme == kNone ? kNone : url.rfind('@');
  const size_t key = url.find("password=");
  size_t begin = kNone;
  size_t end = 0;
  if (last_at != kNone && last_at > scheme) {
    const size_t colon = url.find(':', scheme + 3);
    if (colon < url.find('@', scheme)) {
      begin = colon;
      end = last_at;
    }
  }
  if (key != kNone) {
    const bool goes_on = last_at != kNone && last_at > key;
    const size_t next = url.find('&', goes_on ? last_at : key);
    const size_t key_end = next == kNone ? url.size() : next + 1;
    // Else it is the user's password first, and this one the next time.
    if (begin == kNone || goes_on) {
      begin = std::min(begin, key);
      end = std::max(end, key_end);
    }
  }
  if (begin == kNone) return url;
  return WithoutPassword(url.substr(0, begin) + url.substr(end));
}

}  // namespace closewrite
