#include "services/watcher/event_interpreter.h"

#include <sys/inotify.h>

#include <algorithm>
#include <utility>

#include "services/volume/path.h"

namespace closewrite::watcher {

EventInterpreter::Outcome EventInterpreter::Interpret(const std::vector<RawEvent>& events,
                                                      absl::Time now) {
  Outcome outcome;
  for (const RawEvent& event : events) {
    if (event.barrier != 0) {
      outcome.barrier = std::max(outcome.barrier, event.barrier);
      continue;
    }
    if (options_.canary->IsMine(event)) {
      outcome.canary |= Canary::IsProof(event);
      continue;
    }
    if (event.name.empty()) {
      if (AboutItself(event)) continue;
      outcome.root_lost = true;
      break;
    }
    // A directory that is being moved has no path for the moment: its new place is scanned anyway.
    const std::optional<std::string> directory = options_.tree->tree().Path(event.watch);
    if (!directory.has_value()) continue;
    const std::string path = Join(*directory, event.name);
    if (path.size() > kPathBytesMax) continue;
    if (event.mask & IN_ISDIR) {
      AboutDirectory(event, path, now);
    } else {
      AboutFile(event, path);
    }
  }
  for (const std::string& path : touched_) Resolve(path, touches_.at(path), now);
  touched_.clear();
  touches_.clear();
  return outcome;
}

bool EventInterpreter::AboutItself(const RawEvent& event) {
  DirectoryTree& tree = options_.tree->tree();
  const uint32_t ended = IN_DELETE_SELF | IN_UNMOUNT | IN_IGNORED;
  if (event.watch == tree.root()) return (event.mask & (ended | IN_MOVE_SELF)) == 0;
  // The kernel has dropped this watch by itself. One that we dropped is not in the tree.
  if ((event.mask & IN_IGNORED) && tree.Contains(event.watch)) options_.tree->Leave(event.watch);
  return true;
}

void EventInterpreter::AboutDirectory(const RawEvent& event, const std::string& path,
                                      absl::Time now) {
  if (options_.ignore->IgnoresDirectory(path)) return;
  // fanotify joins a removal and a creation of the same name, in whatever order they came: what
  // lies there now is found by listing it.
  if (event.mask & (IN_DELETE | IN_MOVED_FROM)) DirectoryLeft(event, path, now);
  if (event.mask & (IN_CREATE | IN_MOVED_TO)) DirectoryCame(event, path);
}

void EventInterpreter::DirectoryCame(const RawEvent& event, const std::string& path) {
  // Watched at once, so that the events behind this one have a path; listed when its turn comes.
  // Should this fail, the scan fails in the same way, or later events tell.
  [[maybe_unused]] const bool entered = options_.tree->Enter(path).ok();
  ScanRequest request;
  request.directory = path;
  request.cause = (event.mask & IN_MOVED_TO) ? kCausedByMovedDirectory : kCausedByScan;
  const auto half = (event.mask & IN_MOVED_TO) ? renames_.find(event.cookie) : renames_.end();
  if (half == renames_.end()) {
    options_.scanner->Enqueue(std::move(request));
    return;
  }
  // What was known under the old name is forgotten after it served to recognize the files.
  const std::string from = half->second.path;
  request.moved_from = from;
  const DirectoryTree::Id id = half->second.id;
  renames_.erase(half);
  const bool arrived = options_.tree->tree().Path(id).has_value();
  if (!arrived && id != 0) options_.tree->Leave(id);
  options_.scanner->Enqueue(std::move(request));
  Sweep(from, ChangeKind::kMovedFrom);
}

void EventInterpreter::DirectoryLeft(const RawEvent& event, const std::string& path,
                                     absl::Time now) {
  DirectoryTree& tree = options_.tree->tree();
  if ((event.mask & IN_MOVED_FROM) && renames_.size() < kRenamesMax) {
    HalfRename half;
    half.id = tree.Detach(event.watch, event.name).value_or(0);
    half.path = path;
    half.due = now + kRenamePairing;
    renames_[event.cookie] = std::move(half);
  } else {
    if (const auto id = tree.Child(event.watch, event.name); id.has_value()) {
      options_.tree->Leave(*id);
    }
    Sweep(path, (event.mask & IN_MOVED_FROM) ? ChangeKind::kMovedFrom : ChangeKind::kDelete);
  }
}

void EventInterpreter::Sweep(const std::string& path, ChangeKind gone) {
  ScanRequest sweep;
  sweep.directory = path;
  sweep.only_gone = gone;
  options_.scanner->Enqueue(std::move(sweep));
  // Another directory may have the name already (RENAME_EXCHANGE), and its arrival have been told.
  if (!options_.tree->Enter(path).ok()) return;
  ScanRequest request;
  request.directory = path;
  options_.scanner->Enqueue(std::move(request));
}

void EventInterpreter::AboutFile(const RawEvent& event, const std::string& path) {
  auto entry = touches_.find(path);
  if (entry == touches_.end()) {
    if (options_.ignore->IgnoresFile(path)) return;
    entry = touches_.try_emplace(path).first;
    touched_.push_back(path);
  }
  Touch& touch = entry->second;
  if (event.mask & IN_CREATE) touch.created = true;
  if (event.mask & IN_ATTRIB) touch.attributes = true;
  if (event.mask & IN_MODIFY) touch.modified = true;
  // A program may rename a file into place before it closes it.
  const bool moved = touch.finished == kCausedByMove;
  if ((event.mask & IN_CLOSE_WRITE) && !moved) touch.finished = kCausedByClose;
  if (event.mask & IN_MOVED_TO) touch.finished = kCausedByMove;
  if (event.mask & IN_DELETE) touch.gone = ChangeKind::kDelete;
  if (event.mask & IN_MOVED_FROM) touch.gone = ChangeKind::kMovedFrom;
}

void EventInterpreter::Resolve(const std::string& path, const Touch& touch, absl::Time now) {
  FileJudge* const judge = options_.judge;
  std::optional<Cause> finished = touch.finished;
  if (finished.has_value() && !touch.gone.has_value()) {
    finished = options_.pending->CauseOf(path, *finished);
  }
  if (finished.has_value() || touch.gone.has_value()) options_.pending->Erase(path);
  if (touch.gone.has_value()) {
    judge->ConsiderGone(path, *touch.gone, ChangeSource::kInotify, now);
  }
  if (finished.has_value()) {
    judge->Consider(path, *finished, now);
    return;
  }
  if (touch.created) judge->Created(path, now);
  if (touch.modified) judge->Modified(path, now);
  if (touch.attributes && !touch.created) judge->AttributesChanged(path, now);
}

void EventInterpreter::GiveUp(const HalfRename& half) {
  // Still without a place: it has left the volume. Otherwise a later event has placed it.
  const DirectoryTree& tree = options_.tree->tree();
  if (half.id != 0 && !tree.Path(half.id).has_value()) options_.tree->Leave(half.id);
  Sweep(half.path, ChangeKind::kMovedFrom);
}

void EventInterpreter::Tick(absl::Time now) {
  for (auto half = renames_.begin(); half != renames_.end();) {
    if (half->second.due > now) {
      ++half;
      continue;
    }
    GiveUp(half->second);
    half = renames_.erase(half);
  }
}

absl::Time EventInterpreter::NextDue() const {
  absl::Time due = absl::InfiniteFuture();
  for (const auto& [cookie, half] : renames_) due = std::min(due, half.due);
  return due;
}

void EventInterpreter::Clear() {
  touches_.clear();
  touched_.clear();
  renames_.clear();
}

}  // namespace closewrite::watcher
