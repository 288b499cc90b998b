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

// Reads the values of variables, each of which is all that a file holds but one newline at its end.
// As above, but who can read a file is its owner's business: those that are mounted into containers
// are often open to all who are there. Errors name the variable.
absl::StatusOr<std::map<std::string, std::string>> ReadEnvironmentFiles(
    const std::map<std::string, std::string>& files);

// What is to be said of them when the executor starts; "" when nothing is.
std::string WarningOfEnvironmentFile(const std::string& variable, const std::string& file);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_SECRETS_H_
