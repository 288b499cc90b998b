// Addresses and sizes of configurations: hosts and ports, URLs whose passwords nobody is shown.
#include <fuzzer/FuzzedDataProvider.h>

#include <string>
#include <string_view>

#include "services/config/size.h"
#include "services/config/url.h"
#include "services/log/str_cat.h"
#include "services/transport/address.h"
#include "services/volume/path.h"
#include "tests/fuzz/require.h"

namespace closewrite {
namespace {

void CheckHostPort(const std::string& text) {
  const auto parts = ParseHostPort("listen", text);
  if (!parts.ok()) {
    Require(absl::IsInvalidArgument(parts.status()), "a wrong address is an invalid argument");
    return;
  }
  const int port = std::stoi(parts->port);
  Require(port >= 0 && port <= 65535 && !parts->host.empty(), "an address has host and port", text);
  const bool is_six = parts->host.find(':') != std::string::npos;
  const std::string written =
      StrCat(is_six ? "[" : "", parts->host, is_six ? "]:" : ":", parts->port);
  const auto again = ParseHostPort("listen", written);
  Require(again.ok() && again->host == parts->host && again->port == parts->port,
          "an address can be written", written);
}

void CheckEscaped(const std::string& text) {
  const std::string escaped = UrlEscaped(text);
  std::string back;
  for (size_t i = 0; i < escaped.size(); ++i) {
    Require(escaped[i] > ' ' && escaped[i] < 0x7F, "what is escaped is plain", escaped);
    Require(std::string_view("/?#&=+:@").find(escaped[i]) == std::string_view::npos,
            "what is escaped separates nothing", escaped);
    if (escaped[i] != '%') {
      back += escaped[i];
      continue;
    }
    Require(i + 2 < escaped.size(), "an escape is whole", escaped);
    back += static_cast<char>(std::stoi(escaped.substr(i + 1, 2), nullptr, 16));
    i += 2;
  }
  Require(back == text, "what is escaped can be read back", escaped);
}

// A password that nothing else holds does not show.
void CheckPassword(FuzzedDataProvider* input) {
  const std::string user = input->ConsumeRandomLengthString(20);
  const std::string host = input->ConsumeRandomLengthString(30);
  std::string password = input->ConsumeRandomLengthString(20);
  std::erase(password, '&');
  const std::string secret = StrCat("5ecret", password, "5ecret");
  if (StrCat(UrlEscaped(user), host).find("5ecret") != std::string::npos) return;
  // As a URI has it, every '@', ':' and '/' of its user is escaped.
  const std::string in_front = StrCat("postgresql://", UrlEscaped(user), ":", secret, "@", host);
  Require(WithoutPassword(in_front).find("5ecret") == std::string::npos, "a password does not show",
          in_front);
  const std::string behind =
      StrCat("postgresql://", UrlEscaped(user), "@h/d?a=b&password=", secret, "&c=", host);
  Require(WithoutPassword(behind).find("5ecret") == std::string::npos, "nor does a parameter",
          behind);
}

void CheckSize(std::string_view text) {
  const auto size = ParseSize(text);
  if (!size.ok()) {
    Require(absl::IsInvalidArgument(size.status()), "a wrong size is an invalid argument");
    Require(IsUtf8(ToStd(size.status().message())), "an error is text");
    return;
  }
  Require(*size >= 0 && *size <= int64_t{1} << 52, "a size is bounded", text);
  const auto again = ParseSize(StrCat(*size, "B"));
  Require(again.ok() && *again == *size, "a size can be written", text);
}

}  // namespace
}  // namespace closewrite

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace cw = closewrite;
  const std::string text(reinterpret_cast<const char*>(data), size);
  cw::CheckHostPort(text);
  cw::CheckEscaped(text);
  cw::CheckSize(text);
  const std::string hidden = cw::WithoutPassword(text);
  cw::Require(hidden.size() <= text.size() && cw::WithoutPassword(hidden).size() <= hidden.size(),
              "nothing is added");
  FuzzedDataProvider input(data, size);
  cw::CheckPassword(&input);
  return 0;
}
