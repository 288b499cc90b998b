#include "services/coordinator/core/alert_rules.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "services/coordinator/core/task.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

std::string Ago(absl::Duration duration) {
  const absl::Duration unit = duration < absl::Minutes(1) ? absl::Milliseconds(100)
                              : duration < absl::Hours(1) ? absl::Seconds(1)
                                                          : absl::Minutes(1);
  return absl::FormatDuration(absl::Trunc(duration, unit));
}

std::string At(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

class Judge {
 public:
  Judge(const AlertPolicy& policy, const AlertFacts& facts, absl::Time now)
      : policy_(policy), facts_(facts), now_(now), name_(OwnerName(facts.owner)) {}

  std::vector<Trouble> Run() {
    NoSuccess();
    Failed();
    TooLong();
    Lost();
    Overflowed();
    std::sort(troubles_.begin(), troubles_.end(),
              [](const Trouble& a, const Trouble& b) { return a.key < b.key; });
    return std::move(troubles_);
  }

 private:
  void Add(AlertRule rule, const std::string& subject, std::string message, bool in_doubt = false) {
    troubles_.push_back({{facts_.owner, rule, subject}, std::move(message), in_doubt});
  }

  void NoSuccess() {
    const absl::Time since = std::max(facts_.registered_at, facts_.succeeded_at);
    if (now_ - since <= policy_.no_success_within) return;
    const std::string last =
        facts_.succeeded_at == absl::InfinitePast()
            ? StrCat("none since it was registered at ", At(facts_.registered_at))
            : StrCat("the last was at ", At(facts_.succeeded_at));
    Add(AlertRule::kNoSuccess, "",
        StrCat("no job of ", name_, " has succeeded within ",
               absl::FormatDuration(policy_.no_success_within), ": ", last,
               facts_.stopped ? "; the task is stopped" : ""));
  }

  void Failed() {
    const int limit = policy_.failed.count;
    if (limit == 0) return;
    std::vector<std::string> jobs;
    for (const auto& [job, at] : facts_.failed) {
      if (at > now_ - policy_.failed.within) jobs.push_back(StrCat(job.value));
    }
    if (static_cast<int>(jobs.size()) < limit) return;
    std::string shown = jobs[0];
    for (size_t i = 1; i < jobs.size(); ++i) shown += ", " + jobs[i];
    const bool one = limit == 1;
    Add(AlertRule::kFailed, "",
        StrCat(limit, one ? " job of " : " jobs of ", name_, one ? " has" : " have",
               " failed within ", absl::FormatDuration(policy_.failed.within), ": ", shown));
  }

  void TooLong() {
    if (facts_.running.has_value() && now_ - facts_.running->since > policy_.running_longer_than) {
      Add(AlertRule::kRunning, "",
          StrCat("job ", facts_.running->job.value, " of ", name_, " has been running for ",
                 Ago(now_ - facts_.running->since), ", longer than ",
                 absl::FormatDuration(policy_.running_longer_than)));
    }
    if (facts_.waiting.has_value() && now_ - facts_.waiting->since > policy_.waiting_longer_than) {
      const std::string& why = facts_.waiting->why;
      Add(AlertRule::kWaiting, "",
          StrCat("job ", facts_.waiting->job.value, " of ", name_, " has been waiting for ",
                 Ago(now_ - facts_.waiting->since), ", longer than ",
                 absl::FormatDuration(policy_.waiting_longer_than), why.empty() ? "" : ": ", why));
    }
  }

  void Lost() {
    for (const AlertFacts::Away& away : facts_.executors) {
      if (!policy_.executor_lost) continue;
      Add(AlertRule::kExecutorLost, away.name,
          StrCat("executor ", away.name, " on ", away.host, ", which could run ", name_,
                 ", was lost at ", At(away.since)),
          now_ - away.since < kAwayMax);
    }
    for (const AlertFacts::Away& away : facts_.volumes) {
      if (!policy_.watcher_lost) continue;
      Add(AlertRule::kWatcherLost, away.name,
          away.host.empty() ? StrCat("no watcher has told of volume ", away.name, " of ", name_)
                            : StrCat("the watcher of volume ", away.name, " of ", name_, " on ",
                                     away.host, " has not been connected since ", At(away.since)),
          now_ - away.since < kAwayMax);
    }
  }

  void Overflowed() {
    for (const AlertFacts::Overflow& overflow : facts_.overflows) {
      if (!policy_.overflow || now_ - overflow.at >= kOverflowCalm) continue;
      Add(AlertRule::kOverflow, overflow.volume,
          StrCat("the kernel dropped events of volume ", overflow.volume, " of ", name_, " at ",
                 At(overflow.at), "; a scan makes up for them"));
    }
  }

  const AlertPolicy& policy_;
  const AlertFacts& facts_;
  const absl::Time now_;
  const std::string name_;
  std::vector<Trouble> troubles_;
};

}  // namespace

std::vector<Trouble> FindTroubles(const AlertPolicy& policy, const AlertFacts& facts,
                                  absl::Time now) {
  return Judge(policy, facts, now).Run();
}

std::string OwnerName(const std::string& owner) {
  const auto [kind, name] = OwnerDetail(owner);
  return StrCat(kind, " ", name);
}

std::pair<std::string, std::string> OwnerDetail(const std::string& owner) {
  const std::optional<std::string_view> task = TaskOfRuns(owner);
  if (task.has_value()) return {"task", std::string(*task)};
  return {"pipeline", owner};
}

std::string_view AlertRuleName(AlertRule rule) {
  switch (rule) {
    case AlertRule::kNoSuccess:
      return "no success";
    case AlertRule::kFailed:
      return "failed jobs";
    case AlertRule::kRunning:
      return "running too long";
    case AlertRule::kWaiting:
      return "waiting too long";
    case AlertRule::kExecutorLost:
      return "executor lost";
    case AlertRule::kWatcherLost:
      return "watcher lost";
    case AlertRule::kOverflow:
      return "overflow";
  }
  return "";
}

}  // namespace closewrite
