#include "services/coordinator/core/assign.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "services/coordinator/core/file_history.h"
#include "services/coordinator/core/lock_grant.h"
#include "services/coordinator/core/rate_book.h"

namespace closewrite {
namespace {

// The pass that all pipelines with locks have together; no pipeline has this name.
constexpr char kLockedShare[] = "";

int64_t FreeSlotsOf(const std::vector<Session*>& sessions) {
  int64_t free = 0;
  for (const Session* session : sessions) free += session->FreeSlots();
  return free;
}

}  // namespace

int64_t Assigner::Lane::FreeSlots() const { return FreeSlotsOf(sessions); }

Session* Assigner::Lane::MostFree() const {
  Session* best = nullptr;
  for (Session* session : sessions) {
    if (session->FreeSlots() == 0) continue;
    if (best == nullptr || session->FreeSlots() > best->FreeSlots()) best = session;
  }
  return best;
}

// Of a shared store, only sessions that still attend here, and which stay so until the commit.
std::vector<Session*> Assigner::FreeSessions(StoreTransaction& tx) {
  std::vector<Session*> free;
  Expected expected;
  for (auto& [id, session] : fleet_.sessions) {
    if (session.coordinator != fleet_.self || session.FreeSlots() == 0) continue;
    free.push_back(&session);
    expected.sessions.push_back(id);
  }
  if (!fleet_.shared || free.empty()) return free;
  tx.Expect(expected);
  std::erase_if(free, [&](const Session* session) {
    const std::optional<SessionRecord> record = tx.FindSession(session->id);
    return !record.has_value() || record->coordinator != fleet_.self;
  });
  return free;
}

Assigner::Lanes Assigner::ReadyLanes(StoreTransaction& tx,
                                     const std::vector<Session*>& sessions) const {
  Lanes lanes;
  for (const std::string& name : fleet_.ready) {
    if (const auto task = TaskOfRuns(name)) (void)fleet_.LearnTask(tx, std::string(*task));
    Lane lane{.pipeline = fleet_.FindPipeline(tx, name)};
    if (lane.pipeline == nullptr) continue;
    for (Session* session : sessions) {
      if (!WhatIsMissing(*session, *lane.pipeline).empty()) continue;
      if (VolumeTrouble(*session, *lane.pipeline).empty()) lane.sessions.push_back(session);
    }
    if (!lane.sessions.empty()) lanes.push_back(std::move(lane));
  }
  std::stable_sort(lanes.begin(), lanes.end(), [](const Lane& a, const Lane& b) {
    return a.pipeline->priority > b.pipeline->priority;
  });
  return lanes;
}

void Assigner::Assign(StoreTransaction& tx, absl::Time now) {
  std::erase_if(fleet_.rate_until, [now](const auto& entry) { return entry.second <= now; });
  Reserved reserved;
  if (!fleet_.ready.empty()) AssignJobs(tx, reserved, now);
  if (!fleet_.locks.Waiting().empty()) GrantPrograms(tx, reserved, now);
}

void Assigner::AssignJobs(StoreTransaction& tx, Reserved& reserved, absl::Time now) {
  const std::vector<Session*> sessions = FreeSessions(tx);
  if (sessions.empty()) return;
  ForgetPasses();
  const Lanes lanes = ReadyLanes(tx, sessions);
  for (auto first = lanes.begin(); first != lanes.end();) {
    const auto last = std::find_if(first, lanes.end(), [&](const Lane& lane) {
      return lane.pipeline->priority != first->pipeline->priority;
    });
    Lanes locked;
    Lanes open;
    for (; first != last; ++first) {
      const Pipeline& pipeline = *first->pipeline;
      (pipeline.locks.empty() && !pipeline.rate.has_value() ? open : locked).push_back(*first);
    }
    const auto slots = [&] { return std::min(FreeSlotsOf(sessions), kLeaseBatchMax); };
    // Once more when those whose turn it was had nothing to do. Each round but the last finds a
    // pipeline empty.
    for (size_t round = 0; round <= lanes.size(); ++round) {
      Reserved now_reserved = reserved;
      const bool waits = GrantLocked(tx, locked, open, slots(), now_reserved, now);
      while (GrantFairly(tx, open, slots(), now)) {
      }
      if (waits && slots() > 0) continue;
      reserved = std::move(now_reserved);
      break;
    }
  }
}

// Of pipelines and tasks that are no more.
void Assigner::ForgetPasses() {
  if (passes_.size() <= fleet_.pipelines.size() + fleet_.tasks.size() + 1) return;
  std::erase_if(passes_, [&](const auto& pass) {
    const auto task = TaskOfRuns(pass.first);
    if (task.has_value()) return !fleet_.tasks.contains(std::string(*task));
    return pass.first != kLockedShare && !fleet_.pipelines.contains(pass.first);
  });
}

bool Assigner::Lease(StoreTransaction& tx, const Lane& lane, const Job& job, absl::Time now) {
  Session* const session = lane.MostFree();
  if (session == nullptr) return false;
  absl::StatusOr<Job> leased = book_.Change(
      tx, job, LeaseTo{session->id, session->executor.name, session->executor.host}, now);
  if (!leased.ok()) return false;
  std::string event = EventWord(tx, *lane.pipeline, *leased);
  book_.effects().grants.push_back(
      Grant{session->id, *std::move(leased), lane.pipeline, std::move(event)});
  if (lane.pipeline->locks.empty() && !lane.pipeline->rate.has_value()) {
    passes_[job.pipeline] += 1.0 / lane.pipeline->weight;
  } else {
    passes_[kLockedShare] += locked_step_;
  }
  return true;
}

// How many of the slots are for jobs that need locks, beside those that need none. Only of the
// sessions that these could run on: free slots elsewhere are no reason to take the one that both
// want.
int64_t Assigner::SharedWithLocked(const Lanes& locked, const Lanes& open, int64_t slots) {
  int64_t lanes = 0;
  double weight = 0;
  std::set<Session*> wanted;
  for (const Lane& lane : locked) {
    const std::vector<std::string>& locks = lane.pipeline->locks;
    const bool held = std::any_of(locks.begin(), locks.end(), [this](const std::string& lock) {
      return !fleet_.locks.Free(lock);
    });
    if (held || HasToWaitForRate(lane) || lane.FreeSlots() == 0 ||
        !fleet_.ready.contains(lane.pipeline->name))
      continue;
    ++lanes;
    weight += lane.pipeline->weight;
    wanted.insert(lane.sessions.begin(), lane.sessions.end());
  }
  if (lanes == 0) return 0;
  locked_step_ = 1 / weight;
  slots = std::min(slots, FreeSlotsOf({wanted.begin(), wanted.end()}));
  for (const StoreTransaction::Wish& wish : Share(open, lanes, slots, &wanted)) {
    if (wish.pipeline == kLockedShare) return wish.limit;
  }
  return 0;
}

bool Assigner::Taken(const std::string& lock, const Reserved& reserved) const {
  const auto kept = reserved.find(lock);
  return fleet_.locks.Left(lock) <= (kept == reserved.end() ? 0 : kept->second);
}

bool Assigner::HasToWaitForRate(const Lane& lane) const {
  const std::optional<NamedRate>& rate = lane.pipeline->rate;
  return rate.has_value() && fleet_.rate_until.contains(rate->name);
}

bool Assigner::TakesRate(StoreTransaction& tx, const Lane& lane, absl::Time now) {
  const std::optional<NamedRate>& rate = lane.pipeline->rate;
  if (!rate.has_value()) return true;
  if (HasToWaitForRate(lane)) return false;
  const absl::Time at = TakeRateForJob(tx, rate->name, rate->rate, now);
  if (at > now) fleet_.rate_until[rate->name] = at;
  return at <= now;
}

// The first jobs of each lane, as many as its locks may let begin.
std::vector<Job> Assigner::ClaimLocked(StoreTransaction& tx, const Lanes& lanes,
                                       const Reserved& reserved) {
  std::vector<StoreTransaction::Wish> wishes;
  for (const Lane& lane : lanes) {
    const std::vector<std::string>& locks = lane.pipeline->locks;
    const auto taken = [&](const std::string& lock) { return Taken(lock, reserved); };
    // Where all are taken there is nothing to have, nor to reserve.
    if (!locks.empty() && std::all_of(locks.begin(), locks.end(), taken)) continue;
    if (HasToWaitForRate(lane) || !fleet_.ready.contains(lane.pipeline->name)) continue;
    int64_t most = lane.FreeSlots();
    for (const std::string& lock : locks) most = std::min(most, fleet_.locks.Left(lock));
    wishes.push_back({lane.pipeline->name, std::max<int64_t>(most, 1)});
  }
  if (wishes.empty()) return {};
  std::vector<Job> jobs = tx.Claim(wishes);
  for (const StoreTransaction::Wish& wish : wishes) {
    const bool found = std::any_of(jobs.begin(), jobs.end(),
                                   [&](const Job& job) { return job.pipeline == wish.pipeline; });
    if (!found) fleet_.ready.erase(wish.pipeline);
  }
  return jobs;
}

void Assigner::AddPrograms(int priority, const Reserved& reserved,
                           std::vector<Candidate>* candidates) const {
  for (const LockClaim* const claim : fleet_.locks.Waiting()) {
    if (claim->priority < priority || Taken(claim->lock, reserved)) continue;
    candidates->push_back({.place = PlaceOf(*claim), .program = *claim});
  }
}

// Its session must live until the commit: otherwise nobody would ever free the lock.
bool Assigner::GrantProgram(StoreTransaction& tx, const LockClaim& claim, absl::Time now) {
  if (fleet_.shared) {
    const std::optional<SessionRecord> session = tx.FindSession(claim.holder);
    if (!session.has_value() || session->expires_at <= now) return false;
    // With the session locked its claim stays what it is.
    LoadLocks(tx, &fleet_);
    const LockClaim* const waits = fleet_.locks.FindClaim(claim.lock, claim.holder);
    if (waits == nullptr || waits->held()) return false;
  } else if (!fleet_.programs.contains(claim.holder)) {
    return false;
  }
  GrantLock(tx, &fleet_, claim, now);
  book_.effects().locks = true;
  return true;
}

void Assigner::GrantPrograms(StoreTransaction& tx, const Reserved& reserved, absl::Time now) {
  if (!tx.MayGrantLocks()) return;
  if (fleet_.shared) LoadLocks(tx, &fleet_);
  std::vector<Candidate> candidates;
  AddPrograms(std::numeric_limits<int>::min(), reserved, &candidates);
  std::sort(candidates.begin(), candidates.end());
  for (const Candidate& candidate : candidates) {
    if (!Taken(candidate.program.lock, reserved)) GrantProgram(tx, candidate.program, now);
  }
}

// True when a job waits for nothing but its turn.
bool Assigner::GrantLocked(StoreTransaction& tx, const Lanes& lanes, const Lanes& open,
                           int64_t slots, Reserved& reserved, absl::Time now) {
  if (lanes.empty() || !tx.MayGrantLocks()) return false;
  if (fleet_.shared) LoadLocks(tx, &fleet_);
  const std::vector<Job> jobs = ClaimLocked(tx, lanes, reserved);
  if (jobs.empty()) return false;
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < jobs.size(); ++i) {
    candidates.push_back({.place = {.priority = lanes.front().pipeline->priority,
                                    .within = jobs[i].priority,
                                    .since = jobs[i].created_at,
                                    .job = jobs[i].id.value},
                          .job = i});
  }
  AddPrograms(lanes.front().pipeline->priority, reserved, &candidates);
  std::sort(candidates.begin(), candidates.end());
  int64_t left = SharedWithLocked(lanes, open, slots);
  bool waits = false;
  for (const Candidate& candidate : candidates) {
    if (!candidate.program.holder.empty()) {
      if (!Taken(candidate.program.lock, reserved)) GrantProgram(tx, candidate.program, now);
      continue;
    }
    const Job& job = jobs[candidate.job];
    const auto lane = std::find_if(lanes.begin(), lanes.end(), [&](const Lane& each) {
      return each.pipeline->name == job.pipeline;
    });
    // One that no slot is free for must not hold its locks back from others.
    if (lane->MostFree() == nullptr) continue;
    const std::vector<std::string>& locks = lane->pipeline->locks;
    const bool locked = std::any_of(locks.begin(), locks.end(),
                                    [&](const std::string& lock) { return Taken(lock, reserved); });
    // It keeps its place in line for its locks, also when a slot is another pipeline's turn.
    if (locked || left == 0) {
      for (const std::string& lock : locks) ++reserved[lock];
      waits |= !locked;
    } else if (TakesRate(tx, *lane, now) && Lease(tx, *lane, job, now)) {
      --left;
    }
  }
  return waits;
}

