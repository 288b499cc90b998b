// Ledgers whose files were damaged: opening one gives a ledger or says why not, and whatever is met
// then, restarts of the watcher cure it.
#include <fuzzer/FuzzedDataProvider.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/watcher/ledger.h"
#include "tests/fuzz/ledger_damage.h"
#include "tests/fuzz/require.h"

namespace closewrite::watcher {
namespace {

constexpr std::string_view kOtherBoot = "other";
constexpr int kCallsMax = 12;
constexpr int kRowsAPage = 7;
// More than a ledger of the fuzzer can have: paging that has not ended by then never does.
constexpr int kPagesMax = 2000;
// The one that meets the damage, the one that finds it, and one to spare.
constexpr int kRestartsMax = 3;

FileRecord Row(std::string path, int64_t size) {
  FileRecord record;
  record.path = std::move(path);
  record.version = {static_cast<uint64_t>(size), size, 1};
  record.evidence = ChangeEvidence::kClosed;
  return record;
}

// Restarted too often is as good as broken, so errors are as the header says.
absl::Status Known(absl::Status status) {
  Require(status.ok() || absl::IsDataLoss(status) || absl::IsUnavailable(status) ||
              absl::IsPermissionDenied(status),
          "an error is one that the ledger knows", status.ToString());
  return status;
}

// What the ledger says contradicts itself. Damage that SQLite neither checks for nor stumbles upon
// can do that, so it is wrong only when it would have had to be found.
absl::Status Wrong(std::string_view what) { return absl::InternalError(ToAbsl(what)); }

// All that is pending, page by page, as it is sent to the coordinator.
absl::Status CheckPending(Ledger* ledger) {
  int64_t sent = 0;
  for (int page = 0; page < kPagesMax; ++page) {
    const auto changes = ledger->Pending(sent, kRowsAPage);
    if (!changes.ok()) return Known(changes.status());
    if (changes->empty()) return absl::OkStatus();
    for (const PendingChange& change : *changes) {
      if (change.record.sequence <= sent) return Wrong("what is pending has rising sequences");
      if (change.record.sequence > ledger->sequence()) return Wrong("none is past the newest");
      sent = change.record.sequence;
    }
  }
  Require(false, "what is pending has an end");
  return absl::OkStatus();
}

absl::Status CheckListing(Ledger* ledger, int64_t volume) {
  std::optional<std::string> after;
  for (int page = 0; page < kPagesMax; ++page) {
    const auto directories = ledger->ListNext(volume, "", after, kRowsAPage);
    if (!directories.ok()) return Known(directories.status());
    if (directories->empty()) return absl::OkStatus();
    after = directories->back().directory;
  }
  Require(false, "the directories have an end");
  return absl::OkStatus();
}

absl::Status CheckRecording(Ledger* ledger, int64_t volume) {
  const std::vector<FileRecord> rows = {Row("new/a", 5), Row("d0/e/f0", 6), Row("root", 7)};
  const int64_t before = ledger->sequence();
  const absl::Status recorded = ledger->Record(volume, rows);
  if (!recorded.ok()) return Known(recorded);
  Require(ledger->sequence() == before + 3, "each row takes one sequence");
  for (const FileRecord& row : rows) {
    const auto found = ledger->Find(volume, row.path);
    if (!found.ok()) return Known(found.status());
    if (!found->has_value()) return Wrong("a row that was recorded is found");
    if ((*found)->version != row.version) return Wrong("a row is found as it was recorded");
    if ((*found)->sequence <= before) return Wrong("a row has its sequence");
  }
  return absl::OkStatus();
}

absl::Status CheckAcknowledging(Ledger* ledger) {
  const absl::Status acknowledged = ledger->Acknowledge(ledger->sequence());
  if (!acknowledged.ok()) return Known(acknowledged);
  const auto pending = ledger->Pending(0, 1);
  if (!pending.ok()) return Known(pending.status());
  if (!pending->empty()) return Wrong("nothing is pending when all is acknowledged");
  const auto settled = ledger->Settled(ledger->sequence());
  if (!settled.ok()) return Known(settled.status());
  return *settled ? absl::OkStatus() : Wrong("all is settled when all is acknowledged");
}

// OK when the ledger does all that the watcher needs of it.
absl::Status CheckAll(Ledger* ledger) {
  Require(ledger->acknowledged() <= ledger->sequence(), "what was given can be acknowledged");
  const auto volume = ledger->FindVolume("v");
  if (!volume.ok()) return Known(volume.status());
  absl::Status good = CheckPending(ledger);
  if (good.ok()) good = CheckListing(ledger, volume->key);
  if (good.ok()) good = CheckRecording(ledger, volume->key);
  if (good.ok()) good = CheckPending(ledger);
  if (good.ok()) good = Known(ledger->BeginPublishing(9, 1, "v", {}));
  if (good.ok()) {
    const auto began = ledger->PublishingBegan(9, 1);
    good = began.ok() && !*began ? Wrong("what has begun is known") : Known(began.status());
  }
  if (good.ok()) good = Known(ledger->Numbers().status());
  if (good.ok()) good = CheckAcknowledging(ledger);
  return good;
}

// Some calls in any order; that they end is all that is asked.
void Call(FuzzedDataProvider* input, Ledger* ledger) {
  int64_t volume = 1;
  for (int i = input->ConsumeIntegralInRange(0, kCallsMax); i > 0; --i) {
    switch (input->ConsumeIntegralInRange(0, 8)) {
      case 0: {
        const auto found = ledger->FindVolume(input->ConsumeBool() ? "v" : "x");
        if (found.ok()) volume = found->key;
        break;
      }
      case 1:
        Known(ledger->Record(volume, {Row("d1/e/f1", i), Row("d9/new", i)})).IgnoreError();
        break;
      case 2:
        Known(ledger->Acknowledge(ledger->acknowledged() + i)).IgnoreError();
        break;
      case 3:
        Known(ledger->ForgetPendingExcept({"v"})).IgnoreError();
        break;
      case 4:
        Known(ledger->List(volume, "d0/e").status()).IgnoreError();
        break;
      case 5: {
        const std::vector<PublishedFile> files = {{"d1/e/f1", static_cast<uint64_t>(i)}};
        Known(ledger->BeginPublishing(4, i, "v", files)).IgnoreError();
        break;
      }
      case 6:
        Known(ledger->ForgetPublishingExcept({{4, 1}})).IgnoreError();
        break;
      case 7:
        Known(ledger->SetMarker(volume, "other")).IgnoreError();
        break;
      default:
        Known(CheckPending(ledger)).IgnoreError();
    }
  }
}

// Not one of a version that is newer, which is nobody's damage to mend.
bool IsNewer(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) &&
         ToStd(status.message()).find("newer version") != std::string_view::npos;
}

// `checked`: SQLite's structures are whole, or it has to check them.
void CheckRecovery(FuzzedDataProvider* input, const std::string& directory, std::string_view boot,
                   bool checked) {
  absl::Status good;
  for (int restart = 0; restart <= kRestartsMax; ++restart) {
    auto ledger = Ledger::Open(directory, boot);
    if (IsNewer(ledger.status())) return;
    Require(ledger.ok(), "a damaged ledger makes room for a new one", ledger.status().ToString());
    Require((*ledger)->id().size() == 16, "a ledger has an id");
    if (restart == 0) Call(input, ledger->get());
    good = CheckAll(ledger->get());
    if (good.ok()) return;
    if (absl::IsInternal(good)) {
      Require(!checked, ToStd(good.message()));
      return;
    }
  }
  Require(false, "restarts cure a damaged ledger", good.ToString());
}

}  // namespace
}  // namespace closewrite::watcher

