// Values that only the host of an executor knows.
#ifndef SERVICES_EXECUTOR_SECRETS_H_
#define SERVICES_EXECUTOR_SECRETS_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace closewrite::executor {

inline constexpr size_t kSecretsBytesMax = 64 << 10;

// Reads lines `NAME=value`: all behind the first '=' is the value, as it stands; quotes mean
// nothing. Empty lines and those that begin with '#' are left out. Errors are fit for people and
// hold nothing of the content: NOT_FOUND, PERMISSION_DENIED (it can't be read, or everybody can
// read or write it), INVALID_ARGUMENT names the line.
absl::StatusOr<std::map<std::string, std::string>> ReadSecrets(const std::string& file);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_SECRETS_H_
