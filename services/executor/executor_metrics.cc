#include "services/executor/executor_metrics.h"

#include <algorithm>

namespace closewrite::executor {
namespace {

double SecondsUntil(absl::Duration to, absl::Duration from) {
  return std::max(0.0, absl::ToDoubleSeconds(to - from));
}

void AppendLink(const CoordinatorLink::Numbers& link, absl::Duration since_boot, MetricList* list) {
  list->Gauge("connected", "1 while the coordinator's stream is up.", {}, link.connected);
  list->Gauge("draining", "1 while the executor takes nothing new.", {}, link.draining);
  list->Gauge("last_answer_age_seconds",
              "Since the coordinator answered last; since the start when it never did.", {},
              SecondsUntil(since_boot, link.answered_at));
  list->Gauge("lease_left_seconds",
              "For how long leases are good; 0 when they are over, or there was none.", {},
              SecondsUntil(link.lease_deadline, since_boot));
  list->Counter("lease_renewals_total", "Heartbeats that were answered in time.", {},
                link.renewals);
  list->Counter("leases_lost_total",
                "Times that all commands were killed because no heartbeat was answered.", {},
                link.leases_lost);
  list->Counter("sessions_total", "Sessions that were begun, resumed ones apart.", {},
                link.sessions);
  list->Counter("streams_total", "Streams to a coordinator that were begun.", {}, link.streams);
}

bool IsUsable(const v1::VolumeHealth& volume, absl::Time now) {
  const absl::Time checked_at = absl::FromUnixSeconds(volume.checked_at().seconds());
  return volume.problem().empty() && volume.has_checked_at() &&
         now - checked_at <= kMountSilenceMax;
}

}  // namespace

std::vector<Metric> ExecutorMetrics(const ExecutorNumbers& numbers, const AttemptMeters& attempts,
                                    absl::Duration since_boot, absl::Time now) {
  MetricList list("closewrite_executor_");
  AppendLink(numbers.link, since_boot, &list);
  list.Gauge("slots", "Commands that may run at once.", {}, numbers.slots);
  list.Gauge("slots_busy", "Attempts that go on.", {}, numbers.table.running);
  list.Gauge("results_waiting", "Results that the coordinator has not recorded yet.", {},
             numbers.table.unsettled);
  list.Counter("log_sent_bytes_total", "Bytes of logs that were sent, repeated ones too.", {},
               numbers.table.log_bytes_sent);
  list.Gauge("log_waiting_bytes",
             "Bytes on disk of logs of which the coordinator has not recorded all yet.", {},
             numbers.table.log_bytes_waiting);
  for (const v1::VolumeHealth& volume : numbers.volumes) {
    list.Gauge("volume_usable", "1 while the volume's mount answers and can be used.",
               {{"volume", volume.volume()}}, IsUsable(volume, now));
  }
  attempts.Append(&list);
  return list.Take();
}

}  // namespace closewrite::executor
