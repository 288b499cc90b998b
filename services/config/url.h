// Addresses of web services.
#ifndef SERVICES_CONFIG_URL_H_
#define SERVICES_CONFIG_URL_H_

#include <string>
#include <string_view>

namespace closewrite {

// RFC 3986: all but the unreserved characters as %XX.
std::string UrlEscaped(std::string_view text);

// Of what R's package rmeta calls INFLUX_HOST and INFLUX_PORT: `http://HOST:PORT`, 8086 by default.
// A host may be a whole URL, too.
std::string InfluxUrl(std::string_view host, std::string_view port);

// What may be shown of an address: all but the password of its user.
std::string WithoutPassword(const std::string& url);

}  // namespace closewrite

#endif  // SERVICES_CONFIG_URL_H_
