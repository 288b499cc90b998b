#include "services/cli/lock/lock_commands.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "services/cli/confirm.h"
#include "services/cli/lock/lock_hold.h"
#include "services/cli/lock/lock_options.h"
#include "services/cli/lock/lock_run.h"
#include "services/cli/lock/lock_text.h"
#include "services/cli/time_text.h"
#include "services/config/nearest.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

absl::StatusOr<std::vector<v1::Lock>> AskForLocks(Invocation& invocation) {
  v1::ListLocksResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.locks().ListLocks(context, {}, &response);
  });
  if (!status.ok()) return status;
  return std::vector<v1::Lock>(response.locks().begin(), response.locks().end());
}

// A lock that nobody uses is free, and no error; but the name may be a wrong one.
void NoteUnknown(Invocation& invocation, const std::vector<v1::Lock>& locks,
                 const std::string& name) {
  std::vector<std::string> names;
  for (const v1::Lock& lock : locks) names.push_back(lock.name());
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  const std::string nearest = Nearest(name, names);
  invocation.Note(StrCat("nobody uses lock ", name,
                         nearest.empty() ? "" : StrCat("; did you mean ", nearest, "?")));
}

absl::StatusOr<int> List(Invocation& invocation, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (absl::Status s = CheckName("lock", name); !s.ok()) return s;
  }
  auto locks = AskForLocks(invocation);
  if (!locks.ok()) return locks.status();
  for (const std::string& name : names) NoteUnknown(invocation, *locks, name);
  locks->erase(std::remove_if(locks->begin(), locks->end(),
                              [&](const v1::Lock& lock) {
                                return !names.empty() && std::find(names.begin(), names.end(),
                                                                   lock.name()) == names.end();
                              }),
               locks->end());
  if (invocation.format() == Format::kName) {
    for (const v1::Lock& lock : *locks) invocation.out() << lock.name() << "\n";
  } else if (invocation.json()) {
    for (const v1::Lock& lock : *locks) invocation.PrintJson(ToJson(lock));
  } else {
    LockTable(invocation, *locks).Print(invocation.out(), invocation.style());
  }
  return kExitOk;
}

absl::StatusOr<int> Watch(Invocation& invocation, const std::string& name) {
  if (absl::Status s = CheckName("lock", name); !s.ok()) return s;
  v1::WatchLockRequest request;
  request.set_lock(name);
  std::string before;  // a stream that is opened again begins with what may have been told
  Client& client = invocation.client();
  const absl::Status status = client.Follow<v1::WatchLockResponse>(
      invocation.deadline(),
      [&](grpc::ClientContext* context) { return client.locks().WatchLock(context, request); },
      [&](const v1::WatchLockResponse& response) {
        const std::string now = response.lock().ShortDebugString();
        if (std::exchange(before, now) == now) return true;
        if (invocation.json()) {
          invocation.PrintJson(ToJson(response.lock()));
        } else {
          invocation.out() << Rfc3339(invocation.now()) << "  "
                           << Printable(LockText(response.lock())) << "\n";
        }
        invocation.out() << std::flush;
        return bool{invocation.out()};
      });
  if (absl::IsDeadlineExceeded(status)) return kExitTimedOut;
  if (!status.ok()) return status;
  return kExitOk;
}

struct ReleaseOptions {
  std::string name;
  std::string session;
  std::string reason;
  bool force = false;
  bool yes = false;
};

// Whom it would be taken from.
std::vector<v1::LockClaim> Concerned(const std::vector<v1::Lock>& locks,
                                     const ReleaseOptions& options) {
  std::vector<v1::LockClaim> concerned;
  for (const v1::Lock& lock : locks) {
    if (lock.name() != options.name) continue;
    for (const auto* claims : {&lock.holders(), &lock.waiters()}) {
      if (claims == &lock.waiters() && options.session.empty()) continue;
      for (const v1::LockClaim& claim : *claims) {
        if (options.session.empty() || claim.session_id() == options.session) {
          concerned.push_back(claim);
        }
      }
    }
  }
  return concerned;
}

// True when it is to be done.
absl::StatusOr<bool> MayRelease(Invocation& invocation, const ReleaseOptions& options) {
  if (options.yes) return true;
  const auto locks = AskForLocks(invocation);
  if (!locks.ok()) return locks.status();
  const std::vector<v1::LockClaim> concerned = Concerned(*locks, options);
  if (concerned.empty()) {
    return absl::NotFoundError(
        StrCat("nobody ", options.session.empty() ? "holds lock " : "of that session uses lock ",
               options.name, "; `closewrite lock list` has all that are held"));
  }
  std::string question = StrCat("take lock ", options.name, " away from ");
  for (const v1::LockClaim& claim : concerned) {
    StrAppend(&question, &claim == concerned.data() ? "" : ", and ", Printable(ClaimText(claim)));
  }
  return Confirm(invocation, question);
}

