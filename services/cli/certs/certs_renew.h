// certs renew: certificates that last longer and are otherwise the same.
#ifndef SERVICES_CLI_CERTS_CERTS_RENEW_H_
#define SERVICES_CLI_CERTS_CERTS_RENEW_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/access/certificate.h"
#include "services/cli/certs/certs_folder.h"
#include "services/cli/command.h"

namespace closewrite::cli {

inline constexpr int kCertificateDays = 90;
inline constexpr int kCertificateDaysMax = 3650;

Command RenewCommand();

// What --days says, or a usage error.
absl::StatusOr<absl::Duration> ValidityOf(int days, int days_max);

// Says so where a certificate ends before it should, since its authority does.
void NoteShortened(Invocation& invocation, const AuthorityFolder& authority,
                   const Certificate& issued, absl::Duration validity);

// --in DIR.
void DeclareIn(CLI::App& app, std::string* in);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_CERTS_CERTS_RENEW_H_