// Only what the ledger could not help is of interest; it logs each damage.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  setenv("CLOSEWRITE_LOG", "error", 1);
  closewrite::InitLog("fuzz");
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace watcher = closewrite::watcher;
  FuzzedDataProvider input(data, size);
  std::string directory = (std::filesystem::temp_directory_path() / "ledger-XXXXXX").string();
  closewrite::Require(mkdtemp(directory.data()) != nullptr, "a folder can be made");
  const auto& files_of = input.PickValueInArray(
      {&watcher::LedgerFiles::New, &watcher::LedgerFiles::Killed, &watcher::LedgerFiles::Closed});
  watcher::LedgerFiles files = files_of();
  const bool other_boot = input.ConsumeBool();
  const bool damage_rows = input.ConsumeBool();
  if (!damage_rows) watcher::DamageBytes(&input, &files);
  files.WriteTo(directory);
  if (damage_rows) watcher::DamageRows(&input, directory);
  // Without its log's end, one that was killed is as one that was closed before.
  const bool whole_log = files.log == watcher::LedgerFiles::Killed().log;
  const bool killed = files_of == &watcher::LedgerFiles::Killed;
  const bool checked = damage_rows || (other_boot && killed && whole_log);
  watcher::CheckRecovery(&input, directory,
                         other_boot ? watcher::kOtherBoot : watcher::kMadeUnderBoot, checked);
  std::filesystem::remove_all(directory);
  return 0;
}
