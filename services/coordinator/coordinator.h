// The coordinator put together: store, engine, loop, services, server.
#ifndef SERVICES_COORDINATOR_COORDINATOR_H_
#define SERVICES_COORDINATOR_COORDINATOR_H_

#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "closewrite/v1/config.pb.h"
#include "services/clock/clock.h"

namespace closewrite {

// Thread-safe after Start.
class Coordinator {
 public:
  // Opens the store and binds the port; nothing serves yet when it fails. INVALID_ARGUMENT: the
  // configuration is wrong, and the message says where. `clock` is not owned.
  static absl::StatusOr<std::unique_ptr<Coordinator>> Start(const v1::CoordinatorConfig& config,
                                                            const Clock* clock);
  ~Coordinator();

  int port() const;
  // Tells clients to go elsewhere, ends their streams, and stops after what is under way is
  // committed. May be called any number of times.
  void Shutdown();

 private:
  struct Parts;
  explicit Coordinator(std::unique_ptr<Parts> parts);
  static void CountCommits(const v1::CoordinatorConfig& config, Parts* parts);
  static absl::Status ServeMetrics(const v1::CoordinatorConfig& config, Parts* parts);
  std::unique_ptr<Parts> parts_;
};

// Copies the store of the configuration into a new file, while a coordinator uses it.
// INVALID_ARGUMENT: it is not one that is copied in this way. Others, and `go_on`: see
// CopySqliteStore.
absl::Status BackUpStore(const v1::CoordinatorConfig& config, const std::string& copy,
                         absl::FunctionRef<bool()> go_on);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_COORDINATOR_H_
