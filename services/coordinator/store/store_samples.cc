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
  job.priority = -123456789;
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
  job.pid = 4194302;
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
  job.cancelling = true;
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

SessionRecord FullSession(const SessionId& id) {
  SessionRecord session;
  session.id = id;
  session.executor.name = absl::StrCat("name ", AllBytes());
  session.executor.host = absl::StrCat("host ", AllBytes());
  session.executor.session = "fedcba9876543210fedcba9876543210";
  session.executor.labels = {"internet", "", AllBytes()};
  session.executor.slots = 100000;
  session.executor.volume_roots = {{"in", "/srv/in"}, {AllBytes(), ""}};
  session.executor.read_only_volumes = {AllBytes(), "in"};
  session.executor.version = "1.2.3";
  session.executor.address = "[::1]:7402";
  session.coordinator = "0123456789abcdef0123456789abcdef";
  session.draining = true;
  session.told_to_drain = true;
  session.findings.unusable_volumes = {{"in", AllBytes()}, {absl::StrCat("v/", AllBytes()), ""}};
  session.findings.clock_ahead = -absl::Nanoseconds(1234567890123);
  session.heartbeat_at = absl::FromUnixNanos(1700000000123456789);
  session.expires_at = absl::InfiniteFuture();
  return session;
}

Watcher FullWatcher(const std::string& host) {
  VolumeReport report;
  report.volume = absl::StrCat("volume ", AllBytes());
  report.root = absl::StrCat("/", AllBytes());
  report.volume_id = std::string(16, '\0');
  report.state = VolumeState::kDegraded;
  report.message = AllBytes();
  report.read_only = true;
  report.watched_directories = int64_t{1} << 40;
  report.overflows = 3;
  report.unacknowledged_events = int64_t{1} << 41;
  report.backend = 2;
  report.unwatched_directories = 5;
  report.pending_files = int64_t{1} << 42;
  report.file_system = "ext4";
  report.scans = 7;
  report.scan_duration = absl::Nanoseconds(1234567890123);
  report.audit_found = 9;
  report.canary_seen_at = absl::FromUnixNanos(-1);
  report.canary_misses = 11;
  Watcher watcher;
  watcher.host = host;
  watcher.ledger_id = std::string("\0\xff ledger", 9);
  watcher.stream = int64_t{1} << 43;
  watcher.coordinator = "0123456789abcdef0123456789abcdef";
  watcher.version = "1.2.3";
  watcher.address = "vm-b:7401";
  watcher.heartbeat_at = absl::InfinitePast();
  watcher.expires_at = absl::FromUnixNanos(1700000000123456789);
  watcher.volumes = {report, VolumeReport{}};
  return watcher;
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
