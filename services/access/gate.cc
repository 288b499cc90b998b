#include "services/access/gate.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "services/access/identity.h"
#include "services/access/permissions.h"
#include "services/clock/clock.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

// Of what is refused one line a second is logged: it may come as a flood.
constexpr absl::Duration kToldEvery = absl::Seconds(1);
// What gRPC tells of a peer's certificate.
constexpr char kPeerUri[] = "peer_uri";
constexpr std::string_view kBearer = "Bearer ";

std::string_view View(grpc::string_ref text) { return {text.data(), text.size()}; }

absl::StatusOr<Caller> ByCertificate(const grpc::AuthContext& connection) {
  std::vector<std::string> uris;
  for (const grpc::string_ref uri : connection.FindPropertyValues(kPeerUri)) {
    uris.emplace_back(View(uri));
  }
  absl::StatusOr<Identity> identity = IdentityOfUris(uris);
  if (!identity.ok()) {
    return absl::UnauthenticatedError(
        StrCat("the certificate of the caller: ", identity.status().message()));
  }
  return Caller{.role = identity->role,
                .name = std::move(identity->name),
                .grants = std::move(identity->grants)};
}

}  // namespace

class Gate::Door final : public grpc::AuthMetadataProcessor {
 public:
  explicit Door(Gate* gate) : gate_(*gate) {}
  bool IsBlocking() const override { return false; }
  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* connection,
                       OutputMetadata* /*consumed*/, OutputMetadata* /*response*/) override {
    const auto path = metadata.find(":path");
    const std::string_view called = path == metadata.end() ? "" : View(path->second);
    const absl::StatusOr<Caller> caller = gate_.Recognize(*connection, metadata);
    const absl::Status status = caller.ok() ? CheckPermission(*caller, called) : caller.status();
    if (status.ok()) return grpc::Status::OK;
    gate_.Refused(status, called);
    return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                        std::string(ToStd(status.message())));
  }

 private:
  Gate& gate_;
};

std::shared_ptr<grpc::AuthMetadataProcessor> Gate::Processor() {
  return std::make_shared<Door>(this);
}

absl::StatusOr<Caller> Gate::Recognize(const grpc::AuthContext& connection,
                                       const Metadata& metadata) const {
  const auto [first, last] = metadata.equal_range("authorization");
  if (first != last) {
    const std::string_view value = View(first->second);
    if (std::next(first) != last || value.substr(0, kBearer.size()) != kBearer) {
      return absl::UnauthenticatedError("authorization: must be one `Bearer TOKEN`");
    }
    std::optional<Caller> caller;
    if (tokens_ != nullptr) caller = tokens_->Find(value.substr(kBearer.size()));
    if (caller.has_value()) return *std::move(caller);
    return absl::UnauthenticatedError(
        "the token is not known here; an administrator adds it to the coordinator's `tokens` file, "
        "see `closewrite token new`");
  }
  if (!connection.IsPeerAuthenticated()) return Caller();
  absl::StatusOr<Caller> caller = ByCertificate(connection);
  if (caller.ok() && caller->role == Role::kPortal) {
    const auto user = metadata.find(grpc::string_ref(kUserMetadata.data(), kUserMetadata.size()));
    if (user != metadata.end()) caller->user = View(user->second).substr(0, kActingUserBytesMax);
  }
  return caller;
}

Caller Gate::Of(const grpc::ServerContextBase& context) const {
  const std::shared_ptr<const grpc::AuthContext> connection = context.auth_context();
  Caller caller;
  if (connection != nullptr) {
    // A token that was taken away meanwhile leaves nobody.
    caller = Recognize(*connection, context.client_metadata()).value_or(Caller());
  }
  caller.peer = context.peer();
  return caller;
}

Gate::Numbers Gate::numbers() const {
  absl::MutexLock lock(&mutex_);
  return numbers_;
}

void Gate::Refused(const absl::Status& why, std::string_view path) {
  int64_t untold = 0;
  {
    absl::MutexLock lock(&mutex_);
    ++(absl::IsUnauthenticated(why) ? numbers_.unauthenticated : numbers_.forbidden);
    const absl::Duration now = SinceBoot();
    if (now - told_at_ < kToldEvery) {
      ++untold_;
      return;
    }
    told_at_ = now;
    untold = std::exchange(untold_, 0);
  }
  LogWarn("call refused", {{"call", Display(ShownCall(path))},
                           {"error", ToStd(why.message())},
                           {"and_before", untold}});
}

}  // namespace closewrite
