#include "services/transport/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "services/log/str_cat.h"

namespace closewrite {

absl::StatusOr<HostPort> ParseHostPort(std::string_view what, std::string_view address) {
  const size_t colon = address.rfind(':');
  HostPort parts;
  if (colon != std::string_view::npos) {
    parts.host = address.substr(0, colon);
    parts.port = address.substr(colon + 1);
  }
  const bool bracketed =
      parts.host.size() > 2 && parts.host.front() == '[' && parts.host.back() == ']';
  if (bracketed) parts.host = parts.host.substr(1, parts.host.size() - 2);
  const bool port_ok = !parts.port.empty() && parts.port.size() <= 5 &&
                       parts.port.find_first_not_of("0123456789") == std::string::npos &&
                       std::stoi(parts.port) <= 65535;
  const bool host_ok =
      !parts.host.empty() && (bracketed || parts.host.find(':') == std::string::npos);
  if (port_ok && host_ok) return parts;
  return absl::InvalidArgumentError(StrCat(what, ": \"", address,
                                           "\" is not host:port; write for example ",
                                           "0.0.0.0:7400, vm-a:7400 or [::1]:7400"));
}

bool IsLoopback(std::string_view host) {
  // To C it would end there.
  if (host.find('\0') != std::string_view::npos) return false;
  const std::string name(host);
  in_addr four = {};
  if (inet_pton(AF_INET, name.c_str(), &four) == 1) {
    return ntohl(four.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
  }
  in6_addr six = {};
  if (inet_pton(AF_INET6, name.c_str(), &six) == 1) return IN6_IS_ADDR_LOOPBACK(&six);
  return name == "localhost";
}

AddressList LookUp(const HostPort& at, int flags, std::string* error) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(at.host.c_str(), at.port.c_str(), &hints, &found);
  if (code != 0) {
    *error = code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code);
    found = nullptr;
  }
  return AddressList(found, freeaddrinfo);
}

std::string NumericAddress(const addrinfo& address, bool as_ipv6) {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (getnameinfo(address.ai_addr, address.ai_addrlen, host, sizeof(host), port, sizeof(port),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "";
  }
  if (!as_ipv6) return StrCat(host, ":", port);
  return StrCat("%5B", address.ai_family == AF_INET ? "::ffff:" : "", host, "%5D:", port);
}

}  // namespace closewrite
