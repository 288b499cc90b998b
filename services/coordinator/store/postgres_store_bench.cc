// Measures the PostgreSQL store by hand: inserts jobs, then drains them in groups, by one store or
// several at once, and tells the rates and what is left for vacuum.
//
//   bazel run -c opt //services/coordinator/store:postgres_store_bench -- URL [JOBS [GROUP
//   [STORES]]]
//
// The database should be empty. Prints tab-separated lines.
#include <stdio.h>
#include <stdlib.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>  // NOLINT: other coordinators
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/clock/clock.h"
#include "services/coordinator/store/postgres_connection.h"
#include "services/coordinator/store/postgres_store.h"

namespace closewrite {
namespace {

constexpr absl::Duration kReportEvery = absl::Seconds(1);

struct Options {
  std::string url;
  int64_t jobs = 100000;
  int64_t group = 256;
  int stores = 1;
};

// As the engine makes them: an event, and a job of it.
void InsertSome(StoreTransaction& t, const std::string& ledger, int64_t first, int64_t count) {
  Expected expected;
  std::vector<EventRecord> records;
  for (int64_t i = first; i < first + count; ++i) {
    EventRecord& record = records.emplace_back();
    record.host = "vm-b";
    record.ledger_id = ledger;
    record.event.sequence = i;
    record.event.file = {absl::StrCat("unenriched-", ledger), absl::StrCat("2026/11/", i, ".csv"),
                         static_cast<uint64_t>(i), 12345, 1700000000123456789 + i};
    record.received_at = t.Now(absl::Time());
    expected.paths.emplace_back(record.event.file.volume, record.event.file.path);
    expected.keys.push_back(JobKey("enrich", record.event.file));
  }
  t.Expect(expected);
  for (EventRecord& record : records) {
    record.id = t.InsertEvent(record);
    Job job;
    job.pipeline = "enrich";
    job.key = JobKey("enrich", record.event.file);
    if (t.FindJobByKey(job.key).has_value()) continue;
    if (t.LastInLine("enrich", record.event.file.volume, record.event.file.path)) continue;
    job.input = record.event.file;
    job.event_id = record.id;
    job.output_volume = "enriched";
    job.created_at = record.received_at;
    t.InsertJob(job);
  }
}

// One commit of a coordinator under load: ends the jobs of the last one and claims the next.
std::vector<Job> Cycle(StoreTransaction& t, const std::vector<Job>& running, int64_t group) {
  Expected expected;
  for (const Job& job : running) expected.jobs.push_back(job.id);
  t.Expect(expected);
  for (const Job& before : running) {
    std::optional<Job> job = t.GetJob(before.id);
    if (!job.has_value() || job->token != before.token) continue;
    job->state = JobState::kSucceeded;
    job->finished_at = t.Now(absl::Time());
    job->outputs = {{job->input.path, 4567, std::string(32, 'h')}};
    t.UpdateJob(*job);
    t.EraseClaimsOf(HolderOf(job->id));
    t.PutAttempt({.job = job->id,
                  .token = job->token,
                  .number = 1,
                  .executor = "vm-c",
                  .host = "vm-c",
                  .pid = 1234,
                  .outcome = Outcome::kSucceeded});
    t.Followers(job->id);
  }
  std::vector<Job> claimed = t.Claim({{"enrich", group}});
  for (Job& job : claimed) {
    job.state = JobState::kRunning;
    ++job.token.value;
    ++job.attempts;
    job.session = "0123456789abcdef0123456789abcdef";
    job.executor = job.host = "vm-c";
    job.leased_at = t.Now(absl::Time());
    t.UpdateJob(job);
  }
  return claimed;
}

// How far all stores are, and how the hot table does, as lines.
class Progress {
 public:
  explicit Progress(const Options& options) : options_(options), began_at_(SinceBoot()) {
    absl::StatusOr<PostgresUrl> url = ParsePostgresUrl(options.url);
    if (url.ok()) {
      absl::StatusOr<std::unique_ptr<PostgresConnection>> made = PostgresConnection::Connect(*url);
      if (made.ok()) connection_ = *std::move(made);
    }
  }
  void Add(const char* what, int64_t jobs) {
    absl::MutexLock lock(&mutex_);
    done_ += jobs;
    const absl::Duration now = SinceBoot();
    if (now - told_at_ >= kReportEvery) Tell(what, now);
  }
  void End(const char* what) {
    absl::MutexLock lock(&mutex_);
    const absl::Duration now = SinceBoot();
    Tell(what, now);
    printf("%s\ttotal\t%ld jobs\t%.1f s\t%.0f jobs/s\n", what, static_cast<long>(done_),
           absl::ToDoubleSeconds(now - began_at_),
           static_cast<double>(done_) / absl::ToDoubleSeconds(now - began_at_));
    began_at_ = SinceBoot();
    done_ = told_ = 0;
  }

