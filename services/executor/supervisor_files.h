// What the supervisor of one command leaves in the state directory, as the executor sees it.
#ifndef SERVICES_EXECUTOR_SUPERVISOR_FILES_H_
#define SERVICES_EXECUTOR_SUPERVISOR_FILES_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "services/executor/supervisor_protocol.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {

// `NAME.state` and `NAME.socket` in a folder that only the executor's user can enter. Sockets are
// reached through the folder's open file, for their own names must be short (unix(7)). Thread-safe.
class SupervisorFiles {
 public:
  // `folder` is not owned; -1 for none.
  SupervisorFiles() = default;
  SupervisorFiles(int folder, std::string name) : folder_(folder), name_(std::move(name)) {}

  // The state file, new and locked for whoever holds it. UNAVAILABLE when it can't be made, or
  // another supervisor lives.
  absl::StatusOr<Fd> MakeState() const;
  // A new socket that listens.
  absl::StatusOr<Fd> Listen() const;

  // Nothing when there is none that can be understood.
  std::optional<SupervisorState> ReadState() const;
  // Whether the supervisor lives: the lock of its state is held.
  bool Lives() const;
  // UNAVAILABLE when nobody listens.
  absl::StatusOr<Fd> Connect() const;

  void Remove() const;

  const std::string& name() const { return name_; }

 private:
  std::string State() const { return name_ + ".state"; }
  std::string Socket() const { return name_ + ".socket"; }

  int folder_ = -1;
  std::string name_;
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_SUPERVISOR_FILES_H_
