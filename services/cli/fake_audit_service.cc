#include "services/cli/fake_audit_service.h"

#include <utility>

#include "closewrite/v1/audit.grpc.pb.h"

namespace closewrite::cli {
namespace {

class Audit : public v1::AuditService::Service {
 public:
  explicit Audit(std::shared_ptr<FakeState> state) : state_(std::move(state)) {}

  grpc::Status ListAuditEntries(grpc::ServerContext*, const v1::ListAuditEntriesRequest* request,
                                v1::ListAuditEntriesResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    std::vector<v1::AuditEntry> wanted;
    for (auto entry = state_->audit.rbegin(); entry != state_->audit.rend(); ++entry) {
      if (request->name().empty() || request->name() == entry->name()) wanted.push_back(*entry);
    }
    response->set_next_page_token(Page(
        *request, wanted, [&](const v1::AuditEntry& each) { *response->add_entries() = each; }));
    return status;
  }

 private:
  const std::shared_ptr<FakeState> state_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFakeAuditService(std::shared_ptr<FakeState> state) {
  return std::make_unique<Audit>(std::move(state));
}

}  // namespace closewrite::cli
