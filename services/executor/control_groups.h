// Control groups (cgroups(7)) of commands: what bounds all that a command starts together, and what
// none of it can leave but by the right to write groups, which root has.
#ifndef SERVICES_EXECUTOR_CONTROL_GROUPS_H_
#define SERVICES_EXECUTOR_CONTROL_GROUPS_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {

// Of a command and all that it starts, together; 0: none.
struct GroupLimits {
  int64_t memory_bytes = 0;  // swap counts as well, where the kernel can tell
  int64_t cpu_millis = 0;    // thousandths of one processor
  int nice = 0;              // as the command's own
};

// What a command joins.
struct GroupFds {
  Fd unified;              // its group in v2, if there is one
  bool must_join = false;  // that one, because it has limits
  std::vector<Fd> limits;  // its groups in v1, kLimitGroupsMax at most
};
inline constexpr int kLimitGroupsMax = 2;

// Groups are made below the executor's own, in cgroup v2, and for limits whose controller belongs
// to a v1 hierarchy there. In v2 a group with limits must have no sibling processes, so that before
// the first limit all processes of the executor move into a group of their own beside: which is
// only done when no others share its group, as in a systemd unit with Delegate=yes.
//
// Where no group can be made - no right to, no cgroups - commands run without, and limits are
// refused. Thread-safe; makes nothing before it is asked.
class ControlGroups {
 public:
  struct Hierarchy {
    std::string folder;                 // the executor's own group
    bool unified = false;               // v2
    std::set<std::string> controllers;  // of v1; in v2 they depend on the group
  };

  // No groups at all.
  ControlGroups() = default;
  // Those of the executor whose state directory this is, and which this process is, or its
  // guardian.
  static ControlGroups Find(const std::string& state);

  // Makes the groups of a command, as open folders. FAILED_PRECONDITION when a limit can't be kept
  // here, with the reason and the cure.
  absl::StatusOr<GroupFds> Make(const std::string& command, const GroupLimits& limits) const;

  // Kills all processes of a command that has a group, and waits until they are gone. False when
  // some live after kGroupLooksMax looks (see process_group.h).
  bool Kill(const std::string& command) const;

  // Whether the kernel has killed for want of memory.
  bool RanOutOfMemory(const std::string& command) const;

  // Of commands that have ended.
  void Remove(const std::string& command) const;
  // Removes what an earlier process has left, and of which nothing runs any more.
  void RemoveAllBut(const std::set<std::string>& commands) const;

 private:
  // Nullptr when this machine has none for it.
  const Hierarchy* Unified() const;
  const Hierarchy* Controlling(const std::string& controller) const;
  std::string Folder(const Hierarchy& hierarchy, const std::string& command) const;
  // Makes it when it is not there.
  absl::StatusOr<Fd> Open(const Hierarchy& hierarchy, const std::string& command) const;
  absl::Status Enable(const Hierarchy& unified, const std::string& controller) const;
  absl::Status MoveAside(const Hierarchy& unified) const;

  std::string prefix_;  // of the names of groups
  std::vector<Hierarchy> hierarchies_;
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_CONTROL_GROUPS_H_
