// An engine on a scratch folder with a real ledger, for tests.
#ifndef SERVICES_WATCHER_ENGINE_FIXTURE_H_
#define SERVICES_WATCHER_ENGINE_FIXTURE_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "services/clock/clock.h"
#include "services/watcher/ledger.h"
#include "services/watcher/scratch_volume.h"
#include "services/watcher/volume_engine.h"

namespace closewrite::watcher {

// path: "KIND EVIDENCE", and the source unless an event told it
using Said = std::map<std::string, std::string>;

// The volume is called "v". Failures end the test's process.
class EngineFixture {
 public:
  ~EngineFixture();

  // PERMISSION_DENIED when `options.backend` can't be used by this user.
  absl::Status CheckBackend();
  // Starts, and waits until what was there before is known.
  void Start();
  void StartOnly();
  void Stop();
  absl::Status Flush();
  // What was recorded since the last call, acknowledged as if sent.
  Said News();
  ContentVersion Version(const std::string& path);
  VolumeReport Report() const { return engine->Report(); }
  // Flushes until the report is as it should be.
  void Until(const std::function<bool(const VolumeReport&)>& reached);
  void Until(EngineState state);

  ScratchVolume volume;
  ScratchVolume state;
  SteadyClock clock;
  // `options` are completed by StartOnly.
  VolumeEngine::Options options;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<VolumeEngine> engine;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_ENGINE_FIXTURE_H_
