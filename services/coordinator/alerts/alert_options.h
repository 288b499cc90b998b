// How messages go out, and what holds for all alerts, out of the configuration.
#ifndef SERVICES_COORDINATOR_ALERTS_ALERT_OPTIONS_H_
#define SERVICES_COORDINATOR_ALERTS_ALERT_OPTIONS_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "closewrite/v1/config.pb.h"
#include "services/coordinator/api/alert_codec.h"
#include "services/coordinator/core/alert_policy.h"
#include "services/mail/mail_client.h"

namespace closewrite {

struct AlertOptions {
  std::optional<MailServer> mail;  // nullopt: no mail is sent
  std::string from;                // the sender's address
  Recipients to;                   // of alerts that name nobody
  absl::Duration remind_every;     // of alerts that say nothing
  // How long finished jobs are kept; not of these keys.
  absl::Duration retention = absl::InfiniteDuration();
  std::string job_url;  // with `{job}` in it; "": there is no such page

  AlertRoutes routes() const { return {.mail = mail.has_value(), .to = to}; }
};

// INVALID_ARGUMENT names the key that is wrong and says what is accepted.
absl::StatusOr<AlertOptions> AlertOptionsFrom(const v1::CoordinatorConfig& config);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_ALERTS_ALERT_OPTIONS_H_
