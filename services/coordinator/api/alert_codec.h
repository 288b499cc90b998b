// Alerts and notifications of pipelines and tasks: protos -> plain values, checked and completed.
#ifndef SERVICES_COORDINATOR_API_ALERT_CODEC_H_
#define SERVICES_COORDINATOR_API_ALERT_CODEC_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "closewrite/v1/alert.pb.h"
#include "services/coordinator/api/run_codec.h"
#include "services/coordinator/core/alert_policy.h"

namespace closewrite {

inline constexpr int kRecipientsMax = 20;
inline constexpr size_t kWebhookBytesMax = 2000;
inline constexpr absl::Duration kAlertWithinMin = absl::Seconds(1);
inline constexpr absl::Duration kAlertWithinMax = absl::Hours(24 * 400);
inline constexpr int kAlertFailuresMax = 100;
inline constexpr absl::Duration kAlertFailuresWithinMax = absl::Hours(24 * 30);
inline constexpr absl::Duration kRemindEveryMin = absl::Minutes(1);
inline constexpr absl::Duration kRemindEveryDefault = absl::Hours(24);
inline constexpr int kNotifyLogLinesDefault = 20;
inline constexpr int kNotifyLogLinesMax = 200;
inline constexpr int64_t kNotifyAttachBytesMax = int64_t{10} << 20;

// What the coordinator's configuration says of messages.
struct AlertRoutes {
  bool mail = false;  // it knows a mail server
  Recipients to;      // of alerts that name nobody
};

// Why nobody, or not everybody, would be told, and what is to be done; "" when all is well.
std::string RouteTrouble(const Recipients& to, const AlertRoutes& routes);
// The same of a definition's alerts and notifications.
std::string AlertTrouble(const Pipeline& pipeline, const AlertRoutes& routes);

// `3 in 1h`. INVALID_ARGUMENT says what is accepted.
absl::StatusOr<FailureLimit> ParseFailureLimit(std::string_view text);
// An http or https address.
absl::Status CheckWebhook(std::string_view address);
// `name@domain`.
absl::Status CheckMailAddress(std::string_view address);

// Violations are named as in `alerts.failed`.
AlertPolicy DecodeAlerts(const v1::Alerts& alerts, RunDecoder* decoder);
NotifyPolicy DecodeNotify(const v1::Notify& notify, RunDecoder* decoder);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_ALERT_CODEC_H_
