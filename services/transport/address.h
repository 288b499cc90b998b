// `host:port`, and what a name stands for.
#ifndef SERVICES_TRANSPORT_ADDRESS_H_
#define SERVICES_TRANSPORT_ADDRESS_H_

#include <netdb.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace closewrite {

struct HostPort {
  std::string host;  // without brackets
  std::string port;
};

// INVALID_ARGUMENT for what is not `host:port`; the message begins with `what`.
absl::StatusOr<HostPort> ParseHostPort(std::string_view what, std::string_view address);

// Whether only this host reaches what is served on `host`, a name or an address as people write it:
// localhost, 127.0.0.0/8 or ::1.
bool IsLoopback(std::string_view host);

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

// getaddrinfo(3) for TCP with `flags`; blocks for as long as the resolver likes to. On failure the
// list is null and `error` says why.
AddressList LookUp(const HostPort& at, int flags, std::string* error);

// `1.2.3.4:7400`, or `[2001:db8::1]:7400` in the form that a URI takes. With `as_ipv6` an IPv4
// address is written as a mapped one, since a URI holds addresses of one family only. "" when it
// can't be written.
std::string NumericAddress(const addrinfo& address, bool as_ipv6);

}  // namespace closewrite

#endif  // SERVICES_TRANSPORT_ADDRESS_H_
