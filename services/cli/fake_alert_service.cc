#include "services/cli/fake_alert_service.h"

#include <utility>

#include "closewrite/v1/alert.grpc.pb.h"

namespace closewrite::cli {
namespace {

class Alerts : public v1::AlertService::Service {
 public:
  explicit Alerts(std::shared_ptr<FakeState> state) : state_(std::move(state)) {}

  grpc::Status ListIncidents(grpc::ServerContext*, const v1::ListIncidentsRequest* request,
                             v1::ListIncidentsResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    std::vector<v1::Incident> wanted;
    for (const v1::Incident& incident : state_->incidents) {
      if (request->all() || !incident.has_cleared_at()) wanted.push_back(incident);
    }
    response->set_next_page_token(Page(
        *request, wanted, [&](const v1::Incident& each) { *response->add_incidents() = each; }));
    return status;
  }

  grpc::Status ListMessages(grpc::ServerContext*, const v1::ListMessagesRequest* request,
                            v1::ListMessagesResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    for (const v1::Message& message : state_->messages) {
      const bool waits = message.state() == v1::MESSAGE_STATE_WAITING;
      if (request->ids().empty() && waits == request->done()) continue;
      *response->add_messages() = message;
    }
    return status;
  }

  grpc::Status TestAlert(grpc::ServerContext*, const v1::TestAlertRequest* request,
                         v1::TestAlertResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    for (const v1::Message& message : state_->messages) response->add_message_ids(message.id());
    return status;
  }

 private:
  const std::shared_ptr<FakeState> state_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFakeAlertService(std::shared_ptr<FakeState> state) {
  return std::make_unique<Alerts>(std::move(state));
}

}  // namespace closewrite::cli
