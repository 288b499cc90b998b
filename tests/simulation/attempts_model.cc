#include "tests/simulation/attempts_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace closewrite::simulation {
namespace {

constexpr absl::Duration kLookAgain = absl::Milliseconds(150);
// Mounts may show what was for so long.
constexpr absl::Duration kMountLagMax = absl::Seconds(1);

// Runs of tasks have no file.
bool ReadsFile(const Grant& grant) {
  return !grant.job.input.volume.empty() && ReadsInput(*grant.pipeline);
}

Finished Ending(Outcome outcome, std::string message) {
  return {.outcome = outcome, .message = std::move(message)};
}

}  // namespace

AttemptsModel::Entry* AttemptsModel::Find(const Lease& lease, int64_t number) {
  const auto found = entries_.find(lease);
  return found == entries_.end() || found->second.number != number ? nullptr : &found->second;
}

void AttemptsModel::Later(absl::Duration delay, const Lease& lease, const Entry& entry,
                          void (AttemptsModel::*step)(const Lease&, Entry&)) {
  options_.part->After(delay, [this, lease, number = entry.number, step] {
    Entry* const found = Find(lease, number);
    if (found != nullptr && found->stage != Stage::kEnded) (this->*step)(lease, *found);
  });
}

void AttemptsModel::TakeUp() {
  for (const auto& [lease, left] : options_.journal->entries()) {
    Entry& entry = entries_[lease];
    entry.grant = left.grant;
    entry.number = ++numbers_;
    entry.stage = Stage::kEnded;
    entry.log = left.log;
    entry.result = left.result.value_or(
        Ending(Outcome::kLost, "the executor was restarted while the command ran"));
    entry.result.token = lease.token;
    if (!left.result.has_value()) options_.witness->OnEnded(lease, entry.result);
  }
}

void AttemptsModel::Accept(const Grant& grant, absl::Duration lease_deadline) {
  const Lease lease{grant.job.id, grant.job.token};
  if (entries_.contains(lease) || settled_.contains(lease)) return;
  if (options_.world->now() >= lease_deadline) return;
  const bool full = draining_ || running() >= options_.slots;
  Entry& entry = entries_[lease];
  entry.grant = grant;
  entry.number = ++numbers_;
  entry.lease_deadline = lease_deadline;
  if (grant.job.cancelling) {
    return End(lease, entry, Ending(Outcome::kHandedBack, "it was cancelled before it came"));
  }
  if (full) return End(lease, entry, Ending(Outcome::kHandedBack, "all its slots are taken"));
  entry.look_until = options_.world->now() + grant.pipeline->visible_within;
  options_.witness->OnAssigned(options_.part->name(), grant);
  CheckInput(lease, entry);
}

VolumeModel* AttemptsModel::Reachable(const std::string& volume) const {
  const auto found = options_.volumes->find(volume);
  if (found == options_.volumes->end()) return nullptr;
  const HostId home = found->second->home();
  const bool reachable = options_.network->Reaches(options_.host, home) &&
                         options_.network->Reaches(home, options_.host);
  return reachable ? found->second : nullptr;
}

AttemptsModel::Look AttemptsModel::LookAtInput(const Job& job) const {
  const VolumeModel* const volume = Reachable(job.input.volume);
  const VolumeModel::File* const file = volume == nullptr ? nullptr : volume->Find(job.input.path);
  if (file == nullptr) return Look::kAbsent;
  // Each mount is late in its own way.
  const uint64_t late = Random::Mix(static_cast<uint64_t>(file->version.mtime_ns) +
                                    static_cast<uint64_t>(options_.host));
  const absl::Duration lag =
      late % 4 != 0 ? absl::ZeroDuration() : kMountLagMax * (static_cast<double>(late % 97) / 97);
  if (options_.world->now() < file->changed_at + lag) return Look::kAbsent;
  const bool same = file->version.size == job.input.size &&
                    file->version.mtime_ns == job.input.mtime_ns && !file->open;
  return same ? Look::kAnnounced : Look::kChanged;
}

void AttemptsModel::CheckInput(const Lease& lease, Entry& entry) {
  const Grant& grant = entry.grant;
  const absl::Duration now = options_.world->now();
  if (entry.stopped || now >= entry.lease_deadline) {
    return End(lease, entry, Ending(Outcome::kHandedBack, "the lease could not be renewed"));
  }
  if (!ReadsFile(grant)) return Run(lease, entry);
  const Look look = LookAtInput(grant.job);
  if (look == Look::kAnnounced) return Run(lease, entry);
  if (now < entry.look_until) return Later(kLookAgain, lease, entry, &AttemptsModel::CheckInput);
  End(lease, entry,
      look == Look::kChanged ? Ending(Outcome::kInputChanged, "another version is there")
                             : Ending(Outcome::kInputNotVisible, "input not visible"));
}

