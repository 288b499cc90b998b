// Messages of executors and watchers, and the honest beginnings of streams.
#ifndef TESTS_HOSTILE_SAYINGS_H_
#define TESTS_HOSTILE_SAYINGS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "closewrite/v1/attend.pb.h"
#include "closewrite/v1/job.pb.h"
#include "closewrite/v1/observe.pb.h"
#include "grpcpp/grpcpp.h"
#include "tests/hostile/options.h"
#include "tests/hostile/stage.h"
#include "tests/hostile/talk.h"

namespace closewrite::hostile {

// A name of an executor, and a number of an event, that nobody has used before.
std::string FreshName(const Options& options);
int64_t NextSequence();

// The first message of an executor of this name, or one that resumes a session.
v1::AttendRequest ExecutorHello(const Options& options, const std::string& name,
                                const std::string& session = "");
// The first message of the liar's watcher, whose home are these volumes.
v1::ObserveRequest WatcherHello(const Options& options, const std::vector<std::string>& volumes);
// A file of a volume was closed; the event has a number of its own.
v1::ObserveRequest Closed(const std::string& volume, const std::string& path);
v1::LeaseRef Lease(int64_t job, int64_t token);

// Streams that were opened as they should be: a session was given, the volume was accepted.
absl::StatusOr<std::unique_ptr<ExecutorTalk>> OpenExecutor(
    const std::shared_ptr<grpc::Channel>& channel, const Options& options);
absl::StatusOr<std::unique_ptr<WatcherTalk>> OpenWatcher(
    const std::shared_ptr<grpc::Channel>& channel, const Options& options);

// Says it with a number, and waits for its answer. What the stream has ended with otherwise.
absl::StatusOr<v1::AttendResponse> Ask(ExecutorTalk& talk, v1::AttendRequest request,
                                       int64_t sequence);
// Waits for the answer to what was said last, if that carries `published` or is a heartbeat.
absl::StatusOr<v1::ObserveResponse> Ask(WatcherTalk& talk, const v1::ObserveRequest& request);

// The job that is lied about, as people are told of it; nothing where the liar may not ask.
std::optional<v1::GetJobResponse> LookAtJob(const Stage& stage);
// Adds that the job is as it was before, if it could be looked at then.
void AddUnchanged(const Stage& stage, const std::optional<v1::GetJobResponse>& before);

}  // namespace closewrite::hostile

#endif  // TESTS_HOSTILE_SAYINGS_H_