// How many jobs each pipeline may have of the free slots.
std::vector<StoreTransaction::Wish> Assigner::Share(const Lanes& lanes, int64_t locked,
                                                    int64_t slots,
                                                    const std::set<Session*>* among) {
  struct Entry {
    double pass;
    double step;
    int64_t left;  // slots that could run it
    size_t sessions;
    StoreTransaction::Wish wish;
  };
  std::vector<Entry> entries;
  double lowest = std::numeric_limits<double>::infinity();
  const auto add = [&](const std::string& name, double step, int64_t most, size_t sessions) {
    double& pass = passes_[name];
    pass = std::max(pass, base_pass_);
    lowest = std::min(lowest, pass);
    entries.push_back({pass, step, most, sessions, {name, 0}});
  };
  if (locked > 0) add(kLockedShare, locked_step_, locked, 0);
  for (const Lane& lane : lanes) {
    const std::string& name = lane.pipeline->name;
    if (lane.FreeSlots() == 0 || !fleet_.ready.contains(name)) continue;
    int64_t free = 0;
    size_t sessions = 0;
    for (Session* session : lane.sessions) {
      if (among != nullptr && !among->contains(session)) continue;
      free += session->FreeSlots();
      ++sessions;
    }
    add(name, 1.0 / lane.pipeline->weight, free, sessions);
  }
  if (!entries.empty()) base_pass_ = lowest;
  for (; slots > 0; --slots) {
    Entry* next = nullptr;
    for (Entry& entry : entries) {
      if (entry.left > 0 && (next == nullptr || entry.pass < next->pass)) next = &entry;
    }
    if (next == nullptr) break;
    next->pass += next->step;
    --next->left;
    ++next->wish.limit;
  }
  // Those that fewest sessions can run choose first; of those, whose turn it is.
  std::stable_sort(entries.begin(), entries.end(), [this](const Entry& a, const Entry& b) {
    return std::tuple(a.sessions, passes_[a.wish.pipeline]) <
           std::tuple(b.sessions, passes_[b.wish.pipeline]);
  });
  std::vector<StoreTransaction::Wish> wishes;
  for (Entry& entry : entries) {
    if (entry.wish.limit > 0) wishes.push_back(std::move(entry.wish));
  }
  return wishes;
}

// One step; false when another one would give nothing more.
bool Assigner::GrantFairly(StoreTransaction& tx, const Lanes& lanes, int64_t slots,
                           absl::Time now) {
  const std::vector<StoreTransaction::Wish> wishes = Share(lanes, 0, slots, nullptr);
  if (wishes.empty()) return false;
  std::map<std::string, int64_t> claimed;
  std::set<std::string> refused;
  bool more = false;
  for (const Job& job : tx.Claim(wishes)) {
    ++claimed[job.pipeline];
    const auto lane = std::find_if(lanes.begin(), lanes.end(), [&](const Lane& each) {
      return each.pipeline->name == job.pipeline;
    });
    if (!Lease(tx, *lane, job, now)) {
      // Another pipeline took the slot that both could have had.
      refused.insert(job.pipeline);
      continue;
    }
    more = true;
  }
  for (const StoreTransaction::Wish& wish : wishes) {
    if (claimed[wish.pipeline] == wish.limit || refused.contains(wish.pipeline)) continue;
    // What it leaves is for the others.
    fleet_.ready.erase(wish.pipeline);
    more = true;
  }
  return more;
}

}  // namespace closewrite