absl::StatusOr<int> Release(Invocation& invocation, const ReleaseOptions& options) {
  if (absl::Status s = CheckName("lock", options.name); !s.ok()) return s;
  if (!options.force) {
    return UsageError(StrCat(
        "a lock is given back by its holder, and is free by itself soon after that is dead. "
        "--force takes it away from one that lives, whose command is killed by that if it runs "
        "under `lock run`; `closewrite lock list ",
        options.name, "` says who it is"));
  }
  const auto may = MayRelease(invocation, options);
  if (!may.ok()) return may.status();
  if (!*may) return kExitRefused;
  v1::BreakLockRequest request;
  request.set_request_id(NewRequestId());
  request.set_lock(options.name);
  request.set_session_id(options.session);
  const v1::LockProgram self = ThisProgram(invocation, "lock release");
  request.set_reason(ShortText(StrCat(self.user(), " on ", self.host(),
                                      options.reason.empty() ? "" : ": ", options.reason)));
  v1::BreakLockResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.locks().BreakLock(context, request, &response);
  });
  if (!status.ok()) return status;
  for (const v1::LockClaim& claim : response.claims()) {
    if (invocation.json()) {
      invocation.PrintJson(ToJson(claim));
    } else {
      invocation.out() << "taken from " << Printable(ClaimText(claim)) << "\n";
    }
  }
  return kExitOk;
}

absl::StatusOr<int> Set(Invocation& invocation, const LockOptions& options) {
  if (absl::Status s = CheckName("lock", options.name); !s.ok()) return s;
  if (absl::Status s = CheckCapacity(options.capacity); !s.ok()) return s;
  v1::SetLockRequest request;
  request.set_request_id(NewRequestId());
  request.set_lock(options.name);
  request.set_capacity(options.capacity);
  v1::SetLockResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.locks().SetLock(context, request, &response);
  });
  if (!status.ok()) return status;
  return kExitOk;
}

Command ListCommand() {
  Command command{"lock list", "[NAME...]",
                  "List locks: who holds them, since when, and how many wait. -o wide has those "
                  "who wait, tokens and sessions."};
  command.names = true;
  command.examples_first = true;
  command.examples =
      "closewrite lock list\n"
      "closewrite lock list picky-api -o wide\n";
  command.declare = [](CLI::App& app) -> Action {
    auto names = std::make_shared<std::vector<std::string>>();
    app.add_option("NAME", *names, "Only these");
    return [names](Invocation& invocation) { return List(invocation, *names); };
  };
  return command;
}

Command WatchCommand() {
  Command command{"lock watch", "NAME",
                  "Print a line each time that the holders of a lock, or those who wait for it, "
                  "change. Ends by Ctrl-C (exit code 130), or by --timeout (124)."};
  command.examples_first = true;
  command.examples = "closewrite lock watch picky-api\n";
  command.declare = [](CLI::App& app) -> Action {
    auto name = std::make_shared<std::string>();
    app.add_option("NAME", *name, "The lock")->required();
    return [name](Invocation& invocation) { return Watch(invocation, *name); };
  };
  return command;
}

Command ReleaseCommand() {
  Command command{"lock release", "NAME --force [--session S] [--reason TEXT] [--yes]",
                  "Take a lock away from programs that hold it. What runs under `lock run` is "
                  "killed; others must look whether they have it still. A job's lock is freed by "
                  "`closewrite cancel`."};
  command.examples_first = true;
  command.examples =
      "closewrite lock release picky-api --force --reason 'vm-b hangs'\n"
      "closewrite lock release db-slots --force --session 5bb5c1f0-0000-4000-8000-000000000001\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<ReleaseOptions>();
    app.add_option("NAME", options->name, "The lock")->required();
    app.add_flag("--force", options->force, "Yes, though its holder may still use it");
    app.add_option("--session", options->session,
                   "Of this one alone, also when it waits; `lock list -o wide` has it");
    app.add_option("--reason", options->reason, "For the coordinator's log");
    app.add_flag("-y,--yes", options->yes, "Do not ask");
    return [options](Invocation& invocation) { return Release(invocation, *options); };
  };
  return command;
}

Command SetCommand() {
  Command command{"lock set", "NAME --capacity N",
                  "Say how many may hold a lock at once. Those that hold it now go on."};
  command.examples_first = true;
  command.examples = "closewrite lock set db-slots --capacity 4\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<LockOptions>();
    app.add_option("NAME", options->name, "The lock")->required();
    app.add_option("--capacity", options->capacity, "1 to 1000")->required();
    return [options](Invocation& invocation) { return Set(invocation, *options); };
  };
  return command;
}

}  // namespace

std::vector<Command> LockCommands() {
  return {LockRunCommand(), LockHoldCommand(), ListCommand(),
          WatchCommand(),   ReleaseCommand(),  SetCommand()};
}

}  // namespace closewrite::cli