void AttemptsModel::Run(const Lease& lease, Entry& entry) {
  const Grant& grant = entry.grant;
  entry.script = ScriptFor(*options_.scenario, *grant.pipeline, grant.job, *options_.calm);
  entry.stage = Stage::kRunning;
  options_.journal->RecordStart(lease, grant);
  options_.witness->OnStarted(options_.part->name(), grant, options_.machine);
  const auto on_end = [this, lease, number = entry.number, script = entry.script,
                       volume = grant.job.output_volume, part = options_.part,
                       life = options_.part->life()](CommandEnd why) {
    Finished result{.outcome = script.outcome, .exit_code = script.exit_code};
    // The process may be another one by now, or none: `this` is gone then.
    if (part->life() != life) return;
    if (why == CommandEnd::kByItself) StageOutputs(lease, script, volume, result);
    part->After(absl::ZeroDuration(), [this, lease, number, why, result] {
      if (Entry* const found = Find(lease, number)) OnCommandEnd(lease, *found, why, result);
    });
  };
  entry.pid = options_.commands->Start(
      lease, {.lease_deadline = entry.lease_deadline, .runs = entry.script.runs, .on_end = on_end});
  options_.world->Note(options_.part->name(), "runs job $0/$1 as pid $2",
                       {lease.job.value, lease.token.value, entry.pid});
  Output(lease, entry, entry.script.log_records / 2);
  changed_ = true;
  options_.wake();
}

// What a command has written before it exits.
void AttemptsModel::StageOutputs(const Lease& lease, const CommandScript& script,
                                 const std::string& volume, Finished& result) const {
  if (script.outcome != Outcome::kSucceeded || script.outputs.empty()) return;
  VolumeModel* const target = Reachable(volume);
  if (target == nullptr) {
    result = {.outcome = Outcome::kFailed, .exit_code = 1, .message = "input/output error"};
    return;
  }
  for (const std::string& path : script.outputs) {
    target->Stage(lease, path);
    result.outputs.push_back({.path = path, .size = 1});
  }
}

void AttemptsModel::Output(const Lease& lease, Entry& entry, int64_t records) {
  while (static_cast<int64_t>(entry.log.size()) < records * kLogRecordSize) {
    entry.log += LogRecordOf(lease, static_cast<int64_t>(entry.log.size()) / kLogRecordSize);
  }
  options_.journal->RecordLog(lease, entry.log);
}

void AttemptsModel::OnCommandEnd(const Lease& lease, Entry& entry, CommandEnd why,
                                 Finished result) {
  Output(lease, entry, entry.script.log_records);
  entry.stage = Stage::kConcluding;
  entry.result = std::move(result);
  if (why != CommandEnd::kByItself) {
    return End(lease, entry, Ending(Outcome::kKilled, "it was killed, or its lease was over"));
  }
  if (entry.result.outcome != Outcome::kSucceeded) return End(lease, entry, entry.result);
  Later(options_.world->random().Between(absl::ZeroDuration(), absl::Milliseconds(10)), lease,
        entry, &AttemptsModel::Conclude);
}

// The command has succeeded. Was what it read the announced version?
void AttemptsModel::Conclude(const Lease& lease, Entry& entry) {
  const Grant& grant = entry.grant;
  if (entry.stopped || options_.world->now() >= entry.lease_deadline) {
    return End(lease, entry, Ending(Outcome::kKilled, "the lease could not be renewed"));
  }
  if (ReadsFile(grant) && LookAtInput(grant.job) == Look::kChanged) {
    return End(lease, entry, Ending(Outcome::kInputChanged, "it was changed meanwhile"));
  }
  End(lease, entry, entry.result);
}

void AttemptsModel::End(const Lease& lease, Entry& entry, Finished result) {
  result.token = lease.token;
  entry.result = std::move(result);
  entry.stage = Stage::kEnded;
  const bool succeeded = entry.result.outcome == Outcome::kSucceeded;
  if (!succeeded) {
    entry.result.outputs.clear();
    VolumeModel* const volume = Reachable(entry.grant.job.output_volume);
    if (volume != nullptr) volume->RemoveStaging(lease);
  }
  if (entry.pid != 0) options_.journal->RecordResult(lease, entry.result);
  options_.world->Note(
      options_.part->name(), "ends job $0/$1, outcome $2: $d",
      {lease.job.value, lease.token.value, static_cast<int64_t>(entry.result.outcome)},
      entry.result.message);
  options_.witness->OnEnded(lease, entry.result);
  changed_ = true;
  options_.wake();
}

void AttemptsModel::Kill(const Lease& lease, Entry& entry) {
  entry.stopped = true;
  if (entry.stage == Stage::kRunning) options_.commands->Kill(lease);
  if (entry.stage == Stage::kChecking) CheckInput(lease, entry);
}

