#include "services/coordinator/alerts/alert_options.h"

#include <string_view>

#include "absl/strings/match.h"
#include "services/config/duration.h"
#include "services/log/str_cat.h"
#include "services/mail/mail_address.h"

namespace closewrite {
namespace {

absl::Status Wrong(std::string_view key, std::string_view what) {
  return absl::InvalidArgumentError(StrCat(key, ": ", what));
}

absl::Status ReadMail(const v1::MailConfig& config, AlertOptions* options) {
  MailServer server;
  server.url = config.server();
  if (!absl::StartsWith(server.url, "smtp://") && !absl::StartsWith(server.url, "smtps://")) {
    return Wrong("mail.server", StrCat("is \"", server.url,
                                       "\"; say "
                                       "`server: smtp://mail.example.org:587`, or smtps://"));
  }
  if (absl::StrContains(server.url, "@")) {
    return Wrong("mail.server", "has a user in it; use the keys username and password");
  }
  if (!IsMailAddress(config.from())) {
    return Wrong("mail.from", StrCat("is \"", config.from(),
                                     "\"; give the sender's address, such as "
                                     "closewrite@example.org"));
  }
  switch (config.tls()) {
    case v1::MAIL_TLS_IF_OFFERED:
      server.tls = MailServer::Tls::kIfOffered;
      break;
    case v1::MAIL_TLS_NONE:
      server.tls = MailServer::Tls::kNone;
      break;
    default:
      server.tls = MailServer::Tls::kRequired;
  }
  const bool plain = server.tls == MailServer::Tls::kNone;
  if (plain && (absl::StartsWith(server.url, "smtps://") || !config.password().empty())) {
    return Wrong("mail.tls",
                 "none has no meaning with smtps://, and would send the password in the "
                 "clear: leave it out, or leave the password out");
  }
  server.username = config.username();
  server.password = config.password();
  server.ca_file = config.ca();
  if (absl::Status s = CheckMailServer(server); !s.ok()) {
    return Wrong("mail.server", ToStd(s.message()));
  }
  options->mail = server;
  options->from = config.from();
  return absl::OkStatus();
}

absl::Status ReadAlerts(const v1::AlertsConfig& config, AlertOptions* options) {
  if (config.email_size() > kRecipientsMax) {
    return Wrong("alerts.email",
                 StrCat("has ", config.email_size(), " addresses; at most ", kRecipientsMax));
  }
  for (const std::string& address : config.email()) {
    if (absl::Status s = CheckMailAddress(address); !s.ok()) {
      return Wrong("alerts.email", ToStd(s.message()));
    }
  }
  if (!config.email().empty() && !options->mail.has_value()) {
    return Wrong("alerts.email",
                 "needs a mail server; say `mail: {server: smtp://..., from: ...}`");
  }
  if (!config.webhook().empty()) {
    if (absl::Status s = CheckWebhook(config.webhook()); !s.ok()) {
      return Wrong("alerts.webhook", ToStd(s.message()));
    }
  }
  options->to = {.emails = {config.email().begin(), config.email().end()},
                 .webhook = config.webhook()};
  options->remind_every =
      config.has_remind_every() ? FromProto(config.remind_every()) : kRemindEveryDefault;
  if (options->remind_every < kRemindEveryMin || options->remind_every > kAlertWithinMax) {
    return Wrong("alerts.remind_every", "must be 1m to 400d");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AlertOptions> AlertOptionsFrom(const v1::CoordinatorConfig& config) {
  AlertOptions options;
  if (config.has_mail()) {
    if (absl::Status s = ReadMail(config.mail(), &options); !s.ok()) return s;
  }
  if (absl::Status s = ReadAlerts(config.alerts(), &options); !s.ok()) return s;
  options.job_url = config.job_url();
  if (!options.job_url.empty() &&
      (!CheckWebhook(options.job_url).ok() || !absl::StrContains(options.job_url, "{job}"))) {
    return Wrong("job_url", StrCat("is \"", options.job_url,
                                   "\"; give the address of a page about a job, such as "
                                   "https://portal.example.org/jobs/{job}"));
  }
  return options;
}

}  // namespace closewrite
