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

// How long the last words may take; the leases of the dead wait for them.
inline constexpr absl::Duration kLastWordsMax = absl::Seconds(2);
// How long one EndSession may take.
inline constexpr absl::Duration kEndSessionMax = absl::Seconds(1);

// Ends the session of a process that is dead, and whose commands are: the caller holds the
// journal's lock. First the session is resumed, as that of an executor that drains, and what the
// journal has of it is reported: results that were not settled, attempts that were cut off (LOST),
// and the rest of their output. Before that the journal notes that the session is ending, so no
// executor resumes it to go on with it: it does no harm when its end is asked for twice, or comes
// late. Nothing is done when the journal names no session; it names none when this is OK.
//
// UNAVAILABLE: try again. Others: the coordinator refuses, which should not be.
absl::Status EndSessionOfTheDead(const std::shared_ptr<grpc::Channel>& channel,
                                 v1::ExecutorHello hello, const Journal& journal);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_LAST_WORDS_H_
