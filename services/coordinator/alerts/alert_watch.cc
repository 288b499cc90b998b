#include "services/coordinator/alerts/alert_watch.h"

#include <algorithm>
#include <utility>

#include "services/coordinator/api/job_view.h"
#include "services/coordinator/core/outbox.h"
#include "services/coordinator/core/upload.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr char kTurn[] = "alerts";
constexpr absl::Duration kForgetEvery = absl::Hours(1);
constexpr int64_t kForgottenMax = 1000;
// A commit may take so long to show after the times in it were read.
constexpr absl::Duration kCommitMax = absl::Minutes(1);

const char* KindOf(IncidentStep step) {
  switch (step) {
    case IncidentStep::kOpened:
      return kAlarmMessage;
    case IncidentStep::kReminded:
      return kReminderMessage;
    case IncidentStep::kCleared:
      return kAllClearMessage;
  }
  return kAlarmMessage;
}

OutboxMessage MessageOf(const IncidentChange& change, const std::string& id, absl::Time now) {
  const Incident& incident = change.incident;
  OutboxMessage message{.id = id,
                        .kind = KindOf(change.step),
                        .subject = IncidentSubject(change),
                        .text = IncidentText(change),
                        .created_at = now};
  message.details = {
      OwnerDetail(incident.key.owner),
      {"rule", std::string(AlertRuleName(incident.key.rule))},
      {"message", incident.message},
      {"opened_at", absl::FormatTime(absl::RFC3339_sec, incident.opened_at, absl::UTCTimeZone())}};
  if (!incident.key.subject.empty()) message.details.emplace_back("subject", incident.key.subject);
  return message;
}

}  // namespace

AlertWatch::AlertWatch(AlertOptions options, StoreLoop* loop, std::function<std::string()> new_id)
    : options_(std::move(options)),
      loop_(*loop),
      new_id_(std::move(new_id)),
      turn_(kTurn, kAlertInterval, loop) {}

void AlertWatch::Start() {
  thread_ = std::thread([this] { Run(); });
}

void AlertWatch::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

bool AlertWatch::Stopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void AlertWatch::Run() {
  bool troubled = false;
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kAlertInterval);
      if (stopping_) return;
    }
    const absl::Status looked = Look();
    if (!looked.ok() && !troubled && !Stopping()) {
      LogWarn("it can't be seen whether alarms are due; this is tried again",
              {{"why", looked.ToString()}});
    }
    troubled = !looked.ok();
  }
}

