// The ledger's file: its tables, how those of older versions become newer ones, and whether it is
// whole.
#ifndef SERVICES_WATCHER_LEDGER_SCHEMA_H_
#define SERVICES_WATCHER_LEDGER_SCHEMA_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/watcher/database.h"

namespace closewrite::watcher {

inline constexpr int64_t kLedgerSchemaVersion = 2;
// What counting up from 1 never reaches: a larger one is damage.
inline constexpr int64_t kLedgerSequenceMax = INT64_MAX / 2;

// Runs `body` in a transaction; rolls it back when it fails.
absl::Status Transact(Database* database, const std::function<absl::Status()>& body);

// Small values by name. An absent one is "" or 0.
absl::StatusOr<std::string> ReadMeta(Database* database, std::string_view key);
absl::StatusOr<int64_t> ReadMetaNumber(Database* database, std::string_view key);
absl::Status WriteMeta(Database* database, std::string_view key, std::string_view value);
absl::Status WriteMeta(Database* database, std::string_view key, int64_t value);

struct LedgerState {
  bool made_new = false;
  std::string id;
  int64_t acknowledged = 0;
  int64_t newest = 0;  // sequence
};

// Makes the tables, or brings those of an older version up to date; marks the file as in use.
//
// It is checked as a whole, which takes about half a second a million files, unless it was closed
// by MarkClosed, or by a crash of its process alone (the same boot): SQLite's write-ahead log can't
// be torn by that. DATA_LOSS when it is damaged, FAILED_PRECONDITION when a newer version made it.
absl::StatusOr<LedgerState> PrepareLedger(Database* database, const std::string& file,
                                          std::string_view boot_id);
absl::Status MarkClosed(Database* database);
// The next PrepareLedger says DATA_LOSS, come what may.
absl::Status MarkSuspect(Database* database);

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_LEDGER_SCHEMA_H_
