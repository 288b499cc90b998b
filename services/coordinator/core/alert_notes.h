// What alarms remember, as notes of the store.
#ifndef SERVICES_COORDINATOR_CORE_ALERT_NOTES_H_
#define SERVICES_COORDINATOR_CORE_ALERT_NOTES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/incident.h"
#include "services/coordinator/core/presence.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Of each kind; what is beyond is looked at when others have gone.
inline constexpr int64_t kOpenIncidentsMax = 10'000;
inline constexpr int64_t kGoneExecutorsMax = 10'000;
inline constexpr int64_t kBaselinesMax = 20'000;
inline constexpr int64_t kOverflowMarksMax = 10'000;

// By key.
std::vector<Incident> OpenIncidents(StoreReader& reader);
// The newest first, by their beginnings, of those that are over; behind a place that an earlier
// page ended with ("": from the newest).
struct PastIncident {
  std::string place;
  Incident incident;
};
std::vector<PastIncident> PastIncidents(StoreReader& reader, const std::string& place,
                                        int64_t limit);
// False, and nothing is written, when the incident is not what it was when the change was made up:
// somebody else has changed it.
bool PutIncident(StoreTransaction& tx, const IncidentChange& change,
                 const std::optional<Incident>& before);
// Forgets those that began before `before` and are over, at most `limit`; true when there may be
// more.
bool ForgetIncidents(StoreTransaction& tx, absl::Time before, int64_t limit);

// An executor that vanished without saying goodbye, until one of its name is connected again.
struct GoneExecutor {
  ExecutorHello hello;  // name, host, labels, volumes
  absl::Time lost_at;
};
void PutGoneExecutor(StoreTransaction& tx, const ExecutorHello& hello, absl::Time now);
void EraseGoneExecutor(StoreTransaction& tx, const std::string& name);
// By name.
std::vector<GoneExecutor> GoneExecutors(StoreReader& reader);

// From when on a pipeline or a task is to succeed; see AlertFacts.
struct Baseline {
  std::string owner;
  absl::Time registered_at;
  absl::Time succeeded_at = absl::InfinitePast();
};
void PutBaseline(StoreTransaction& tx, const Baseline& baseline);
void EraseBaseline(StoreTransaction& tx, const std::string& owner);
// By owner.
std::vector<Baseline> Baselines(StoreReader& reader);

// Overflows of a volume that were seen so far.
struct OverflowMark {
  std::string volume;
  int64_t count = 0;                     // as its watcher says, which counts from its start
  absl::Time at = absl::InfinitePast();  // the newest
};
void PutOverflowMark(StoreTransaction& tx, const OverflowMark& mark);
// By volume.
std::vector<OverflowMark> OverflowMarks(StoreReader& reader);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_ALERT_NOTES_H_
