#include "services/watcher/fake_coordinator.h"

#include <algorithm>
#include <cstdlib>

#include "services/log/log.h"
#include "services/log/str_cat.h"

namespace closewrite::watcher {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr int64_t kHeartbeatNanos = 50'000'000;

std::pair<int64_t, int64_t> Key(const v1::LeaseRef& lease) {
  return {lease.job_id(), lease.token()};
}

}  // namespace

const v1::FileEvent* FakeCoordinator::Heard::Newest(const std::string& path) const {
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    if (event->file().path() == path) return &*event;
  }
  return nullptr;
}

FakeCoordinator::FakeCoordinator() { Serve("127.0.0.1:0"); }

FakeCoordinator::~FakeCoordinator() { Stop(); }

void FakeCoordinator::Serve(const std::string& listen) {
  Server::Options options;
  options.listen = listen;
  options.reflection = false;
  options.services = {this};
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(std::move(options));
  if (!server.ok()) {
    LogError("fake coordinator", {{"error", server.status().message()}});
    abort();
  }
  server_ = *std::move(server);
  port_ = server_->port();
}

std::string FakeCoordinator::address() const { return StrCat("127.0.0.1:", port_); }

void FakeCoordinator::Stop() {
  std::map<Stream*, std::shared_ptr<Stream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    streams.swap(streams_);
  }
  for (const auto& [key, stream] : streams) stream->End(absl::UnavailableError("stopped"));
  streams.clear();
  if (server_ != nullptr) server_->Shutdown(absl::ZeroDuration());
  server_.reset();
}

void FakeCoordinator::Restart() { Serve(address()); }

void FakeCoordinator::SetAcknowledging(bool on) {
  absl::MutexLock lock(&mutex_);
  acknowledging_ = on;
  if (!on || withheld_ == 0) return;
  v1::ObserveResponse response;
  response.set_acked_sequence(std::exchange(withheld_, 0));
  for (const auto& [key, stream] : streams_) stream->Send(response);
}

void FakeCoordinator::Order(v1::PublishOrder order) {
  absl::MutexLock lock(&mutex_);
  orders_[Key(order.lease())] = std::move(order);
  SayAll();
}

void FakeCoordinator::SetInterests(std::vector<v1::VolumeInterest> interests) {
  absl::MutexLock lock(&mutex_);
  interests_ = std::move(interests);
  SayAll();
}

int64_t FakeCoordinator::Flush(const std::string& volume) {
  absl::MutexLock lock(&mutex_);
  v1::ObserveResponse response;
  response.add_flushes()->set_id(++last_question_);
  response.mutable_flushes(0)->set_volume(volume);
  for (const auto& [key, stream] : streams_) stream->Send(response);
  return last_question_;
}

int64_t FakeCoordinator::Look(const std::string& volume, const std::string& path) {
  absl::MutexLock lock(&mutex_);
  v1::ObserveResponse response;
  v1::LookRequest* const look = response.add_looks();
  look->set_id(++last_question_);
  look->mutable_file()->set_volume(volume);
  look->mutable_file()->set_path(path);
  for (const auto& [key, stream] : streams_) stream->Send(response);
  return last_question_;
}

void FakeCoordinator::SayAll() {
  for (const auto& [key, stream] : streams_) {
    v1::ObserveResponse response;
    AddOrders(&response);
    stream->Send(std::move(response));
  }
}

void FakeCoordinator::AddOrders(v1::ObserveResponse* response) {
  response->set_complete(true);
  for (const auto& [key, order] : orders_) *response->add_orders() = order;
  for (const v1::VolumeInterest& interest : interests_) *response->add_interests() = interest;
}

FakeCoordinator::Heard FakeCoordinator::heard() const {
  absl::MutexLock lock(&mutex_);
  return heard_;
}

bool FakeCoordinator::Await(const std::function<bool(const Heard&)>& condition) const {
  absl::MutexLock lock(&mutex_);
  const auto fulfilled = [&]() {
    mutex_.AssertReaderHeld();
    return condition(heard_);
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&fulfilled), kPatience);
}

grpc::ServerBidiReactor<v1::ObserveRequest, v1::ObserveResponse>* FakeCoordinator::Observe(
    grpc::CallbackServerContext*) {
  std::shared_ptr<Stream> stream = Stream::Make();
  Stream* const reactor = stream.get();
  {
    absl::MutexLock lock(&mutex_);
    ++heard_.streams;
    withheld_ = 0;
    streams_[reactor] = stream;
  }
  reactor->Begin(
      {[this, stream](v1::ObserveRequest request) { OnMessage(stream, std::move(request)); },
       [this, reactor] {
         absl::MutexLock lock(&mutex_);
         streams_.erase(reactor);
       }});
  return reactor;
}

void FakeCoordinator::OnMessage(const std::shared_ptr<Stream>& stream, v1::ObserveRequest request) {
  absl::MutexLock lock(&mutex_);
  v1::ObserveResponse response;
  if (!request.host().empty()) {
    heard_.hello = request;
    response.mutable_heartbeat_interval()->set_nanos(kHeartbeatNanos);
  }
  if (request.heartbeat()) {
    ++heard_.heartbeats;
    heard_.volumes.assign(request.volumes().begin(), request.volumes().end());
  }
  for (const v1::FileEvent& event : request.events()) heard_.events.push_back(event);
  if (request.events_size() > 0) {
    const int64_t newest = request.events(request.events_size() - 1).sequence();
    acknowledging_ ? response.set_acked_sequence(newest) : void(withheld_ = newest);
  }
  heard_.published_at_once = std::max(heard_.published_at_once, request.published_size());
  for (const v1::PublishResult& result : request.published()) {
    heard_.published.push_back(result);
    orders_.erase(Key(result.lease()));
  }
  for (const v1::StagingDirectory& directory : request.staging()) {
    heard_.staging.push_back(directory);
    if (sweeping_) *response.add_sweep() = directory;
  }
  for (const v1::FlushResult& result : request.flushed()) heard_.flushed.push_back(result);
  for (const v1::LookResult& result : request.looked()) heard_.looked.push_back(result);
  if (request.heartbeat() || request.published_size() > 0) AddOrders(&response);
  stream->Send(std::move(response));
}

}  // namespace closewrite::watcher
