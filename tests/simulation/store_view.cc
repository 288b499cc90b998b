#include "tests/simulation/store_view.h"

#include <utility>

namespace closewrite::simulation {
namespace {

absl::Status StatusOf(CommitPlan::Fate fate) {
  switch (fate) {
    case CommitPlan::Fate::kDone:
      return absl::OkStatus();
    case CommitPlan::Fate::kAborted:
      return absl::AbortedError("two transactions waited for each other");
    case CommitPlan::Fate::kUnavailable:
    case CommitPlan::Fate::kLostAnswer:
      return absl::UnavailableError("the store does not answer");
    case CommitPlan::Fate::kFull:
      return absl::ResourceExhaustedError("the disk is full");
  }
  return absl::InternalError("no such fate");
}

}  // namespace

absl::Status StoreView::Write(CommitPlan::Fate fate,
                              absl::FunctionRef<absl::Status(StoreTransaction&)> fn) {
  Changes changes;
  absl::Status done = store_.Write([&](StoreTransaction& tx) {
    WatchedTransaction watched(&tx, &lies_);
    if (absl::Status s = fn(watched); !s.ok()) return s;
    changes = watched.changes();
    return fate == CommitPlan::Fate::kLostAnswer ? absl::OkStatus() : StatusOf(fate);
  });
  if (!done.ok()) return done;
  watch_(changes);
  return StatusOf(fate);
}

absl::Status StoreView::Read(absl::FunctionRef<absl::Status(StoreReader&)> fn) {
  if (absl::Status s = disk_.PlanRead(); !s.ok()) return s;
  return store_.Read(fn);
}

}  // namespace closewrite::simulation
