// The fields of a small form.
#ifndef SERVICES_PORTAL_FORM_FIELDS_H_
#define SERVICES_PORTAL_FORM_FIELDS_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/portal/web.h"

namespace closewrite::portal {

inline constexpr size_t kFieldsMax = 64;

// `application/x-www-form-urlencoded`. INVALID_ARGUMENT when it is not well-formed or has too many
// fields.
absl::StatusOr<std::map<std::string, std::string>> ParseFields(std::string_view body);
// Reads the body of a request of at most so many bytes.
absl::StatusOr<std::map<std::string, std::string>> ReadFields(WebRequest& request,
                                                              size_t bytes_max);

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_FORM_FIELDS_H_