void AttemptsModel::Renew(absl::Duration lease_deadline) {
  for (auto& [lease, entry] : entries_) {
    if (!entry.forgotten) entry.lease_deadline = std::max(entry.lease_deadline, lease_deadline);
  }
  options_.commands->Renew(lease_deadline);
}

void AttemptsModel::KeepOnly(const std::vector<Lease>& held) {
  for (auto& [lease, entry] : entries_) {
    const bool kept = std::find(held.begin(), held.end(), lease) != held.end();
    if (entry.forgotten || entry.unheld || kept) continue;
    entry.unheld = true;
    if (entry.stage == Stage::kEnded) {
      changed_ = true;
    } else {
      options_.witness->OnWithdrawn(lease);
      Kill(lease, entry);
    }
  }
}

AttemptsModel::Entries::iterator AttemptsModel::Drop(Entries::iterator entry) {
  options_.journal->Forget(entry->first);
  return entries_.erase(entry);
}

void AttemptsModel::Settle(const std::vector<Lease>& leases) {
  for (const Lease& lease : leases) {
    settled_.insert(lease);
    const auto found = entries_.find(lease);
    if (found == entries_.end()) continue;
    Entry& entry = found->second;
    if (entry.stage == Stage::kEnded) {
      options_.witness->OnSettled(lease, entry.result);
      Drop(found);
    } else {
      entry.forgotten = true;
      Kill(lease, entry);
    }
  }
}

void AttemptsModel::AcknowledgeLogs(const std::vector<std::pair<Lease, int64_t>>& lengths) {
  for (const auto& [lease, length] : lengths) {
    const auto found = entries_.find(lease);
    if (found == entries_.end()) continue;
    Entry& entry = found->second;
    const int64_t size = static_cast<int64_t>(entry.log.size());
    if (!entry.unheld) options_.witness->OnLogAcknowledged(lease, std::min(length, size));
    entry.log_acknowledged = std::clamp(length, entry.log_acknowledged, size);
    entry.log_sent = std::max(entry.log_sent, entry.log_acknowledged);
    if (entry.log_sent < size) changed_ = true;
  }
}

void AttemptsModel::ForgetAll() {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    if (entry->second.stage == Stage::kEnded) {
      entry = Drop(entry);
    } else {
      entry->second.forgotten = true;
      Kill(entry->first, entry->second);
      ++entry;
    }
  }
  settled_.clear();
}

void AttemptsModel::KillAll() {
  for (auto& [lease, entry] : entries_) {
    if (entry.stage != Stage::kEnded) Kill(lease, entry);
  }
}

void AttemptsModel::Drain() {
  draining_ = true;
  for (auto& [lease, entry] : entries_) {
    if (entry.stage == Stage::kChecking) Kill(lease, entry);
  }
}

void AttemptsModel::StartStream() {
  for (auto& [lease, entry] : entries_) {
    entry.log_sent = entry.log_acknowledged;
    entry.start_sent = entry.result_sent = entry.unheld = false;
  }
}

void AttemptsModel::Fill(bool heartbeat, AttendReport& report) {
  report.heartbeat = heartbeat;
  report.draining = draining_;
  for (auto& [lease, entry] : entries_) {
    if (!entry.forgotten) FillEntry(lease, entry, heartbeat, report);
  }
}

void AttemptsModel::FillEntry(const Lease& lease, Entry& entry, bool heartbeat,
                              AttendReport& report) {
  const int64_t size = static_cast<int64_t>(entry.log.size());
  if (entry.log_sent < size) {
    report.logs.push_back(
        {lease, entry.log_sent, entry.log.substr(static_cast<size_t>(entry.log_sent))});
    entry.log_sent = size;
  }
  if (entry.stage == Stage::kEnded) {
    if (!heartbeat && entry.result_sent) return;
    report.results.push_back({lease.job, entry.result});
    entry.result_sent = true;
    return;
  }
  const bool started = entry.pid != 0 && !entry.start_sent;
  if (!heartbeat && !started) return;
  report.running.push_back({.lease = lease, .pid = entry.pid, .progress = {}});
  entry.start_sent = entry.start_sent || started;
}

bool AttemptsModel::Reap() {
  bool none = true;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const bool ended = entry->second.stage == Stage::kEnded;
    if (entry->second.forgotten && !ended) none = false;
    entry = entry->second.forgotten && ended ? Drop(entry) : std::next(entry);
  }
  return none;
}

int AttemptsModel::running() const {
  return static_cast<int>(std::count_if(entries_.begin(), entries_.end(), [](const auto& item) {
    return item.second.stage != Stage::kEnded;
  }));
}

}  // namespace closewrite::simulation
