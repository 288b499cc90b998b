#include "tests/simulation/observe_model.h"

#include <utility>

namespace closewrite::simulation {

void ObserveModel::Accept(const std::shared_ptr<ObserveStream>& stream) {
  auto visit = std::make_shared<Visit>();
  visit->stream = stream;
  stream->Handle(ObserveStream::ServerHandlers{.on_message =
                                                   [this, visit](ObserveUp request) {
                                                     auto exchange = std::make_shared<Exchange>();
                                                     exchange->request = std::move(request);
                                                     if (exchange->request.hello) {
                                                       visit->host = exchange->request.host;
                                                       visit->ledger_id =
                                                           exchange->request.ledger_id;
                                                     }
                                                     exchange->complete =
                                                         exchange->request.heartbeat ||
                                                         !exchange->request.published.empty();
                                                     Submit(visit, std::move(exchange));
                                                   },
                                               .on_end = [this, visit] { OnEnd(visit); }});
}

absl::Status ObserveModel::Apply(Visit& visit, Exchange& exchange, Engine& engine,
                                 StoreTransaction& tx, absl::Time now) {
  const ObserveUp& request = exchange.request;
  exchange.response = {};
  if (request.hello) {
    const Watcher watcher{
        .host = visit.host, .ledger_id = visit.ledger_id, .volumes = request.volumes};
    absl::StatusOr<WatcherStream> connected = engine.ConnectWatcher(tx, watcher, now);
    if (!connected.ok()) return connected.status();
    visit.number = connected->number;
    visit.accepted = true;
    visit.volumes = request.volumes;
  } else if (!visit.accepted) {
    return absl::CancelledError("the hello was refused");
  } else if (request.heartbeat) {
    absl::Status updated = engine.UpdateWatcher(tx, visit.watcher_stream(), request.volumes, now);
    if (!updated.ok()) return updated;
    visit.volumes = request.volumes;
  }
  absl::Status recorded = engine.RecordEvents(tx, visit.watcher_stream(), request.events, now);
  if (!recorded.ok()) return recorded;
  for (const auto& [lease, error] : request.published) {
    engine.RecordPublished(tx, lease, error, now);
  }
  for (const auto& [volume, lease] : request.staging) {
    if (engine.MaySweep(tx, lease)) exchange.response.sweep.emplace_back(volume, lease);
  }
  if (exchange.complete) exchange.response.orders = engine.PublishOrders(tx, visit.volumes);
  return absl::OkStatus();
}

void ObserveModel::Submit(const std::shared_ptr<Visit>& visit, std::shared_ptr<Exchange> exchange) {
  loop_.Submit(
      [this, visit, exchange](Engine& engine, StoreTransaction& tx, absl::Time now) {
        return Apply(*visit, *exchange, engine, tx, now);
      },
      [this, visit, exchange](const absl::Status& status) {
        if (!status.ok()) return visit->stream->End(status);
        Answer(visit, *exchange);
      });
}

void ObserveModel::Refresh(const std::shared_ptr<Visit>& visit) {
  auto exchange = std::make_shared<Exchange>();
  exchange->complete = true;
  Submit(visit, std::move(exchange));
}

void ObserveModel::Answer(const std::shared_ptr<Visit>& visit, Exchange& exchange) {
  ObserveDown response = std::move(exchange.response);
  response.hello = exchange.request.hello;
  if (response.hello) {
    const auto replaced = std::exchange(visits_[visit->host], visit);
    if (replaced != nullptr && replaced != visit) {
      replaced->stream->End(absl::AbortedError("a newer stream has taken over"));
    }
  }
  if (!exchange.request.events.empty()) {
    response.acknowledged = exchange.request.events.back().sequence;
  }
  response.complete =
      exchange.complete && static_cast<int64_t>(response.orders.size()) < kPublishOrdersMax;
  visit->stream->SendDown(std::move(response));
}

void ObserveModel::OnEnd(const std::shared_ptr<Visit>& visit) {
  loop_.Submit(
      [this, visit](Engine& engine, StoreTransaction& tx, absl::Time) {
        const auto it = visits_.find(visit->host);
        const bool replaced = it != visits_.end() && it->second != visit;
        if (visit->accepted && !replaced) {
          engine.DisconnectWatcher(tx, visit->watcher_stream());
        }
        return absl::OkStatus();
      },
      [this, visit](const absl::Status&) {
        const auto it = visits_.find(visit->host);
        if (it != visits_.end() && it->second == visit) visits_.erase(it);
      });
}

void ObserveModel::OnChange(const Effects& effects) {
  if (effects.publish.empty() && !effects.pipelines && !effects.elsewhere.publish) return;
  const std::map<std::string, std::shared_ptr<Visit>> visits = visits_;
  for (const auto& [host, visit] : visits) {
    // What others have left to be published shows in the orders.
    if (effects.pipelines || effects.elsewhere.publish) Refresh(visit);
    ObserveDown response;
    for (const Job& job : effects.publish) {
      for (const VolumeReport& report : visit->volumes) {
        if (report.volume == job.output_volume) response.orders.push_back(job);
      }
    }
    if (!response.orders.empty()) visit->stream->SendDown(std::move(response));
  }
}

}  // namespace closewrite::simulation
