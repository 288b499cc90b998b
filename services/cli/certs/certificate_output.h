// How certificates are shown.
#ifndef SERVICES_CLI_CERTS_CERTIFICATE_OUTPUT_H_
#define SERVICES_CLI_CERTS_CERTIFICATE_OUTPUT_H_

#include <string>
#include <string_view>

#include "services/access/certificate.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

// `watcher vm-b`, or the subject of an authority's or another's.
std::string OwnerText(const Certificate& certificate);

// `expires in 12d`, `EXPIRED 3d ago`, `not valid yet`.
std::string ValidityText(const Certificate& certificate, absl::Time now);

// All that it says, as lines or as JSON. `problem` is what is wrong with it beside its validity, or
// "".
void PrintCertificate(Invocation& invocation, const std::string& file,
                      const Certificate& certificate, std::string_view problem = "");

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_CERTS_CERTIFICATE_OUTPUT_H_
