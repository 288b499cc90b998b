// What an executor that died had not said yet.
#ifndef SERVICES_EXECUTOR_LAST_WORDS_H_
#define SERVICES_EXECUTOR_LAST_WORDS_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "closewrite/v1/attend.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/executor/journal.h"

namespace closewrite::executor {

// Resumes the session that `hello` names, as an executor that drains, and reports what the journal
// has of it: results that were not settled, attempts that were cut off (LOST), and the rest of
// their output. Returns when all is recorded, or `within` is over and the coordinator has heard
// some of it.
//
// NOT_FOUND: the coordinator does not know the session any more. ABORTED: somebody else has resumed
// it. UNAVAILABLE, DEADLINE_EXCEEDED: it was not heard; try again.
absl::Status SayLastWords(const std::shared_ptr<grpc::Channel>& channel,
                          const v1::ExecutorHello& hello, const Journal& journal,
                          absl::Duration within);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_LAST_WORDS_H_
