#include "services/watcher/volume_state.h"

#include <fstream>

#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::watcher {
namespace {

constexpr size_t kUncoveredShownMax = 3;
// The cure leaves room to grow, in steps of this.
constexpr int64_t kWatchesStep = 65'536;

std::string DescribeUncovered(const WatchedTree& tree) {
  const int64_t count = static_cast<int64_t>(tree.uncovered().size()) + tree.uncovered_more();
  std::string text;
  if (tree.unwatched() > 0) {
    text =
        StrCat(tree.unwatched(), tree.unwatched() == 1 ? " directory is" : " directories are",
               " not watched but polled, for the limit of inotify watches is reached; raise it: ",
               WatchesCure(tree.unwatched()));
    if (count <= tree.unwatched()) return text;
    StrAppend(&text, "; ");
  }
  StrAppend(&text, count, count == 1 ? " directory is" : " directories are", " not covered: ");
  size_t shown = 0;
  for (const auto& [path, why] : tree.uncovered()) {
    if (shown++ == kUncoveredShownMax) return StrCat(text, " …");
    StrAppend(&text, shown > 1 ? "; " : "", path.empty() ? "." : Display(path), " (", why, ")");
  }
  return text;
}

}  // namespace

std::string WatchesCure(int64_t unwatched) {
  int64_t limit = 0;
  std::ifstream("/proc/sys/fs/inotify/max_user_watches") >> limit;
  const int64_t needed = limit + 2 * unwatched;
  return StrCat("sysctl -w fs.inotify.max_user_watches=",
                (needed / kWatchesStep + 1) * kWatchesStep, " (now ", limit, ")");
}

void Describe(const VolumeState& state, VolumeReport* report) {
  report->state = EngineState::kDegraded;
  report->message.clear();
  if (!state.lost.empty()) {
    report->state = EngineState::kLost;
    report->message = state.lost;
  } else if (!state.ledger_error.empty()) {
    report->message = StrCat(state.ledger_error, "; events wait in memory");
  } else if (state.canary != nullptr && !state.canary->alive()) {
    report->message =
        StrCat("a test file, ", kCanaryPath, ", was written and its event did not come: ",
               "what happens here may not be seen; it is rescanned");
  } else if (state.tree != nullptr && !state.tree->uncovered().empty()) {
    report->message = DescribeUncovered(*state.tree);
  } else if (state.overflowing) {
    report->message =
        "events overflow again and again; raise fs.inotify.max_queued_events (sysctl)";
  } else if (state.scanning || (state.canary != nullptr && state.canary->waiting())) {
    report->state = EngineState::kScanning;
    report->message = "a scan of the whole volume is under way";
  } else {
    report->state = EngineState::kLive;
    if (state.overlay) {
      report->message =
          "on overlayfs: what is written straight to its upper directory has no event "
          "and is found by audits only";
    }
    if (state.canary != nullptr && !state.canary->why().empty()) {
      report->message = StrCat("no test file can be written, so nothing proves that events come: ",
                               state.canary->why());
    }
  }
}

}  // namespace closewrite::watcher
