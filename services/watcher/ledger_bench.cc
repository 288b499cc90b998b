// What a file costs in the ledger: run by hand, built with --config=opt.
//
//   ledger_bench DIRECTORY [FILES [FILES_PER_DIRECTORY]]
//
// DIRECTORY must be empty; the ledger is made in it and stays.
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/clock/clock.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"
#include "services/watcher/ledger.h"
#include "services/watcher/ledger_batch.h"

namespace closewrite::watcher {
namespace {

constexpr int64_t kRowsPerCommit = 4096;  // as the engine's largest
constexpr int kRowsPerMessage = 512;      // as the link's largest

// That the process has used so far, in user and kernel mode.
absl::Duration CpuTime() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

void Demand(const absl::Status& status) {
  if (status.ok()) return;
  fprintf(stderr, "%s\n", status.ToString().c_str());
  exit(1);
}

// Prints how long `body` takes, in all and for each of `count`.
void Measure(const char* what, int64_t count, const std::function<void()>& body) {
  const absl::Duration begin = SinceBoot();
  const absl::Duration cpu_begin = CpuTime();
  body();
  const absl::Duration taken = SinceBoot() - begin;
  const absl::Duration cpu_taken = CpuTime() - cpu_begin;
  const auto each = static_cast<double>(count);
  printf("%-44s %9.3f s  %8.2f us each, CPU %6.2f us\n", what, absl::ToDoubleSeconds(taken),
         absl::ToDoubleMicroseconds(taken) / each, absl::ToDoubleMicroseconds(cpu_taken) / each);
}

class Bench {
 public:
  Bench(std::string state, int64_t files, int64_t files_per_directory)
      : state_(std::move(state)), files_(files), files_per_directory_(files_per_directory) {}

  void Run() {
    Measure("open a new one", 1, [this] { Open(); });
    Measure("find (absent) and record", files_, [this] { RecordAll(1); });
    Measure("count what is pending", 1, [this] { Demand(ledger_->CountPending(1).status()); });
    Measure("record again while pending", files_, [this] { RecordAll(2); });
    Measure("read pending and acknowledge", files_, [this] { Drain(); });
    Measure("find (known)", files_, [this] { FindAll(); });
    ReadAll();
    Measure("record again", files_, [this] { RecordAll(3); });
    Measure("read pending and acknowledge", files_, [this] { Drain(); });
    Measure("close", 1, [this] { ledger_.reset(); });
    Measure("open after a clean stop", 1, [this] { Open(); });
    ReadAll();
    Measure("record one and acknowledge it, 10,000 times", 10'000, [this] { OneByOne(); });
    rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    printf("resident at most: %ld KiB\n", usage.ru_maxrss);
  }

 private:
  void Open() {
    ledger_ = nullptr;
    absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open(state_);
    Demand(ledger.status());
    ledger_ = *std::move(ledger);
    volume_ = ledger_->FindVolume("v")->key;
  }
  std::string Directory(int64_t number) const {
    return StrCat("incoming/", number / 100, "/directory-", number);
  }
  std::string Path(int64_t number) const {
    return Join(Directory(number / files_per_directory_), StrCat("measurement-", number, ".csv"));
  }
  void RecordAll(int64_t size) {
    LedgerBatch batch(ledger_.get(), volume_);
    for (int64_t number = 0; number < files_; ++number) {
      FileRecord record;
      record.path = Path(number);
      const auto found = batch.Find(record.path);
      Demand(found.status());
      record.version = {static_cast<uint64_t>(1'000'000 + number), size, 1'763'900'000'000'000'000};
      record.observed_unix_ns = 1'763'900'000'000'000'000 + number;
      batch.Put(std::move(record));
      if (static_cast<int64_t>(batch.size()) >= kRowsPerCommit) Demand(batch.Commit());
    }
    Demand(batch.Commit());
  }
  void Drain() {
    while (true) {
      const auto changes = ledger_->Pending(0, kRowsPerMessage);
      Demand(changes.status());
      if (changes->empty()) return;
      Demand(ledger_->Acknowledge(changes->back().record.sequence));
    }
  }
  void FindAll() {
    for (int64_t number = 0; number < files_; ++number) {
      Demand(ledger_->Find(volume_, Path(number)).status());
    }
  }
  void ReadAll() {
    const int64_t directories = files_ / files_per_directory_;
    LedgerBatch batch(ledger_.get(), volume_);
    Measure("list each directory", directories, [&] {
      for (int64_t number = 0; number < directories; ++number) {
        Demand(batch.List(Directory(number)).status());
      }
    });
    Measure("list them all in the order of a walk", directories, [&] {
      std::optional<std::string> after;
      while (true) {
        auto next = ledger_->ListNext(volume_, "", after, kDirectoriesReadAhead);
        Demand(next.status());
        if (next->empty()) return;
        after = std::move(next->back().directory);
      }
    });
    Measure("step through the directories", directories, [&] {
      std::optional<std::string> cursor;
      do {
        auto next = batch.NextDirectory("", cursor);
        Demand(next.status());
        cursor = *std::move(next);
      } while (cursor.has_value());
    });
  }
  void OneByOne() {
    for (int64_t number = 0; number < 10'000; ++number) {
      FileRecord record;
      record.path = Path(number);
      Demand(ledger_->Record(volume_, {record}));
      Demand(ledger_->Acknowledge(ledger_->sequence()));
    }
  }

  const std::string state_;
  const int64_t files_;
  const int64_t files_per_directory_;
  std::unique_ptr<Ledger> ledger_;
  int64_t volume_ = 0;
};

}  // namespace
}  // namespace closewrite::watcher

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: ledger_bench DIRECTORY [FILES [FILES_PER_DIRECTORY]]\n");
    return 2;
  }
  closewrite::watcher::Bench(argv[1], argc > 2 ? atoll(argv[2]) : 1'000'000,
                             argc > 3 ? atoll(argv[3]) : 10)
      .Run();
  return 0;
}
