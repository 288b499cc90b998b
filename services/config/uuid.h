// Identifiers that nobody else has.
#ifndef SERVICES_CONFIG_UUID_H_
#define SERVICES_CONFIG_UUID_H_

#include <string>

namespace closewrite {

// A fresh UUID, version 4 (RFC 9562). Thread-safe.
std::string NewUuid();

}  // namespace closewrite

#endif  // SERVICES_CONFIG_UUID_H_
