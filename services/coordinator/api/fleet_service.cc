#include "services/coordinator/api/fleet_service.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "services/clock/clock.h"
#include "services/config/duration.h"
#include "services/config/nearest.h"
#include "services/coordinator/api/answer_once.h"
#include "services/coordinator/api/job_view.h"
#include "services/coordinator/api/page_token.h"
#include "services/coordinator/api/violations.h"
#include "services/coordinator/convert.h"
#include "services/log/str_cat.h"
#include "services/transport/tls_expiry.h"
#include "services/version/version.h"

namespace closewrite {
namespace {

constexpr int kDrainNamesMax = 1000;

v1::ExecutorStatus ShowExecutor(const SessionRecord& session, int64_t leases) {
  v1::ExecutorStatus shown;
  const ExecutorHello& executor = session.executor;
  shown.set_name(executor.name);
  shown.set_host(executor.host);
  shown.set_session_id(session.id);
  shown.set_connected(session.connected());
  shown.set_draining(session.draining);
  shown.set_slots(executor.slots);
  shown.set_leases(static_cast<int32_t>(leases));
  for (const std::string& label : executor.labels) shown.add_labels(label);
  for (const auto& [volume, root] : executor.volume_roots) {
    (*shown.mutable_volume_roots())[volume] = root;
  }
  shown.set_version(executor.version);
  shown.set_address(executor.address);
  if (IsKnown(session.heartbeat_at)) {
    SetTime(session.heartbeat_at, shown.mutable_heartbeat_at());
  }
  if (IsKnown(session.expires_at)) SetTime(session.expires_at, shown.mutable_expires_at());
  return shown;
}

v1::WatcherStatus ShowWatcher(const Watcher& watcher) {
  v1::WatcherStatus shown;
  shown.set_host(watcher.host);
  shown.set_connected(watcher.connected());
  shown.set_version(watcher.version);
  shown.set_address(watcher.address);
  if (IsKnown(watcher.heartbeat_at)) {
    SetTime(watcher.heartbeat_at, shown.mutable_heartbeat_at());
  }
  for (const VolumeReport& report : watcher.volumes) *shown.add_volumes() = ToProto(report);
  return shown;
}

// What the host has said, if this coordinator has its stream; `Shown` has both fields.
template <class Shown>
void AddHealth(const HealthBoard& board, const std::string& who, Shown* shown) {
  const std::optional<HealthBoard::Entry> entry = board.Find(who);
  if (!entry.has_value()) return;
  *shown->mutable_health() = entry->health;
  *shown->mutable_clock_ahead() = ToProto(entry->clock_ahead);
}

// A page of rows that are ordered by key; `add` adds one to the response and returns it.
template <class Row, class Response, class Add>
absl::Status ListByKey(std::string_view method, const std::map<std::string, const Row*>& rows,
                       int32_t page_size, const std::string& page_token, Response* response,
                       const Add& add) {
  const std::string scope(method);
  absl::StatusOr<PageRequest> page = OpenPage(scope, page_size, page_token);
  if (!page.ok()) return page.status();
  PageFill fill(*page);
  std::string last;
  for (auto it = rows.upper_bound(page->cursor); it != rows.end(); ++it) {
    if (fill.full()) {
      response->set_next_page_token(NextPageToken(scope, last));
      break;
    }
    fill.Add(add(*it->second));
    last = it->first;
  }
  return absl::OkStatus();
}

// NOT_FOUND of a name among `names`, and what may have been meant.
absl::Status WithKnownExecutors(const absl::Status& status, const Fleet& fleet,
                                const std::vector<std::string>& names) {
  std::vector<std::string> known;
  for (const auto& [id, session] : fleet.sessions) {
    known.push_back(session.executor.name);
    if (session.executor.host != session.executor.name) known.push_back(session.executor.host);
  }
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  for (const std::string& name : names) {
    if (std::binary_search(known.begin(), known.end(), name)) continue;
    return absl::Status(status.code(), StrCat(status.message(), ": ", SuggestNearest(name, known)));
  }
  return status;
}

}  // namespace

FleetService::FleetService(const ApiOptions& options, JobCounter* counter,
                           const HealthBoard* executors, const HealthBoard* watchers)
    : api_(options),
      loop_(*options.loop),
      counter_(*counter),
      executors_(*executors),
      watchers_(*watchers),
      subscription_(options.feed->Subscribe([this](const Effects& effects) {
        absl::MutexLock lock(&mutex_);
        totals_.Add(effects.totals);
      })) {}

grpc::ServerUnaryReactor* FleetService::ListExecutors(grpc::CallbackServerContext* context,
                                                      const v1::ListExecutorsRequest* request,
                                                      v1::ListExecutorsResponse* response) {
  const Fleet fleet = CopyFleet(loop_);
  // Of sessions that attend another coordinator only the store knows the leases.
  std::map<SessionId, int64_t> leases;
  absl::Status counted = loop_.store().Read([&](StoreReader& reader) {
    for (const auto& [id, session] : fleet.sessions) {
      const bool here = !fleet.shared || session.coordinator == fleet.self;
      leases[id] = static_cast<int64_t>(here ? session.leases.size() : reader.LeasesOf(id).size());
    }
    return absl::OkStatus();
  });
  if (!counted.ok()) return Answer(context, counted);
  std::map<std::string, const Session*> rows;
  for (const auto& [id, session] : fleet.sessions) {
    // A name can be there twice, while an old session has not yet expired.
    rows[StrCat(session.executor.name, std::string_view("\0", 1), id)] = &session;
  }
  return Answer(context,
                ListByKey("ListExecutors", rows, request->page_size(), request->page_token(),
                          response, [&](const Session& session) -> const v1::ExecutorStatus& {
                            v1::ExecutorStatus* const shown = response->add_executors();
                            *shown = ShowExecutor(session, leases[session.id]);
                            AddHealth(executors_, session.id, shown);
                            return *shown;
                          }));
}

grpc::ServerUnaryReactor* FleetService::ListWatchers(grpc::CallbackServerContext* context,
                                                     const v1::ListWatchersRequest* request,
                                                     v1::ListWatchersResponse* response) {
  const Fleet fleet = CopyFleet(loop_);
  std::map<std::string, const Watcher*> rows;
  for (const auto& [host, watcher] : fleet.watchers) rows[host] = &watcher;
  return Answer(context,
                ListByKey("ListWatchers", rows, request->page_size(), request->page_token(),
                          response, [&](const Watcher& watcher) -> const v1::WatcherStatus& {
                            v1::WatcherStatus* const shown = response->add_watchers();
                            *shown = ShowWatcher(watcher);
                            AddHealth(watchers_, watcher.host, shown);
                            return *shown;
                          }));
}

grpc::ServerUnaryReactor* FleetService::DrainExecutors(grpc::CallbackServerContext* context,
                                                       const v1::DrainExecutorsRequest* request,
                                                       v1::DrainExecutorsResponse* response) {
  if (request->names().empty() || request->names_size() > kDrainNamesMax) {
    return Answer(context, WrongField("names", StrCat("has ", request->names_size(),
                                                      " names; give 1 to ", kDrainNamesMax)));
  }
  return AnswerOnce<v1::DrainExecutorsResponse>(
      api_, context, "DrainExecutors", *request, response,
      [names = std::vector<std::string>(request->names().begin(), request->names().end())](
          Engine& engine, StoreTransaction& tx, absl::Time, v1::DrainExecutorsResponse* answer) {
        const absl::StatusOr<std::vector<SessionRecord>> told = engine.dispatch().Drain(tx, names);
        if (!told.ok()) return WithKnownExecutors(told.status(), engine.fleet(), names);
        for (const SessionRecord& session : *told) {
          const auto leases = static_cast<int64_t>(tx.LeasesOf(session.id).size());
          *answer->add_executors() = ShowExecutor(session, leases);
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* FleetService::GetOverview(grpc::CallbackServerContext* context,
                                                    const v1::GetOverviewRequest*,
                                                    v1::GetOverviewResponse* response) {
  const absl::StatusOr<std::vector<JobCount>> counts = counter_.Counts();
  if (!counts.ok()) return Answer(context, counts.status());
  SetTime(loop_.clock().Now(), response->mutable_at());
  for (const JobCount& count : *counts) {
    v1::JobCount* const shown = response->add_counts();
    shown->set_pipeline(count.pipeline);
    shown->set_state(static_cast<v1::JobState>(count.state));
    shown->set_count(count.count);
  }
  std::vector<LockClaim> holders;
  loop_.Inspect([&](const Engine& engine) {
    for (const auto& [name, line] : engine.fleet().locks.lines()) {
      for (LockClaim& claim : line.Holders()) holders.push_back(std::move(claim));
    }
  });
  for (const LockClaim& claim : holders) {
    v1::LockStatus* const shown = response->add_locks();
    shown->set_name(claim.lock);
    shown->set_job_id(claim.job.value);
    shown->set_host(claim.host);
    SetTime(claim.held_since, shown->mutable_since());
    if (claim.job.value == 0) shown->set_holder(Shown(claim));
  }
  absl::MutexLock lock(&mutex_);
  v1::JobTotals* const totals = response->mutable_totals();
  totals->set_made(totals_.made);
  totals->set_leased(totals_.leased);
  totals->set_succeeded(totals_.succeeded);
  totals->set_failed(totals_.failed);
  totals->set_cancelled(totals_.cancelled);
  return Answer(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* FleetService::GetVersion(grpc::CallbackServerContext* context,
                                                   const v1::GetVersionRequest* request,
                                                   v1::GetVersionResponse* response) {
  response->set_version(std::string(kVersion));
  loop_.Inspect([&](const Engine& engine) {
    SetTime(engine.fleet().started_at, response->mutable_started_at());
  });
  response->set_durability(loop_.store().Durability());
  if (const std::optional<absl::Time> expires_at = CertificateExpiry(api_.tls)) {
    SetTime(*expires_at, response->mutable_certificate_expires_at());
  }
  return Answer(context, absl::OkStatus());
}

}  // namespace closewrite
