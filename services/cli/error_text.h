// Errors as a user reads them.
#ifndef SERVICES_CLI_ERROR_TEXT_H_
#define SERVICES_CLI_ERROR_TEXT_H_

#include <string>

#include "absl/status/status.h"

namespace closewrite::cli {

// `closewrite: MESSAGE`, and a line for each hint in the status's details that the message does not
// give itself: wrong fields, the nearest name. Ends with a newline; "" for an interrupt, which
// needs no words.
std::string ErrorText(const absl::Status& status);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_ERROR_TEXT_H_
