#include "services/coordinator/api/alert_codec.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "services/config/duration.h"
#include "services/config/size.h"
#include "services/log/str_cat.h"
#include "services/mail/mail_address.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

Recipients DecodeRecipients(const std::string& prefix,
                            const google::protobuf::RepeatedPtrField<std::string>& emails,
                            const std::string& webhook, RunDecoder* decoder) {
  if (emails.size() > kRecipientsMax) {
    decoder->Wrong(prefix + "email",
                   StrCat("has ", emails.size(), " addresses; at most ", kRecipientsMax));
  }
  for (int i = 0; i < emails.size(); ++i) {
    decoder->Check(StrCat(prefix, "email[", i, "]"), CheckMailAddress(emails[i]));
  }
  if (!webhook.empty()) decoder->Check(prefix + "webhook", CheckWebhook(webhook));
  return {.emails = {emails.begin(), emails.end()}, .webhook = webhook};
}

absl::Duration Within(const std::string& field, bool is_said,
                      const google::protobuf::Duration& value, RunDecoder* decoder) {
  if (!is_said) return absl::InfiniteDuration();
  return decoder->Range(field, value, kAlertWithinMin, kAlertWithinMax);
}

}  // namespace

std::string RouteTrouble(const Recipients& to, const AlertRoutes& routes) {
  if (to.empty()) {
    return "nobody would be told: name `email:` or `webhook:`, here or in the coordinator's "
           "configuration under `alerts:`";
  }
  if (!to.emails.empty() && !routes.mail) {
    return "nobody can be mailed: the coordinator's configuration has no `mail:`";
  }
  return "";
}

std::string AlertTrouble(const Pipeline& pipeline, const AlertRoutes& routes) {
  const AlertPolicy& alerts = pipeline.alerts;
  std::string trouble;
  if (alerts.any()) trouble = RouteTrouble(alerts.to.empty() ? routes.to : alerts.to, routes);
  const NotifyPolicy& notify = pipeline.notify;
  if (trouble.empty() && !notify.to.empty()) trouble = RouteTrouble(notify.to, routes);
  return trouble;
}

absl::StatusOr<FailureLimit> ParseFailureLimit(std::string_view text) {
  const std::vector<std::string> words =
      absl::StrSplit(ToAbsl(text), absl::ByAnyChar(" \t"), absl::SkipEmpty());
  FailureLimit limit;
  const bool shaped =
      words.size() == 3 && words[1] == "in" && absl::SimpleAtoi(words[0], &limit.count);
  const absl::StatusOr<absl::Duration> within =
      shaped ? ParseDuration(words[2]) : absl::InvalidArgumentError("");
  if (!shaped || !within.ok()) {
    return absl::InvalidArgumentError(
        StrCat("is \"", Display(text), "\"; say how many within what time, such as \"3 in 1h\""));
  }
  limit.within = *within;
  if (limit.count < 1 || limit.count > kAlertFailuresMax || *within < kAlertWithinMin ||
      *within > kAlertFailuresWithinMax) {
    return absl::InvalidArgumentError(
        StrCat("is \"", text, "\"; give 1 to ", kAlertFailuresMax, " failures in 1s to 30d"));
  }
  return limit;
}

absl::Status CheckWebhook(std::string_view address) {
  const absl::string_view text = ToAbsl(address);
  const bool graphic = std::all_of(address.begin(), address.end(), [](char each) {
    return absl::ascii_isgraph(static_cast<unsigned char>(each));
  });
  if ((absl::StartsWith(text, "http://") || absl::StartsWith(text, "https://")) && graphic &&
      address.size() <= kWebhookBytesMax) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(StrCat(
      "is \"", Display(address), "\"; give an address that begins with http:// or https://, ",
      "of at most ", kWebhookBytesMax, " bytes"));
}

absl::Status CheckMailAddress(std::string_view address) {
  if (IsMailAddress(address)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat("is \"", Display(address), "\"; give an address such as ops@example.org"));
}

AlertPolicy DecodeAlerts(const v1::Alerts& alerts, RunDecoder* decoder) {
  AlertPolicy policy;
  policy.no_success_within = Within("alerts.no_success_within", alerts.has_no_success_within(),
                                    alerts.no_success_within(), decoder);
  policy.running_longer_than =
      Within("alerts.running_longer_than", alerts.has_running_longer_than(),
             alerts.running_longer_than(), decoder);
  policy.waiting_longer_than =
      Within("alerts.waiting_longer_than", alerts.has_waiting_longer_than(),
             alerts.waiting_longer_than(), decoder);
  if (!alerts.failed().empty()) {
    const absl::StatusOr<FailureLimit> limit = ParseFailureLimit(alerts.failed());
    decoder->Check("alerts.failed", limit.status());
    policy.failed = limit.value_or(FailureLimit());
  }
  policy.executor_lost = alerts.executor_lost();
  policy.watcher_lost = alerts.watcher_lost();
  policy.overflow = alerts.overflow();
  policy.to = DecodeRecipients("alerts.", alerts.email(), alerts.webhook(), decoder);
  if (alerts.has_remind_every()) {
    policy.remind_every = decoder->Range("alerts.remind_every", alerts.remind_every(),
                                         kRemindEveryMin, kAlertWithinMax);
  }
  return policy;
}

NotifyPolicy DecodeNotify(const v1::Notify& notify, RunDecoder* decoder) {
  NotifyPolicy policy;
  policy.to = DecodeRecipients("notify.", notify.email(), notify.webhook(), decoder);
  if (policy.to.empty()) {
    decoder->Wrong("notify", "tells nobody; say `email: [ops@example.org]`, or `webhook:`");
  }
  policy.success = policy.failure = notify.on().empty();
  for (const int end : notify.on()) {
    policy.success |= end == v1::JOB_END_SUCCESS;
    policy.failure |= end == v1::JOB_END_FAILURE;
    if (end != v1::JOB_END_SUCCESS && end != v1::JOB_END_FAILURE) {
      decoder->Wrong("notify.on", "is unknown; use success or failure");
    }
  }
  if (notify.log_lines() < -1 || notify.log_lines() > kNotifyLogLinesMax) {
    decoder->Wrong("notify.log_lines", StrCat("is ", notify.log_lines(), "; give 1 to ",
                                              kNotifyLogLinesMax, " lines, or -1 for none"));
  }
  if (!notify.attach_max().empty()) {
    const absl::StatusOr<int64_t> bytes = ParseSize(notify.attach_max());
    decoder->Check("notify.attach_max", bytes.status());
    policy.attach_bytes_max = bytes.value_or(0);
    if (bytes.ok() && (*bytes < 1 || *bytes > kNotifyAttachBytesMax)) {
      decoder->Wrong("notify.attach_max",
                     StrCat("is ", notify.attach_max(), "; give at most 10MiB"));
    }
    if (policy.to.emails.empty()) {
      decoder->Wrong("notify.attach_max", "is for mail, and no `email` is there; leave it out");
    }
  }
  policy.log_lines =
      notify.log_lines() == 0 ? kNotifyLogLinesDefault : std::max(notify.log_lines(), 0);
  return policy;
}

}  // namespace closewrite
