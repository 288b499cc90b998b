#include "services/coordinator/core/incident.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "services/log/str_cat.h"

namespace closewrite {
namespace {

std::string Lasted(absl::Duration duration) {
  return absl::FormatDuration(absl::Trunc(duration, absl::Seconds(1)));
}

Incident Open(const TroubleFor& trouble, absl::Time now) {
  return {.key = trouble.trouble.key,
          .message = trouble.trouble.message,
          .to = trouble.to,
          .remind_every = trouble.remind_every,
          .opened_at = now,
          .told_at = now};
}

// What somebody may do about it.
std::string Advice(const IncidentKey& key) {
  const std::string jobs = StrCat("closewrite jobs --pipeline ", key.owner);
  switch (key.rule) {
    case AlertRule::kNoSuccess:
      return jobs;
    case AlertRule::kFailed:
      return StrCat(jobs, " --state failed; closewrite explain JOB; closewrite redrive JOB");
    case AlertRule::kRunning:
      return "closewrite logs JOB; closewrite cancel JOB";
    case AlertRule::kWaiting:
      return "closewrite explain JOB; closewrite executors";
    case AlertRule::kExecutorLost:
      return "closewrite executors; closewrite doctor";
    case AlertRule::kWatcherLost:
      return "closewrite watchers; closewrite doctor";
    case AlertRule::kOverflow:
      return "closewrite watchers; closewrite doctor (fs.inotify.max_queued_events)";
  }
  return "";
}

}  // namespace

std::vector<IncidentChange> UpdateIncidents(const std::vector<Incident>& open,
                                            const std::vector<TroubleFor>& troubles,
                                            absl::Time now) {
  std::map<IncidentKey, const TroubleFor*> now_wrong;
  for (const TroubleFor& each : troubles) now_wrong.emplace(each.trouble.key, &each);
  std::vector<IncidentChange> changes;
  for (const Incident& incident : open) {
    const auto found = now_wrong.find(incident.key);
    if (found == now_wrong.end()) {
      Incident over = incident;
      over.cleared_at = now;
      changes.push_back({IncidentStep::kCleared, over});
      continue;
    }
    const TroubleFor& trouble = *found->second;
    now_wrong.erase(found);
    if (trouble.trouble.in_doubt || now - incident.told_at < trouble.remind_every) continue;
    Incident reminded = incident;
    reminded.message = trouble.trouble.message;
    reminded.told_at = now;
    ++reminded.reminders;
    changes.push_back({IncidentStep::kReminded, reminded});
  }
  for (const auto& [key, trouble] : now_wrong) {
    if (trouble->trouble.in_doubt) continue;
    changes.push_back({IncidentStep::kOpened, Open(*trouble, now)});
  }
  return changes;
}

std::string IncidentSubject(const IncidentChange& change) {
  const IncidentKey& key = change.incident.key;
  const std::string what = StrCat(OwnerName(key.owner), ": ", AlertRuleName(key.rule),
                                  key.subject.empty() ? "" : " ", key.subject);
  switch (change.step) {
    case IncidentStep::kOpened:
      return StrCat("[closewrite] ", what);
    case IncidentStep::kReminded:
      return StrCat("[closewrite] still: ", what);
    case IncidentStep::kCleared:
      return StrCat("[closewrite] all clear: ", what);
  }
  return "";
}

std::string IncidentText(const IncidentChange& change) {
  const Incident& incident = change.incident;
  const std::string since =
      absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", incident.opened_at, absl::UTCTimeZone());
  if (change.step == IncidentStep::kCleared) {
    return StrCat("This is over:\n\n  ", incident.message, "\n\nIt began at ", since,
                  " and lasted ", Lasted(incident.cleared_at - incident.opened_at), ".\n");
  }
  const std::string when =
      change.step == IncidentStep::kReminded
          ? StrCat("It began at ", since, ". This is reminder ", incident.reminders, ".\n")
          : std::string();
  return StrCat(incident.message, "\n\n", when, "To look closer: ", Advice(incident.key),
                "\n\nYou will be reminded every ", absl::FormatDuration(incident.remind_every),
                ", and told when it is over.\n");
}

}  // namespace closewrite