 private:
  void Tell(const char* what, absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const double rate = static_cast<double>(done_ - told_) / absl::ToDoubleSeconds(now - told_at_);
    std::string health = "?";
    if (connection_ != nullptr) {
      absl::StatusOr<std::vector<PostgresResult>> rows = connection_->Run(
          {{.sql = "SELECT n_live_tup, n_dead_tup, autovacuum_count, n_tup_hot_upd, n_tup_upd,"
                   " pg_relation_size('closewrite.jobs'), pg_indexes_size('closewrite.jobs')"
                   " FROM pg_stat_all_tables WHERE relid = 'closewrite.jobs'::regclass"}});
      if (rows.ok() && rows->front().rows() == 1) {
        PostgresRow row(rows->front(), 0);
        const int64_t live = row.Int();
        const int64_t dead = row.Int();
        const int64_t vacuums = row.Int();
        const int64_t hot = row.Int();
        const int64_t updates = row.Int();
        const int64_t heap = row.Int() >> 20;
        health =
            absl::StrCat("live ", live, "\tdead ", dead, "\tvacuums ", vacuums, "\thot ", hot, "/",
                         updates, "\theap ", heap, " MB\tindexes ", row.Int() >> 20, " MB");
      }
    }
    printf("%s\t%.0f s\t%ld\t%.0f jobs/s\t%s\n", what, absl::ToDoubleSeconds(now - began_at_),
           static_cast<long>(done_), rate, health.c_str());
    fflush(stdout);
    told_at_ = SinceBoot();
    told_ = done_;
  }

  const Options options_;
  std::unique_ptr<PostgresConnection> connection_;
  absl::Mutex mutex_;
  absl::Duration began_at_;
  absl::Duration told_at_ = SinceBoot();
  int64_t done_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t told_ ABSL_GUARDED_BY(mutex_) = 0;
};

bool Stop(const absl::Status& status) {
  if (status.ok() || status.code() == absl::StatusCode::kAborted) return false;
  fprintf(stderr, "%s\n", status.ToString().c_str());
  return true;
}

void InsertAll(Store* store, const Options& options, int number, Progress* progress) {
  const std::string ledger = absl::StrCat(number);
  const int64_t jobs = options.jobs / options.stores;
  for (int64_t first = 1; first <= jobs;) {
    const int64_t count = std::min(options.group, jobs - first + 1);
    const absl::Status status = store->Write([&](StoreTransaction& t) {
      InsertSome(t, ledger, first, count);
      return absl::OkStatus();
    });
    if (Stop(status)) return;
    if (!status.ok()) continue;
    progress->Add("insert", count);
    first += count;
  }
}

void DrainAll(Store* store, const Options& options, Progress* progress) {
  std::vector<Job> running;
  for (int empty = 0; empty < 3;) {
    std::vector<Job> claimed;
    const absl::Status status = store->Write([&](StoreTransaction& t) {
      claimed = Cycle(t, running, options.group);
      return absl::OkStatus();
    });
    if (Stop(status)) return;
    if (!status.ok()) continue;
    progress->Add("drain", static_cast<int64_t>(running.size()));
    running = std::move(claimed);
    empty = running.empty() ? empty + 1 : 0;
  }
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: postgres_store_bench URL [JOBS [GROUP [STORES]]]\n");
    return 2;
  }
  Options options{.url = argv[1]};
  if (argc > 2) options.jobs = atoll(argv[2]);
  if (argc > 3) options.group = atoll(argv[3]);
  if (argc > 4) options.stores = atoi(argv[4]);
  std::vector<std::unique_ptr<PostgresStore>> stores;
  for (int i = 0; i < options.stores; ++i) {
    absl::StatusOr<std::unique_ptr<PostgresStore>> store =
        PostgresStore::Open(options.url, absl::StrCat("bench ", i));
    if (!store.ok()) {
      fprintf(stderr, "%s\n", store.status().ToString().c_str());
      return 1;
    }
    stores.push_back(*std::move(store));
  }
  Progress progress(options);
  const auto run = [&](auto fn) {
    std::vector<std::thread> threads;
    for (int i = 0; i < options.stores; ++i) threads.emplace_back([&fn, i] { fn(i); });
    for (std::thread& thread : threads) thread.join();
  };
  run([&](int i) { InsertAll(stores[i].get(), options, i, &progress); });
  progress.End("insert");
  run([&](int i) { DrainAll(stores[i].get(), options, &progress); });
  progress.End("drain");
  return 0;
}

}  // namespace
}  // namespace closewrite

int main(int argc, char** argv) { return closewrite::Main(argc, argv); }
