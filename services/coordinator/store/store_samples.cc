#include "services/coordinator/store/store_samples.h"

#include "absl/strings/str_cat.h"

namespace closewrite {

std::string AllBytes() {
  std::string bytes;
  for (int byte = 1; byte < 256; ++byte) {
    if (byte != '/') bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

absl::Time Second(int64_t unix_seconds) { return absl::FromUnixSeconds(unix_seconds); }

Job SmallJob(const std::string& name, JobState state) {
  Job job;
  job.pipeline = "p";
  job.key = name;
  job.state = state;
  job.input.volume = "in";
  job.input.path = name;
  return job;
}

Job FullJob(const std::string& key) {
  Job job;
  job.pipeline = absl::StrCat("pipeline ", AllBytes());
  job.key = key;
  job.state = JobState::kPublishing;
  job.input = {absl::StrCat("volume ", AllBytes()), absl::StrCat("a/", AllBytes()),
               uint64_t{0xfedcba9876543210}, int64_t{1} << 62, -1234567890123456789};
  job.event_id = int64_t{1} << 40;
  job.output_volume = absl::StrCat("out ", AllBytes());
  job.outputs = {{absl::StrCat("x/", AllBytes()), 77, std::string(32, '\xff')},
                 {"", 0, std::string(32, '\0')},
                 {"y", int64_t{1} << 50, ""}};
  job.attempts = 3;
  job.attempts_base = 2;
  job.crashes = 1;
  job.token.value = (int64_t{1} << 62) + 5;
  job.session = "0123456789abcdef0123456789abcdef";
  job.executor = absl::StrCat("executor ", AllBytes());
  job.host = absl::StrCat("host ", AllBytes());
  job.exit_code = -7;
  job.message = absl::StrCat("message with a NUL", std::string(1, '\0'), AllBytes());
  job.after.value = 123456789012;
  job.created_at = absl::FromUnixNanos(1700000000123456789);
  job.due_at = absl::FromUnixNanos(-1);
  job.leased_at = absl::InfiniteFuture();
  job.started_at = absl::UnixEpoch();
  job.finished_at = absl::FromUnixNanos(9000000000000000001);
  job.observed_at = absl::FromUnixNanos(-9000000000000000001);
  job.caused_by_job = 123456789011;
  return job;
}

Attempt FullAttempt(JobId job, int64_t token) {
  Attempt attempt;
  attempt.job = job;
  attempt.token.value = token;
  attempt.number = 4;
  attempt.executor = absl::StrCat("executor ", AllBytes());
  attempt.host = absl::StrCat("host ", AllBytes());
  attempt.pid = 4194303;
  attempt.outcome = Outcome::kTemporaryFailure;
  attempt.exit_code = 75;
  attempt.signal = 9;
  attempt.message = AllBytes();
  attempt.leased_at = absl::FromUnixNanos(1700000000123456789);
  attempt.started_at = absl::InfiniteFuture();
  attempt.ended_at = absl::FromUnixNanos(-1);
  attempt.cpu = absl::Nanoseconds(123456789012345);
  attempt.max_rss_bytes = int64_t{1} << 45;
  return attempt;
}

EventRecord FullEvent(const std::string& ledger_id, int64_t sequence) {
  EventRecord record;
  record.host = absl::StrCat("host ", AllBytes());
  record.ledger_id = ledger_id;
  record.event.sequence = sequence;
  record.event.kind = EventKind::kMovedFrom;
  record.event.evidence = Evidence::kUnchecked;
  record.event.source = EventSource::kPoll;
  record.event.file = {absl::StrCat("volume ", AllBytes()), absl::StrCat("a/", AllBytes()),
                       uint64_t{0xfedcba9876543210}, int64_t{1} << 62, -1234567890123456789};
  record.event.observed_at = absl::FromUnixNanos(1700000000123456789);
  record.event.caused_by_job = int64_t{1} << 41;
  record.received_at = absl::InfiniteFuture();
  return record;
}

EventRecord EventOfPath(int64_t sequence, const std::string& volume, const std::string& path) {
  EventRecord record;
  record.ledger_id = "ledger";
  record.event.sequence = sequence;
  record.event.file.volume = volume;
  record.event.file.path = path;
  return record;
}

}  // namespace closewrite
