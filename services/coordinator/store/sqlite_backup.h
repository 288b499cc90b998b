// Copies of a SQLite store that is in use.
#ifndef SERVICES_COORDINATOR_STORE_SQLITE_BACKUP_H_
#define SERVICES_COORDINATOR_STORE_SQLITE_BACKUP_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace closewrite {

// Copies what is committed in the store of the file `store` into the new file `copy`, which can be
// opened as a store. A coordinator that uses the store, here or in another process, reads and
// commits meanwhile. The copy is private, and has its name only when it is whole and synced; until
// then it is called `copy`.part. Numbers of jobs, events and leases are not used again in it that
// the store gives meanwhile. Thread-safe, but not for one name at a time.
//
// NOT_FOUND: there is no store. FAILED_PRECONDITION: the file is another program's. ALREADY_EXISTS:
// there is a file of the copy's name. RESOURCE_EXHAUSTED: its disk has no room for it; that is
// looked at first, and on the disk of the store kSpaceLeftBytes must be left. UNAVAILABLE: it can't
// be written. CANCELLED: `go_on`, which is asked again and again, said no; nothing is left.
absl::Status CopySqliteStore(
    const std::string& store, const std::string& copy,
    absl::FunctionRef<bool()> go_on = [] { return true; });

// What a copy leaves free where the store itself has to grow.
inline constexpr int64_t kSpaceLeftBytes = 64 << 20;

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_SQLITE_BACKUP_H_
