#include "services/watcher/engine_fixture.h"

#include <fcntl.h>

#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/watcher/fanotify_backend.h"

namespace closewrite::watcher {
namespace {

std::string Describe(const FileRecord& record) {
  constexpr const char* kKinds[] = {"",       "CLOSE_WRITE", "MOVED_TO", "CREATE",
                                    "DELETE", "MOVED_FROM",  "ATTRIB"};
  constexpr const char* kEvidence[] = {"",      "CLOSED", "MOVED_IN", "LINKED",
                                       "FOUND", "QUIET",  "UNCHECKED"};
  constexpr const char* kSources[] = {"", "", " rescan", " audit", " poll"};
  return StrCat(kKinds[static_cast<int>(record.kind)], " ",
                kEvidence[static_cast<int>(record.evidence)],
                kSources[static_cast<int>(record.source)]);
}

}  // namespace

EngineFixture::~EngineFixture() { Stop(); }

absl::Status EngineFixture::CheckBackend() {
  if (options.backend != BackendKind::kFanotify) return absl::OkStatus();
  EventQueue queue;
  const Fd root(open(volume.path().c_str(), O_RDONLY | O_DIRECTORY));
  return FanotifyBackend::Create(root.get(), &queue).status();
}

void EngineFixture::Start() {
  StartOnly();
  ASSERT_TRUE(Flush().ok());
}

void EngineFixture::StartOnly() {
  absl::StatusOr<std::unique_ptr<Ledger>> opened = Ledger::Open(state.path());
  ASSERT_TRUE(opened.ok()) << opened.status();
  ledger = *std::move(opened);
  VolumeEngine::Options complete = options;
  complete.name = "v";
  if (complete.path.empty()) complete.path = volume.path();
  complete.ignore = *IgnoreList::Parse(DefaultIgnoreGlobs());
  complete.ledger = ledger.get();
  complete.clock = &clock;
  engine = std::make_unique<VolumeEngine>(std::move(complete));
  const absl::Status prepared = engine->Prepare();
  ASSERT_TRUE(prepared.ok()) << prepared;
  engine->Start();
}

void EngineFixture::Stop() {
  engine.reset();
  ledger.reset();
}

absl::Status EngineFixture::Flush() {
  absl::Notification done;
  absl::Status status;
  engine->Flush([&](const absl::StatusOr<int64_t>& sequence) {
    status = sequence.status();
    done.Notify();
  });
  done.WaitForNotification();
  return status;
}

Said EngineFixture::News() {
  const absl::Status flushed = Flush();
  EXPECT_TRUE(flushed.ok()) << flushed;
  Said said;
  const std::vector<PendingChange> changes = *ledger->Pending(0, 1'000'000);
  for (const PendingChange& change : changes) said[change.record.path] = Describe(change.record);
  EXPECT_TRUE(ledger->Acknowledge(ledger->sequence()).ok());
  return said;
}

ContentVersion EngineFixture::Version(const std::string& path) {
  return (*ledger->Find(ledger->FindVolume("v")->key, path))->version;
}

void EngineFixture::Until(const std::function<bool(const VolumeReport&)>& reached) {
  while (!reached(engine->Report())) Flush().IgnoreError();
}

void EngineFixture::Until(EngineState wanted) {
  Until([wanted](const VolumeReport& report) { return report.state == wanted; });
}

}  // namespace closewrite::watcher
