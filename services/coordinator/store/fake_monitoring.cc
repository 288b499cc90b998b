#include "services/coordinator/store/fake_monitoring.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "services/coordinator/store/copy_row.h"

namespace closewrite {
namespace {

// Sorts by what `key` gives, and keeps the first ones.
template <class Row, class Key>
std::vector<Row> FirstOf(std::vector<Row> rows, int64_t limit, Key key) {
  std::sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) { return key(a) < key(b); });
  const auto first = static_cast<size_t>(std::max<int64_t>(limit, 0));
  if (rows.size() > first) rows.resize(first);
  return rows;
}

// The same from the other end.
template <class Row, class Key>
std::vector<Row> LastOf(std::vector<Row> rows, int64_t limit, Key key) {
  std::sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) { return key(b) < key(a); });
  const auto last = static_cast<size_t>(std::max<int64_t>(limit, 0));
  if (rows.size() > last) rows.resize(last);
  return rows;
}

template <class Map, class Wanted>
std::vector<typename Map::mapped_type> Select(const Map& map, Wanted wanted) {
  std::vector<typename Map::mapped_type> rows;
  for (const auto& [key, row] : map) {
    if (wanted(row)) rows.push_back(row);
  }
  return rows;
}

std::pair<absl::Time, int64_t> PlaceOf(const Load& load) { return {load.at, load.id}; }

std::pair<absl::Time, std::string> PlaceOf(const Execution& execution) {
  return {execution.started_at, execution.id};
}

std::pair<absl::Time, int64_t> PlaceOf(const AuditEntry& entry) { return {entry.at, entry.id}; }

bool IsAnyOr(const std::string& wanted, const std::string& name) {
  return wanted.empty() || wanted == name;
}

}  // namespace

void FakeMonitoring::CopyRows(const FakeMonitoring& from, const Touched& touched) {
  for (const int64_t id : touched.points) CopyRow(from.points_, id, &points_);
  for (const IncrementKey& key : touched.increments) CopyRow(from.increments_, key, &increments_);
  for (const int64_t id : touched.loads) CopyRow(from.loads_, id, &loads_);
  for (const std::string& id : touched.executions) CopyRow(from.executions_, id, &executions_);
  for (const NoteName& name : touched.notes) CopyRow(from.notes_, name, &notes_);
  for (const int64_t id : touched.audit) CopyRow(from.audit_, id, &audit_);
  last_point_id_ = from.last_point_id_;
  last_load_id_ = from.last_load_id_;
  last_audit_id_ = from.last_audit_id_;
}

std::vector<PointBatch> FakeMonitoring::ReadPoints(int64_t limit) const {
  std::vector<PointBatch> batches;
  int64_t count = 0;
  for (auto it = points_.begin(); it != points_.end() && count < limit; ++it) {
    batches.push_back(it->second);
    count += it->second.count;
  }
  return batches;
}

PointRange FakeMonitoring::GetPointRange() const {
  if (points_.empty()) return {};
  const PointBatch& first = points_.begin()->second;
  return {.oldest = first.id - first.count + 1, .newest = points_.rbegin()->first};
}

const Increment* FakeMonitoring::FindIncrement(const IncrementKey& key) const {
  const auto found = increments_.find(key);
  return found == increments_.end() ? nullptr : &found->second;
}

std::vector<Increment> FakeMonitoring::ListIncrements(const std::string& job,
                                                      const IncrementKey& after,
                                                      int64_t limit) const {
  std::vector<Increment> increments;
  for (auto it = increments_.upper_bound(after); it != increments_.end(); ++it) {
    if (static_cast<int64_t>(increments.size()) >= limit) break;
    if (IsAnyOr(job, it->first.job)) increments.push_back(it->second);
  }
  return increments;
}

std::vector<Load> FakeMonitoring::ListLoads(const LoadFilter& filter, const LoadPlace& before,
                                            int64_t limit) const {
  std::vector<Load> loads = Select(loads_, [&](const Load& load) {
    return IsAnyOr(filter.job, load.job) && IsAnyOr(filter.datasource, load.datasource) &&
           load.at >= filter.since && PlaceOf(load) < std::pair(before.at, before.id);
  });
  return LastOf(std::move(loads), limit, [](const Load& load) { return PlaceOf(load); });
}

const Execution* FakeMonitoring::FindExecution(const std::string& id) const {
  const auto found = executions_.find(id);
  return found == executions_.end() ? nullptr : &found->second;
}

std::vector<Execution> FakeMonitoring::ListExecutions(const ExecutionFilter& filter,
                                                      const ExecutionPlace& before,
                                                      int64_t limit) const {
  std::vector<Execution> executions = Select(executions_, [&](const Execution& execution) {
    return IsAnyOr(filter.job, execution.job) && execution.started_at >= filter.since &&
           PlaceOf(execution) < std::pair(before.started_at, before.id);
  });
  return LastOf(std::move(executions), limit, [](const Execution& e) { return PlaceOf(e); });
}

