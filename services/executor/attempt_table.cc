#include "services/executor/attempt_table.h"

#include <algorithm>
#include <set>

#include "services/clock/clock.h"
#include "services/config/config.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"

namespace closewrite::executor {
namespace {

v1::LeaseRef LeaseOf(const std::pair<int64_t, int64_t>& key) {
  v1::LeaseRef lease;
  lease.set_job_id(key.first);
  lease.set_token(key.second);
  return lease;
}

// What is staged stays: if it was never reported, the publisher sweeps.
v1::AttemptResult ResultOfDead(const JournalEntry& entry, const std::string& host) {
  if (entry.state.has_value() && entry.state->ended != 0) {
    v1::AttemptResult result =
        ResultOf(EndOf(*entry.state),
                 {.program = entry.assignment.command_size() > 0 ? entry.assignment.command(0) : "",
                  .place = {.host = host},
                  .timeout = FromProto(entry.assignment.timeout()),
                  .stop_reason = std::nullopt,
                  .adopted = true});
    if (result.outcome() != v1::ATTEMPT_OUTCOME_SUCCEEDED) return result;
  }
  return EndedAs(v1::ATTEMPT_OUTCOME_LOST, "the executor died while the command ran");
}

}  // namespace

// One message that is being put together.
struct AttemptTable::Filling {
  bool heartbeat;
  v1::AttendRequest* request;
  int64_t window_left;
  size_t log_bytes_left = kMessageLogBytesMax;
  size_t result_bytes_left = kMessageResultBytesMax;
  bool more = false;
};

AttemptTable::AttemptTable(Options options)
    : options_(std::move(options)), context_(options_.context) {
  context_.on_change = [this] { NoteChange(); };
  context_.on_output = [this] {
    if (!grown_.exchange(true)) options_.wake();
  };
}

AttemptTable::~AttemptTable() {
  KillAll("the executor is ending");
  Entries entries;
  {
    absl::MutexLock lock(&mutex_);
    entries.swap(entries_);
  }
}

void AttemptTable::NoteChange() {
  changed_ = true;
  options_.wake();
}

bool AttemptTable::Ended(const Entry& entry) {
  return entry.attempt == nullptr || entry.attempt->view().ended;
}

// Whether there is more of its log to be sent.
bool AttemptTable::HasLog(const Entry& entry) {
  return entry.log != nullptr && !entry.log_broken && entry.log->HasMore(entry.log_sent);
}

// Whether the coordinator has all of its log.
bool AttemptTable::LogIsRecorded(const Entry& entry) {
  return entry.log == nullptr || entry.log_broken ||
         (!HasLog(entry) && entry.log_acknowledged >= entry.log_sent);
}

void AttemptTable::Add(const v1::LeaseRef& lease, Entry entry) {
  entry.log_sent = entry.log_acknowledged = entry.log->start();
  LogInfo(
      "took up an attempt of an earlier run",
      {{"job", lease.job_id()},
       {"token", lease.token()},
       {"outcome", entry.attempt != nullptr ? "not known yet"
                                            : v1::AttemptOutcome_Name(entry.result.outcome())}});
  entries_.emplace(KeyOf(lease), std::move(entry));
}

void AttemptTable::TakeUp(std::vector<JournalEntry> left) {
  std::vector<JournalEntry> dead;
  const std::string boot = BootId();
  std::set<std::string> known;
  for (const JournalEntry& old : left) {
    known.insert(context_.journal->FilesOf(old.assignment.lease()).name());
  }
  context_.groups.RemoveAllBut(known);
  {
    absl::MutexLock lock(&mutex_);
    for (JournalEntry& old : left) {
      // After a power cut a success means nothing: what was written may be lost.
      if (old.result.has_value() || !old.state.has_value() || old.state->boot != boot) {
        dead.push_back(std::move(old));
        continue;
      }
      const v1::LeaseRef lease = old.assignment.lease();
      Entry entry;
      entry.pipeline = old.assignment.pipeline();
      entry.attempt = std::make_unique<Attempt>(&context_, std::move(old.assignment), *old.state);
      entry.log = entry.attempt->log();
      if (context_.meters != nullptr) context_.meters->TakeResumed();
      Add(lease, std::move(entry));
      entries_.at(KeyOf(lease)).attempt->Start();
    }
  }
  TakeUpDead(std::move(dead));
}

void AttemptTable::TakeUpDead(std::vector<JournalEntry> left) {
  absl::MutexLock lock(&mutex_);
  for (JournalEntry& old : left) {
    const v1::LeaseRef& lease = old.assignment.lease();
    Entry entry;
    entry.pipeline = old.assignment.pipeline();
    entry.log = std::make_shared<AttemptLog>(context_.journal->LogFolder(lease));
    if (old.state.has_value() && old.state->ended != 0) {
      entry.log->NoteEnd(old.state->log_bytes, old.state->ended_us);
    }
    const bool is_new = !old.result.has_value();
    entry.result = is_new ? ResultOfDead(old, context_.host) : *std::move(old.result);
    if (is_new) CountEnd(entry);
    *entry.result.mutable_lease() = lease;
    Add(lease, std::move(entry));
  }
}

void AttemptTable::Accept(const v1::Assignment& assignment, absl::Duration lease_deadline,
                          absl::Duration now) {
  const Key key = KeyOf(assignment.lease());
  absl::MutexLock lock(&mutex_);
  if (entries_.count(key) != 0 || settled_.count(key) != 0) return;
  if (now >= lease_deadline) {
    LogWarn("an assignment came after its lease", {{"job", key.first}, {"token", key.second}});
    return;
  }
  if (assignment.cancelled()) return AddHandedBack(assignment, "it was cancelled before it came");
  if (draining_) return AddHandedBack(assignment, "the executor is stopping");
  if (RunningLocked() >= options_.slots)
    return AddHandedBack(assignment, "all its slots are taken");
  Entry entry;
  entry.pipeline = assignment.pipeline();
  entry.attempt = std::make_unique<Attempt>(&context_, assignment, lease_deadline);
  entry.log = entry.attempt->log();
  LogInfo("attempt", {{"job", key.first},
                      {"token", key.second},
                      {"pipeline", assignment.pipeline()},
                      {"input", assignment.input().path()}});
  entries_.emplace(key, std::move(entry)).first->second.attempt->Start();
}

void AttemptTable::AddHandedBack(const v1::Assignment& assignment, const char* why) {
  Entry entry;
  entry.pipeline = assignment.pipeline();
  *entry.result.mutable_lease() = assignment.lease();
  entry.result.set_outcome(v1::ATTEMPT_OUTCOME_HANDED_BACK);
  entry.result.set_message(why);
  CountEnd(entry);
  entries_.emplace(KeyOf(assignment.lease()), std::move(entry));
  NoteChange();
}

void AttemptTable::CountEnd(const Entry& entry) const {
  if (context_.meters != nullptr) context_.meters->Take(entry.pipeline, entry.result, std::nullopt);
}

void AttemptTable::Renew(absl::Duration lease_deadline) {
  absl::MutexLock lock(&mutex_);
  for (auto& [key, entry] : entries_) {
    if (entry.attempt != nullptr && !entry.forgotten) entry.attempt->Renew(lease_deadline);
  }
}

void AttemptTable::KeepOnly(const google::protobuf::RepeatedPtrField<v1::LeaseRef>& held,
                            const google::protobuf::RepeatedPtrField<v1::LeaseRef>& cancelled) {
  std::set<Key> keys;
  for (const v1::LeaseRef& lease : held) keys.insert(KeyOf(lease));
  std::set<Key> ending;
  for (const v1::LeaseRef& lease : cancelled) ending.insert(KeyOf(lease));
  absl::MutexLock lock(&mutex_);
  for (auto& [key, entry] : entries_) {
    if (entry.forgotten || entry.unheld || keys.count(key) != 0) continue;
    if (ending.count(key) != 0) {
      if (!Ended(entry)) entry.attempt->Terminate("its job was cancelled");
      continue;
    }
    entry.unheld = true;
    if (Ended(entry)) {
      NoteChange();
    } else {
      LogInfo("lease withdrawn", {{"job", key.first}, {"token", key.second}});
      entry.attempt->Kill("its lease was withdrawn");
    }
  }
}

AttemptTable::Entries::node_type AttemptTable::Extract(Entries::iterator entry) {
  const v1::LeaseRef lease = LeaseOf(entry->first);
  context_.journal->Forget(lease);
  if (entry->second.log != nullptr) entry->second.log->Remove();
  return entries_.extract(entry);
}

void AttemptTable::Settle(const google::protobuf::RepeatedPtrField<v1::LeaseRef>& leases) {
  std::vector<Entries::node_type> gone;
  absl::MutexLock lock(&mutex_);
  for (const v1::LeaseRef& lease : leases) {
    const Key key = KeyOf(lease);
    if (settled_.insert(key).second) settled_order_.push_back(key);
    if (settled_order_.size() > kSettledLeasesMax) {
      settled_.erase(settled_order_.front());
      settled_order_.pop_front();
    }
    const auto found = entries_.find(key);
    if (found != entries_.end()) Forget(found, "its lease was settled without it", &gone);
  }
  if (!gone.empty()) options_.wake();
}

void AttemptTable::AcknowledgeLogs(const google::protobuf::RepeatedPtrField<v1::LogAck>& acks) {
  absl::MutexLock lock(&mutex_);
  for (const v1::LogAck& ack : acks) {
    const auto found = entries_.find(KeyOf(ack.lease()));
    if (found == entries_.end() || found->second.log == nullptr) continue;
    Entry& entry = found->second;
    // The coordinator has lost what it had, as from a backup: there is nothing to go on from.
    if (ack.length() < entry.log_acknowledged) entry.log_broken = true;
    const int64_t end = std::max(entry.log->end(), entry.log_acknowledged);
    entry.log_acknowledged = std::clamp(ack.length(), entry.log_acknowledged, end);
    entry.log_sent = std::max(entry.log_sent, entry.log_acknowledged);
    entry.log->Acknowledge(entry.log_acknowledged);
    if (entry.forgotten) options_.wake();  // it may be reaped
    if (!HasLog(entry)) continue;
    if (Ended(entry)) NoteChange();
    if (!grown_.exchange(true)) options_.wake();
  }
}

void AttemptTable::ForgetAll() {
  std::vector<Entries::node_type> gone;
  absl::MutexLock lock(&mutex_);
  for (auto next = entries_.begin(); next != entries_.end();) {
    Forget(next++, "the session is gone", &gone);
  }
  settled_.clear();
  settled_order_.clear();
}

// Its result does not count any more. What it has written does: whoever looks for what happened
// has nothing else.
void AttemptTable::Forget(Entries::iterator entry, std::string_view why,
                          std::vector<Entries::node_type>* gone) {
  if (Ended(entry->second) && LogIsRecorded(entry->second)) {
    gone->push_back(Extract(entry));
    return;
  }
  entry->second.forgotten = true;
  if (entry->second.attempt != nullptr) entry->second.attempt->Kill(why);
}

void AttemptTable::KillAll(std::string_view why) {
  absl::MutexLock lock(&mutex_);
  for (auto& [key, entry] : entries_) {
    if (entry.attempt != nullptr) entry.attempt->Kill(why);
  }
}

void AttemptTable::TerminateAll(std::string_view why) {
  absl::MutexLock lock(&mutex_);
  for (auto& [key, entry] : entries_) {
    if (entry.attempt != nullptr) entry.attempt->Terminate(why);
  }
}

void AttemptTable::Drain() {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
  for (auto& [key, entry] : entries_) {
    if (entry.attempt != nullptr) entry.attempt->HandBack();
  }
  NoteChange();
}

void AttemptTable::StartStream() {
  absl::MutexLock lock(&mutex_);
  for (auto& [key, entry] : entries_) {
    entry.log_sent = entry.log_acknowledged;
    entry.start_sent = entry.result_sent = entry.unheld = false;
    entry.progress_sent = 0;
  }
}

bool AttemptTable::Fill(bool heartbeat, v1::AttendRequest* request) {
  absl::MutexLock lock(&mutex_);
  Filling filling{.heartbeat = heartbeat, .request = request, .window_left = kWindowBytes};
  for (const auto& [key, entry] : entries_) {
    filling.window_left -= entry.log_sent - entry.log_acknowledged;
  }
  for (auto& [key, entry] : entries_) {
    if (!entry.forgotten) {
      FillEntry(key, &entry, &filling);
    } else if (HasLog(entry)) {
      FillLog(key, &entry, &filling);
    }
  }
  return filling.more;
}

void AttemptTable::FillEntry(const Key& key, Entry* entry, Filling* filling) {
  // In this order: a log is complete once its attempt has ended.
  Attempt::View view{.ended = true};
  if (entry->attempt != nullptr) view = entry->attempt->view();
  if (HasLog(*entry)) FillLog(key, entry, filling);
  if (entry->attempt != nullptr) view.progress = entry->attempt->view().progress;
  if (view.ended && (entry->unheld || !HasLog(*entry))) {
    if (!filling->heartbeat && entry->result_sent) return;
    v1::AttemptResult result = entry->attempt == nullptr ? entry->result : entry->attempt->result();
    const size_t bytes = result.ByteSizeLong();
    if (bytes <= filling->result_bytes_left) {
      filling->result_bytes_left -= bytes;
      *filling->request->add_results() = std::move(result);
      entry->result_sent = true;
      return;
    }
    filling->more = true;  // until it fits it counts as running, so that it is not sent again to us
  }
  const bool started = view.pid != 0 && !entry->start_sent;
  const bool moved = view.progress.done() != entry->progress_sent;
  if (!filling->heartbeat && (view.ended || (!started && !moved))) return;
  v1::RunningAttempt* running = filling->request->add_running();
  *running->mutable_lease() = LeaseOf(key);
  running->set_pid(view.pid);
  *running->mutable_progress() = view.progress;
  entry->start_sent = entry->start_sent || started;
  entry->progress_sent = view.progress.done();
}

void AttemptTable::FillLog(const Key& key, Entry* entry, Filling* filling) {
  while (HasLog(*entry)) {
    const int64_t window = std::min(
        filling->window_left, kAttemptWindowBytes - (entry->log_sent - entry->log_acknowledged));
    if (window < int64_t{kWholeLogRecordBytesMax}) return;  // an acknowledgement opens it
    if (filling->log_bytes_left < kWholeLogRecordBytesMax) {
      filling->more = true;
      return;
    }
    const size_t bytes_max =
        std::min<size_t>({static_cast<size_t>(window), kChunkBytesMax, filling->log_bytes_left});
    auto bytes = entry->log->Read(entry->log_sent, bytes_max);
    if (!bytes.ok()) {
      LogError("a log can't be read; the rest of it is lost",
               {{"job", key.first}, {"error", bytes.status().message()}});
      entry->log_broken = true;
      return;
    }
    if (bytes->empty()) return;
    if (entry->attempt != nullptr) entry->attempt->ReadProgress(entry->log_sent, *bytes);
    v1::LogChunk* chunk = filling->request->add_logs();
    *chunk->mutable_lease() = LeaseOf(key);
    chunk->set_offset(entry->log_sent);
    entry->log_sent += static_cast<int64_t>(bytes->size());
    log_bytes_sent_ += static_cast<int64_t>(bytes->size());
    filling->window_left -= static_cast<int64_t>(bytes->size());
    filling->log_bytes_left -= bytes->size();
    chunk->set_data(*std::move(bytes));
  }
}

int AttemptTable::RunningLocked() const {
  return static_cast<int>(std::count_if(entries_.begin(), entries_.end(),
                                        [](const auto& item) { return !Ended(item.second); }));
}

int AttemptTable::running() const {
  absl::MutexLock lock(&mutex_);
  return RunningLocked();
}

int AttemptTable::UnsettledLocked() const {
  return static_cast<int>(std::count_if(entries_.begin(), entries_.end(), [](const auto& item) {
    return Ended(item.second) && !item.second.forgotten;
  }));
}

int AttemptTable::unsettled() const {
  absl::MutexLock lock(&mutex_);
  return UnsettledLocked();
}

AttemptTable::Numbers AttemptTable::numbers() const {
  Numbers numbers;
  std::vector<std::shared_ptr<AttemptLog>> waiting;
  {
    absl::MutexLock lock(&mutex_);
    numbers.running = RunningLocked();
    numbers.unsettled = UnsettledLocked();
    numbers.log_bytes_sent = log_bytes_sent_;
    for (const auto& [key, entry] : entries_) {
      if (!LogIsRecorded(entry)) waiting.push_back(entry.log);
    }
  }
  // The disk may be slow.
  for (const auto& log : waiting) numbers.log_bytes_waiting += log->size();
  return numbers;
}

bool AttemptTable::Reap() {
  std::vector<Entries::node_type> gone;
  absl::MutexLock lock(&mutex_);
  bool none = true;
  for (auto next = entries_.begin(); next != entries_.end();) {
    const auto entry = next++;
    if (!entry->second.forgotten) continue;
    if (!Ended(entry->second)) {
      none = false;
    } else if (LogIsRecorded(entry->second)) {
      gone.push_back(Extract(entry));
    }
  }
  return none;
}

std::vector<v1::LocalAttempt> AttemptTable::Describe() const {
  absl::MutexLock lock(&mutex_);
  std::vector<v1::LocalAttempt> attempts;
  for (const auto& [key, entry] : entries_) {
    if (Ended(entry)) continue;
    v1::LocalAttempt attempt;
    *attempt.mutable_lease() = LeaseOf(key);
    attempt.set_pipeline(entry.pipeline);
    attempt.set_pid(entry.attempt->view().pid);
    attempt.set_log_bytes(entry.log->size());
    attempts.push_back(std::move(attempt));
  }
  return attempts;
}

}  // namespace closewrite::executor
