#include "services/coordinator/core/assign.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace closewrite {

int64_t Assigner::Lane::FreeSlots() const {
  int64_t free = 0;
  for (const Session* session : sessions) free += session->FreeSlots();
  return free;
}

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

Assigner::Lanes Assigner::ReadyLanes(const std::vector<Session*>& sessions) const {
  Lanes lanes;
  for (const std::string& name : fleet_.ready) {
    Lane lane{.pipeline = fleet_.FindPipeline(name)};
    if (lane.pipeline == nullptr) continue;
    for (Session* session : sessions) {
      if (WhatIsMissing(*session, *lane.pipeline).empty()) lane.sessions.push_back(session);
    }
    if (!lane.sessions.empty()) lanes.push_back(std::move(lane));
  }
  std::stable_sort(lanes.begin(), lanes.end(), [](const Lane& a, const Lane& b) {
    return a.pipeline->priority > b.pipeline->priority;
  });
  return lanes;
}

void Assigner::Assign(StoreTransaction& tx, absl::Time now) {
  if (fleet_.ready.empty()) return;
  const std::vector<Session*> sessions = FreeSessions(tx);
  if (sessions.empty()) return;
  if (passes_.size() > fleet_.pipelines.size()) {
    std::erase_if(passes_,
                  [&](const auto& pass) { return !fleet_.pipelines.contains(pass.first); });
  }
  const Lanes lanes = ReadyLanes(sessions);
  std::set<std::string> reserved;
  for (auto first = lanes.begin(); first != lanes.end();) {
    const auto last = std::find_if(first, lanes.end(), [&](const Lane& lane) {
      return lane.pipeline->priority != first->pipeline->priority;
    });
    Lanes locked;
    Lanes open;
    for (; first != last; ++first) {
      (first->pipeline->locks.empty() ? open : locked).push_back(*first);
    }
    const auto slots = [&] {
      int64_t free = 0;
      for (const Session* session : sessions) free += session->FreeSlots();
      return std::min(free, kLeaseBatchMax);
    };
    GrantLocked(tx, locked, open, slots(), reserved, now);
    while (GrantFairly(tx, open, slots(), now)) {
    }
  }
}

bool Assigner::Lease(StoreTransaction& tx, const Lane& lane, const Job& job, absl::Time now) {
  Session* const session = lane.MostFree();
  if (session == nullptr) return false;
  absl::StatusOr<Job> leased = book_.Change(
      tx, job, LeaseTo{session->id, session->executor.name, session->executor.host}, now);
  if (!leased.ok()) return false;
  book_.effects().grants.push_back(Grant{session->id, *std::move(leased), lane.pipeline});
  passes_[job.pipeline] += 1.0 / lane.pipeline->weight;
  return true;
}

// Pipelines whose locks are free and whose turn it is, beside those that need none.
std::set<std::string> Assigner::LockedTurns(const Lanes& locked, const Lanes& open, int64_t slots) {
  Lanes lanes = open;
  for (const Lane& lane : locked) {
    const std::vector<std::string>& locks = lane.pipeline->locks;
    const bool held = std::any_of(locks.begin(), locks.end(), [this](const std::string& lock) {
      return fleet_.locks.contains(lock);
    });
    if (!held) lanes.push_back(lane);
  }
  std::set<std::string> turns;
  for (const StoreTransaction::Wish& wish : Share(lanes, slots)) turns.insert(wish.pipeline);
  return turns;
}

void Assigner::GrantLocked(StoreTransaction& tx, const Lanes& lanes, const Lanes& open,
                           int64_t slots, std::set<std::string>& reserved, absl::Time now) {
  if (lanes.empty() || !tx.MayGrantLocks()) return;
  if (fleet_.shared) {
    fleet_.locks.clear();
    for (LockHolder& holder : tx.ListLocks()) fleet_.locks[holder.lock] = std::move(holder);
  }
  const auto taken = [&](const std::string& lock) {
    return fleet_.locks.contains(lock) || reserved.contains(lock);
  };
  std::vector<StoreTransaction::Wish> wishes;
  for (const Lane& lane : lanes) {
    const std::vector<std::string>& locks = lane.pipeline->locks;
    // Where all are taken there is nothing to have, nor to reserve.
    if (std::all_of(locks.begin(), locks.end(), taken)) continue;
    wishes.push_back({lane.pipeline->name, 1});
  }
  if (wishes.empty()) return;
  std::vector<Job> jobs = tx.Claim(wishes);
  for (const StoreTransaction::Wish& wish : wishes) {
    const bool found = std::any_of(jobs.begin(), jobs.end(),
                                   [&](const Job& job) { return job.pipeline == wish.pipeline; });
    if (!found) fleet_.ready.erase(wish.pipeline);
  }
  const std::set<std::string> turns = LockedTurns(lanes, open, slots);
  std::stable_sort(jobs.begin(), jobs.end(), [](const Job& a, const Job& b) {
    return std::tuple(-a.priority, a.id) < std::tuple(-b.priority, b.id);
  });
  for (const Job& job : jobs) {
    const auto lane = std::find_if(lanes.begin(), lanes.end(), [&](const Lane& each) {
      return each.pipeline->name == job.pipeline;
    });
    // One that no slot is free for must not hold its locks back from others.
    if (lane->MostFree() == nullptr) continue;
    const std::vector<std::string>& locks = lane->pipeline->locks;
    // It keeps its place in line for its locks, also when a slot is another pipeline's turn.
    if (!turns.contains(job.pipeline) || std::any_of(locks.begin(), locks.end(), taken)) {
      reserved.insert(locks.begin(), locks.end());
    } else {
      Lease(tx, *lane, job, now);
    }
  }
}

// How many jobs each pipeline may have of the free slots.
std::vector<StoreTransaction::Wish> Assigner::Share(const Lanes& lanes, int64_t slots) {
  struct Entry {
    double pass;
    double step;
    int64_t left;  // slots that could run it
    size_t sessions;
    StoreTransaction::Wish wish;
  };
  std::vector<Entry> entries;
  double lowest = std::numeric_limits<double>::infinity();
  for (const Lane& lane : lanes) {
    const std::string& name = lane.pipeline->name;
    // Of a pipeline with locks one job runs at a time.
    const int64_t most = lane.pipeline->locks.empty() ? kLeaseBatchMax : 1;
    const int64_t free = std::min(lane.FreeSlots(), most);
    if (free == 0 || !fleet_.ready.contains(name)) continue;
    double& pass = passes_[name];
    pass = std::max(pass, base_pass_);
    lowest = std::min(lowest, pass);
    entries.push_back({pass, 1.0 / lane.pipeline->weight, free, lane.sessions.size(), {name, 0}});
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
  const std::vector<StoreTransaction::Wish> wishes = Share(lanes, slots);
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