std::vector<Note> FakeMonitoring::ListNotes(const std::string& kind, const std::string& after,
                                            int64_t limit) const {
  std::vector<Note> notes;
  for (auto it = notes_.upper_bound({kind, after}); it != notes_.end(); ++it) {
    if (it->first.first != kind || static_cast<int64_t>(notes.size()) >= limit) break;
    notes.push_back({it->first.second, it->second});
  }
  return notes;
}

const std::string* FakeMonitoring::FindNote(const std::string& kind, const std::string& key) const {
  const auto found = notes_.find({kind, key});
  return found == notes_.end() ? nullptr : &found->second;
}

int64_t FakeMonitoring::CountNotes(const std::string& kind, int64_t limit) const {
  return static_cast<int64_t>(ListNotes(kind, "", limit).size());
}

std::vector<AuditEntry> FakeMonitoring::ListAudit(const AuditFilter& filter,
                                                  const AuditPlace& before, int64_t limit) const {
  std::vector<AuditEntry> entries = Select(audit_, [&](const AuditEntry& entry) {
    return (IsAnyOr(filter.who, entry.name) || filter.who == entry.user) &&
           IsAnyOr(filter.service, entry.service) && IsAnyOr(filter.method, entry.method) &&
           entry.at >= filter.since && PlaceOf(entry) < std::pair(before.at, before.id);
  });
  return LastOf(std::move(entries), limit, [](const AuditEntry& entry) { return PlaceOf(entry); });
}

void FakeMonitoring::AppendPoints(int64_t count, std::string_view lines, Touched* touched) {
  last_point_id_ += count;
  points_[last_point_id_] = {.id = last_point_id_, .count = count, .lines = std::string(lines)};
  touched->points.insert(last_point_id_);
}

int64_t FakeMonitoring::ErasePoints(const std::vector<int64_t>& ids, Touched* touched) {
  int64_t erased = 0;
  for (const int64_t id : ids) {
    if (points_.erase(id) == 0) continue;
    touched->points.insert(id);
    ++erased;
  }
  return erased;
}

void FakeMonitoring::PutIncrement(const Increment& increment, Touched* touched) {
  increments_[increment.key()] = increment;
  touched->increments.insert(increment.key());
}

void FakeMonitoring::AppendLoad(const Load& load, Touched* touched) {
  const int64_t id = ++last_load_id_;
  loads_[id] = load;
  loads_[id].id = id;
  touched->loads.insert(id);
}

int64_t FakeMonitoring::PruneLoads(absl::Time before, int64_t limit, Touched* touched) {
  const std::vector<Load> old =
      FirstOf(Select(loads_, [&](const Load& load) { return load.at < before; }), limit,
              [](const Load& load) { return PlaceOf(load); });
  for (const Load& load : old) {
    loads_.erase(load.id);
    touched->loads.insert(load.id);
  }
  return static_cast<int64_t>(old.size());
}

void FakeMonitoring::PutExecution(const Execution& execution, Touched* touched) {
  executions_[execution.id] = execution;
  touched->executions.insert(execution.id);
}

int64_t FakeMonitoring::PruneExecutions(absl::Time before, int64_t limit, Touched* touched) {
  const auto is_old = [&](const Execution& execution) {
    const bool open = execution.ended_at == absl::InfiniteFuture();
    return (open ? execution.started_at : execution.ended_at) < before;
  };
  const std::vector<Execution> old =
      FirstOf(Select(executions_, is_old), limit, [](const Execution& execution) {
        return std::tuple(execution.ended_at, execution.started_at, execution.id);
      });
  for (const Execution& execution : old) {
    executions_.erase(execution.id);
    touched->executions.insert(execution.id);
  }
  return static_cast<int64_t>(old.size());
}

void FakeMonitoring::PutNote(const std::string& kind, const Note& note, Touched* touched) {
  notes_[{kind, note.key}] = note.value;
  touched->notes.insert({kind, note.key});
}

void FakeMonitoring::EraseNote(const std::string& kind, const std::string& key, Touched* touched) {
  if (notes_.erase({kind, key}) != 0) touched->notes.insert({kind, key});
}

void FakeMonitoring::AppendAudit(const AuditEntry& entry, Touched* touched) {
  const int64_t id = ++last_audit_id_;
  audit_[id] = entry;
  audit_[id].id = id;
  touched->audit.insert(id);
}

int64_t FakeMonitoring::PruneAudit(absl::Time before, int64_t limit, Touched* touched) {
  const std::vector<AuditEntry> old =
      FirstOf(Select(audit_, [&](const AuditEntry& entry) { return entry.at < before; }), limit,
              [](const AuditEntry& entry) { return PlaceOf(entry); });
  for (const AuditEntry& entry : old) {
    audit_.erase(entry.id);
    touched->audit.insert(entry.id);
  }
  return static_cast<int64_t>(old.size());
}

}  // namespace closewrite
