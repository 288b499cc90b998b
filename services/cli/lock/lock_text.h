// Locks as people read them.
#ifndef SERVICES_CLI_LOCK_LOCK_TEXT_H_
#define SERVICES_CLI_LOCK_LOCK_TEXT_H_

#include <string>
#include <vector>

#include "closewrite/v1/lock.pb.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

// `Rscript api_calls.R on vm-b (pid 4711, alice)`, or `job 41 of enrich on vm-c`.
std::string ClaimText(const v1::LockClaim& claim);

// `held by Rscript api_calls.R on vm-b (pid 4711, alice), token 12; 3 wait`, or `free`.
std::string LockText(const v1::Lock& lock);

// A row for each holder, one for a lock that has none; the wide one has those who wait, too.
Table LockTable(Invocation& invocation, const std::vector<v1::Lock>& locks);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOCK_LOCK_TEXT_H_
