#include "tests/simulation/watcher_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

namespace closewrite::simulation {
namespace {

constexpr absl::Duration kHeartbeatInterval = absl::Seconds(3);
constexpr absl::Duration kBackoffMin = absl::Milliseconds(100);
constexpr absl::Duration kBackoffMax = absl::Seconds(5);
constexpr absl::Duration kStagingInterval = absl::Seconds(10);
constexpr absl::Duration kStagingAgeMin = absl::Seconds(5);
constexpr size_t kEventsPerMessage = 8;
constexpr size_t kInFlightMax = 32;

FileEvent Cause(EventKind kind, Evidence evidence, EventSource source) {
  return {.kind = kind, .evidence = evidence, .source = source};
}

FileEvent CauseOf(FileChange change) {
  switch (change) {
    case FileChange::kClosed:
      return Cause(EventKind::kCloseWrite, Evidence::kClosed, EventSource::kInotify);
    case FileChange::kMovedIn:
      return Cause(EventKind::kMovedTo, Evidence::kMovedIn, EventSource::kInotify);
    case FileChange::kRemoved:
      return Cause(EventKind::kDelete, Evidence::kNone, EventSource::kInotify);
    case FileChange::kTimesSet:
      return Cause(EventKind::kAttrib, Evidence::kNone, EventSource::kInotify);
  }
  return {};
}

}  // namespace

WatcherModel::WatcherModel(Options options)
    : options_(std::move(options)),
      part_(options_.world, options_.name),
      host_(options_.network->AddHost()),
      ledger_(absl::StrFormat("%016x", options_.world->random().Next())) {}

VolumeModel* WatcherModel::AddVolume(const std::string& name) {
  owned_volumes_.push_back(std::make_unique<VolumeModel>(options_.world, name, host_));
  return volumes_[name] = owned_volumes_.back().get();
}

void WatcherModel::Start() {
  if (part_.up()) return;
  part_.Start();
  world().Note(part_.name(), "starts");
  ledger_.Open();
  sent_high_ = ledger_.sequence();
  publisher_ = std::make_unique<PublisherModel>(PublisherModel::Options{
      .world = options_.world,
      .part = &part_,
      .ledger = &ledger_,
      .volumes = volumes_,
      .on_news = [this] { part_.After(absl::ZeroDuration(), [this] { Pump(); }); },
      .renamed = [this](
                     const Lease& lease, const std::string& volume,
                     const std::string& path) { options_.witness->OnRenamed(lease, volume, path); },
      .swept = [this](const Lease& lease) { options_.witness->OnSwept(lease); },
      .again_and_again = options_.plant == Plant::kPublishTwice});
  for (const auto& [name, volume] : volumes_) {
    volume->Listen([this, name = name](const std::string& path, FileChange change) {
      Notice(name, path, change);
    });
  }
  backoff_ = kBackoffMin;
  part_.After(random().Between(absl::Milliseconds(1), absl::Milliseconds(300)), [this] { Scan(); });
  part_.After(random().Between(absl::ZeroDuration(), kStagingInterval), [this] { SendStaging(); });
  Connect();
}

void WatcherModel::Crash() {
  if (!part_.up()) return;
  world().Note(part_.name(), "crashes");
  for (const auto& [name, volume] : volumes_) volume->Listen(nullptr);
  part_.Crash();
  options_.network->Died(part_);
  stream_.reset();
  publisher_.reset();
}

void WatcherModel::CutPower() {
  Crash();
  world().Note(part_.name(), "loses its power");
  ledger_.CutPower(random());
  for (const auto& [name, volume] : volumes_) {
    volume->CutPower([this, name = name](const Lease& lease, const std::string& path) {
      options_.witness->OnUndone(lease, name, path);
    });
  }
}

void WatcherModel::Freeze(absl::Duration duration) {
  if (!part_.up()) return;
  world().Note(part_.name(), "freezes for $0 ms", {absl::ToInt64Milliseconds(duration)});
  part_.FreezeUntil(world().now() + duration);
  options_.network->Froze(part_, duration);
}

std::string WatcherModel::Busy() const {
  if (!part_.up()) return "is down";
  const std::vector<FileEvent> pending = ledger_.Pending(ledger_.acknowledged(), 1);
  if (!pending.empty()) return "an event is not acknowledged: " + pending[0].file.path;
  return publisher_->outcomes().empty() ? "" : "an order's answer is not settled";
}

// Everything is compared with the ledger; only what differs is an event.
void WatcherModel::Scan() {
  const FileEvent found = Cause(EventKind::kCloseWrite, Evidence::kFound, EventSource::kRescan);
  const FileEvent gone = Cause(EventKind::kDelete, Evidence::kNone, EventSource::kRescan);
  for (const auto& [name, volume] : volumes_) {
    for (const auto& [path, file] : volume->files()) Consider(name, path, found);
    for (const LedgerModel::Path& path : ledger_.Paths(name)) Consider(name, path.second, gone);
  }
  Pump();
}

void WatcherModel::Notice(const std::string& volume, const std::string& path, FileChange change) {
  const absl::Duration busy = random().Chance(0.02)
                                  ? random().Between(absl::ZeroDuration(), absl::Milliseconds(400))
                                  : random().Between(absl::ZeroDuration(), absl::Milliseconds(2));
  part_.After(busy, [this, volume, path, change] {
    Consider(volume, path, CauseOf(change));
    Pump();
  });
}

// What counts is what the file is now, not what the event said.
void WatcherModel::Consider(const std::string& volume, const std::string& path,
                            const FileEvent& cause) {
  const VolumeModel::File* const file = volumes_.at(volume)->Find(path);
  const FileEvent* const row = ledger_.Find({volume, path});
  const bool known = row != nullptr && !IsGone(*row);
  if (file == nullptr) {
    if (!known) return;
    FileEvent gone = cause;
    gone.kind = EventKind::kDelete;
    gone.evidence = Evidence::kNone;
    return Put(row->file, gone);
  }
  if (file->open || IsGone(cause)) return;  // another event follows
  if (known && row->file == file->version) return;
  if (cause.kind == EventKind::kAttrib) {
    if (known) ConsiderTimes(*row, file->version, cause);
    return;
  }
  Put(file->version, cause);
}

// The same content under another mtime: a correction, if the coordinator knows of the version
// before.
void WatcherModel::ConsiderTimes(const FileEvent& row, const FileVersion& version,
                                 const FileEvent& cause) {
  if (row.file.inode != version.inode || row.file.size != version.size) return;
  if (row.sequence > ledger_.acknowledged() && row.sequence <= sent_high_) {
    // Whether the coordinator has it decides what is to be said.
    part_.After(absl::Milliseconds(100), [this, version, cause] {
      Consider(version.volume, version.path, cause);
      Pump();
    });
    return;
  }
  FileEvent event = row;
  if (row.sequence <= ledger_.acknowledged()) event.kind = EventKind::kAttrib;
  Put(version, event);
}

void WatcherModel::Put(const FileVersion& version, const FileEvent& cause) {
  FileEvent event = cause;
  event.file = version;
  event.observed_at = world().time();
  ledger_.Record(event);
  world().Note(part_.name(), "records $d, kind $0, sequence $1",
               {static_cast<int64_t>(event.kind), ledger_.sequence()}, event.file.path);
}

std::vector<VolumeReport> WatcherModel::Report() const {
  std::vector<VolumeReport> reports;
  for (const auto& [name, volume] : volumes_) {
    reports.push_back({.volume = name, .root = "/srv/" + name, .state = VolumeState::kLive});
  }
  return reports;
}

void WatcherModel::Connect() {
  answered_ = false;
  sent_ = heard_ = options_.plant == Plant::kDropEvent ? std::max(sent_, ledger_.acknowledged())
                                                       : ledger_.acknowledged();
  in_flight_.clear();
  published_.clear();
  stream_ = options_.dial->Observe(
      {&part_, host_},
      {.on_message = [this](ObserveDown response) { OnMessage(std::move(response)); },
       .on_end = [this](const absl::Status&) { OnEnd(); }});
  ObserveUp hello;
  hello.hello = true;
  hello.host = part_.name();
  hello.ledger_id = ledger_.id();
  hello.heartbeat = true;
  hello.volumes = Report();
  SendOutcomes(hello);
  stream_->SendUp(std::move(hello));
  part_.After(kHeartbeatInterval, [this, stream = std::weak_ptr<ObserveStream>(stream_)] {
    if (stream_ != nullptr && stream.lock() == stream_) Heartbeat();
  });
  Pump();
}

void WatcherModel::OnEnd() {
  stream_.reset();
  if (answered_) backoff_ = kBackoffMin;
  backoff_ = std::min(backoff_ * 2, kBackoffMax);
  part_.After(backoff_ * (0.5 + random().Fraction() / 2), [this] { Connect(); });
}

void WatcherModel::Heartbeat() {
  ObserveUp request;
  request.heartbeat = true;
  request.volumes = Report();
  published_.clear();
  SendOutcomes(request);
  stream_->SendUp(std::move(request));
  part_.After(kHeartbeatInterval, [this, stream = std::weak_ptr<ObserveStream>(stream_)] {
    if (stream_ != nullptr && stream.lock() == stream_) Heartbeat();
  });
}

void WatcherModel::OnMessage(ObserveDown response) {
  answered_ = true;
  // More than was sent on this stream can't have been committed from it.
  heard_ = std::max(heard_, std::min(response.acknowledged, sent_));
  if (heard_ > ledger_.acknowledged()) {
    ledger_.Acknowledge(heard_);
    const auto pending = std::find_if(in_flight_.begin(), in_flight_.end(),
                                      [&](const FileEvent& e) { return e.sequence > heard_; });
    options_.witness->OnAcknowledged(ledger_.id(), {in_flight_.begin(), pending});
    in_flight_.erase(in_flight_.begin(), pending);
  }
  std::set<Lease> ordered;
  for (const Job& job : response.orders) {
    ordered.insert(Lease{job.id, job.token});
    publisher_->Submit(job);
  }
  if (response.complete) publisher_->Settle(ordered);
  for (const auto& [volume, lease] : response.sweep) publisher_->Sweep(volume, lease);
  Pump();
}

void WatcherModel::SendOutcomes(ObserveUp& request) {
  for (const auto& [lease, error] : publisher_->outcomes()) {
    if (!published_.insert(lease).second) continue;
    if (!error.empty()) options_.witness->OnPublishError(lease, error);
    request.published.emplace_back(lease, error);
  }
}

void WatcherModel::Pump() {
  if (stream_ == nullptr || !answered_) return;
  ObserveUp outcomes;
  SendOutcomes(outcomes);
  if (!outcomes.published.empty()) stream_->SendUp(std::move(outcomes));
  while (in_flight_.size() < kInFlightMax) {
    ObserveUp request;
    request.events = ledger_.Pending(sent_, kEventsPerMessage);
    if (request.events.empty()) return;
    sent_ = request.events.back().sequence;
    sent_high_ = std::max(sent_high_, sent_);
    in_flight_.insert(in_flight_.end(), request.events.begin(), request.events.end());
    stream_->SendUp(std::move(request));
  }
}

void WatcherModel::SendStaging() {
  ObserveUp request;
  for (const auto& [name, volume] : volumes_) {
    for (const Lease& lease : volume->StagedBefore(world().now() - kStagingAgeMin)) {
      request.staging.emplace_back(name, lease);
    }
  }
  if (stream_ != nullptr && answered_ && !request.staging.empty()) {
    stream_->SendUp(std::move(request));
  }
  part_.After(kStagingInterval, [this] { SendStaging(); });
}

}  // namespace closewrite::simulation
