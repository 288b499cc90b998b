// Ledgers as the watcher leaves them, and what can go wrong with their files.
#ifndef TESTS_FUZZ_LEDGER_DAMAGE_H_
#define TESTS_FUZZ_LEDGER_DAMAGE_H_

#include <fuzzer/FuzzedDataProvider.h>

#include <string>
#include <string_view>

namespace closewrite::watcher {

// The boot under which the ledgers were made.
inline constexpr std::string_view kMadeUnderBoot = "made";

// The files of a ledger. One that is empty is not there.
struct LedgerFiles {
  std::string database;
  std::string log;  // write-ahead

  // A ledger that was closed, one whose process was killed, and one that is new.
  static const LedgerFiles& Closed();
  static const LedgerFiles& Killed();
  static const LedgerFiles& New();

  void WriteTo(const std::string& directory) const;
};

// Edits the files as `input` says: bytes are changed, cut off, added, copied from elsewhere.
void DamageBytes(FuzzedDataProvider* input, LedgerFiles* files);

// Edits rows of the ledger in `directory`, as changed bytes might, so that they contradict each
// other; that is seldom met by chance.
void DamageRows(FuzzedDataProvider* input, const std::string& directory);

}  // namespace closewrite::watcher

#endif  // TESTS_FUZZ_LEDGER_DAMAGE_H_
