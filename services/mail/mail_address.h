// Addresses of mail.
#ifndef SERVICES_MAIL_MAIL_ADDRESS_H_
#define SERVICES_MAIL_MAIL_ADDRESS_H_

#include <cstddef>
#include <string_view>

namespace closewrite {

inline constexpr size_t kMailAddressBytesMax = 254;  // RFC 5321, 4.5.3.1.3

// Whether it is `local@domain` in ASCII, without a name beside it, spaces, controls, quotes or what
// separates addresses. A domain of other letters is written as xn--….
bool IsMailAddress(std::string_view address);

}  // namespace closewrite

#endif  // SERVICES_MAIL_MAIL_ADDRESS_H_
