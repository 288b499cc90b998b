// Incidents: troubles from their beginning to their end, and what is told of them. Pure.
#ifndef SERVICES_COORDINATOR_CORE_INCIDENT_H_
#define SERVICES_COORDINATOR_CORE_INCIDENT_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/alert_policy.h"
#include "services/coordinator/core/alert_rules.h"

namespace closewrite {

struct Incident {
  IncidentKey key;
  std::string message;  // what is wrong; once it is over, how it ended
  Recipients to;
  absl::Duration remind_every;
  absl::Time opened_at;
  absl::Time told_at;  // when somebody was told or reminded last
  int reminders = 0;
  absl::Time cleared_at = absl::InfiniteFuture();
  bool operator==(const Incident&) const = default;
};

// A trouble and who is to be told of it.
struct TroubleFor {
  Trouble trouble;
  Recipients to;
  absl::Duration remind_every;
};

enum class IncidentStep { kOpened, kReminded, kCleared };

struct IncidentChange {
  IncidentStep step = IncidentStep::kOpened;
  Incident incident;  // as it is then
};

// What the troubles of this moment mean for the incidents that are open. `troubles` have different
// keys. Whoever an incident was told to is told of its end, whatever was configured meanwhile.
std::vector<IncidentChange> UpdateIncidents(const std::vector<Incident>& open,
                                            const std::vector<TroubleFor>& troubles,
                                            absl::Time now);

// For people: "[closewrite] pipeline enrich: no success", and some lines.
std::string IncidentSubject(const IncidentChange& change);
std::string IncidentText(const IncidentChange& change);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_INCIDENT_H_