absl::Status AlertWatch::Look() {
  int64_t version = 0;
  const absl::Status read = loop_.store().Read([&](StoreReader& reader) {
    version = reader.PipelinesVersion();
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  if (version != definitions_version_ || !watched_.empty() || any_open_) {
    if (absl::Status s = LookAround(version); !s.ok()) return s;
  }
  if (loop_.clock().Now() >= forget_at_) ForgetOldOnes();
  return absl::OkStatus();
}

absl::Status AlertWatch::LookAround(int64_t version) {
  const Fleet fleet = CopyFleet(loop_);
  // Memory may be behind what another coordinator has just told the store.
  const bool changed = version != definitions_version_;
  if (changed && fleet.shared && version != fleet.pipelines_version) return absl::OkStatus();
  if (changed) {
    const absl::Status read = loop_.store().Read([&](StoreReader& reader) {
      watched_ = FindWatched(reader, fleet);
      return absl::OkStatus();
    });
    if (!read.ok()) return read;
    definitions_version_ = version;
  }
  // What is watched no more leaves something behind.
  if ((watched_.empty() && !any_open_ && !changed) || !turn_.Mine()) return absl::OkStatus();
  Plan plan;
  if (absl::Status s = MakePlan(fleet, &plan); !s.ok()) return s;
  const absl::Status written = plan.empty() ? absl::OkStatus() : Write(plan);
  if (!written.ok()) return written;
  for (const auto& [owner, until] : plan.searched_until) searched_until_[owner] = until;
  return absl::OkStatus();
}

absl::Status AlertWatch::UpdateBaselines(absl::Time now, std::map<std::string, Baseline>* baselines,
                                         Plan* plan) {
  std::map<std::string, absl::Time> doubtful;
  std::map<std::string, Baseline> known = std::exchange(*baselines, {});
  for (const Watched& watched : watched_) {
    if (watched.policy().no_success_within == absl::InfiniteDuration()) continue;
    const auto found = known.find(watched.owner);
    Baseline& baseline = (*baselines)[watched.owner];
    if (found != known.end()) {
      baseline = found->second;
    } else {
      baseline = {.owner = watched.owner, .registered_at = watched.applied_at};
      plan->baselines.push_back(baseline);
    }
    const absl::Time since = std::max(baseline.registered_at, baseline.succeeded_at);
    // A success that nobody has looked for may be forgotten with its job.
    const absl::Duration known_for =
        std::min(watched.policy().no_success_within, options_.retention / 2);
    if (now - since <= known_for) continue;
    const auto searched = searched_until_.find(watched.owner);
    doubtful[watched.owner] =
        searched == searched_until_.end() ? since : std::max(since, searched->second - kCommitMax);
  }
  for (const auto& [owner, baseline] : known) {
    if (!baselines->contains(owner)) plan->old_baselines.push_back(owner);
  }
  const auto successes = FindSuccesses(loop_.store(), doubtful, [this] { return Stopping(); });
  if (!successes.ok()) return successes.status();
  for (const auto& [owner, since] : doubtful) plan->searched_until[owner] = now;
  for (const auto& [owner, at] : *successes) {
    Baseline& baseline = (*baselines)[owner];
    baseline.succeeded_at = at;
    std::erase_if(plan->baselines,
                  [&owner = owner](const Baseline& each) { return each.owner == owner; });
    plan->baselines.push_back(baseline);
  }
  return absl::OkStatus();
}

absl::Status AlertWatch::MakePlan(const Fleet& fleet, Plan* plan) {
  std::map<std::string, Baseline> baselines;
  absl::Time now;
  absl::Status read = loop_.store().Read([&](StoreReader& reader) {
    now = reader.Now(loop_.clock().Now());
    for (Baseline& baseline : Baselines(reader)) baselines[baseline.owner] = std::move(baseline);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  if (absl::Status s = UpdateBaselines(now, &baselines, plan); !s.ok()) return s;
  return loop_.store().Read([&](StoreReader& reader) {
    Surroundings around{.fleet = &fleet, .now = now};
    for (GoneExecutor& lost : GoneExecutors(reader)) {
      if (now - lost.lost_at <= kGoneExecutorKept) around.lost.push_back(std::move(lost));
    }
    const std::vector<OverflowMark> marks = OverflowMarks(reader);
    for (const OverflowMark& mark : marks) around.overflows[mark.volume] = mark;
    plan->overflows = NewOverflowMarks(marks, fleet, now);
    for (const OverflowMark& mark : plan->overflows) around.overflows[mark.volume] = mark;
    const bool long_ones = std::any_of(watched_.begin(), watched_.end(), [](const Watched& each) {
      return each.policy().running_longer_than != absl::InfiniteDuration();
    });
    if (long_ones) around.running = LongestRunning(reader);
    FindChanges(baselines, around, reader, plan);
    return absl::OkStatus();
  });
}

void AlertWatch::FindChanges(const std::map<std::string, Baseline>& baselines,
                             const Surroundings& around, StoreReader& reader, Plan* plan) {
  std::vector<TroubleFor> troubles;
  for (const Watched& watched : watched_) {
    const AlertPolicy& policy = watched.policy();
    const auto found = baselines.find(watched.owner);
    const Baseline baseline =
        found == baselines.end()
            ? Baseline{.owner = watched.owner, .registered_at = watched.applied_at}
            : found->second;
    const AlertFacts facts = FactsOf(watched, baseline, around, reader);
    for (Trouble& trouble : FindTroubles(policy, facts, around.now)) {
      troubles.push_back({std::move(trouble), policy.to.empty() ? options_.to : policy.to,
                          policy.remind_every == absl::ZeroDuration() ? options_.remind_every
                                                                      : policy.remind_every});
    }
  }
  const std::vector<Incident> open = OpenIncidents(reader);
  any_open_ = !open.empty() || !troubles.empty();
  for (IncidentChange& change : UpdateIncidents(open, troubles, around.now)) {
    const auto before = std::find_if(open.begin(), open.end(), [&](const Incident& each) {
      return each.key == change.incident.key;
    });
    plan->changes.push_back({std::move(change),
                             before == open.end() ? std::nullopt : std::make_optional(*before),
                             StrCat("alert-", new_id_())});
  }
}

absl::Status AlertWatch::Write(const Plan& plan) {
  const absl::Status written = loop_.Do([&plan](Engine&, StoreTransaction& tx, absl::Time now) {
    for (const Plan::Change& each : plan.changes) {
      if (!PutIncident(tx, each.change, each.before)) continue;
      (void)PutMessages(tx, each.change.incident.to, MessageOf(each.change, each.message_id, now));
    }
    for (const Baseline& baseline : plan.baselines) PutBaseline(tx, baseline);
    for (const std::string& owner : plan.old_baselines) EraseBaseline(tx, owner);
    for (const OverflowMark& mark : plan.overflows) PutOverflowMark(tx, mark);
    return absl::OkStatus();
  });
  if (!written.ok()) return written;
  for (const Plan::Change& each : plan.changes) {
    const bool over = each.change.step == IncidentStep::kCleared;
    (over ? LogInfo : LogWarn)(IncidentSubject(each.change),
                               {{"message", each.change.incident.message}});
  }
  return absl::OkStatus();
}

void AlertWatch::ForgetOldOnes() {
  const absl::Time now = loop_.clock().Now();
  bool more = false;
  const absl::Status forgotten =
      loop_.Do([&more](Engine&, StoreTransaction& tx, absl::Time store_now) {
        const absl::Time before = store_now - kPastIncidentsKept;
        const bool incidents = ForgetIncidents(tx, before, kForgottenMax);
        const bool messages = ForgetMessages(tx, before, kForgottenMax);
        const bool uploads = ForgetUploads(tx, before, store_now, kForgottenMax);
        more = incidents || messages || uploads;
        for (const GoneExecutor& lost : GoneExecutors(tx)) {
          if (store_now - lost.lost_at > kGoneExecutorKept) {
            EraseGoneExecutor(tx, lost.hello.name);
          }
        }
        return absl::OkStatus();
      });
  forget_at_ = forgotten.ok() && !more ? now + kForgetEvery : now;
}

}  // namespace closewrite
