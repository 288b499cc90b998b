// Runs command lines against a fake coordinator and keeps what they print.
#ifndef SERVICES_CLI_CLI_FIXTURE_H_
#define SERVICES_CLI_CLI_FIXTURE_H_

#include <map>
#include <memory>
#include <ostream>
#include <sstream>
#include <streambuf>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"
#include "services/cli/cli.h"
#include "services/cli/fake_coordinator.h"

namespace closewrite::cli {

// A stream buffer that one thread writes and others look into. Thread-safe.
class SharedBuffer : public std::streambuf {
 public:
  std::string text() const;
  // Returns when `part` stands in the text, or after a long time.
  void Await(const std::string& part) const;

 protected:
  int_type overflow(int_type c) override;
  std::streamsize xsputn(const char* data, std::streamsize size) override;

 private:
  mutable absl::Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
};

// How the world looks to a command.
struct Surroundings {
  std::string coordinator;
  std::string in;  // what the user types; of a terminal it never ends
  bool terminal = false;
  int width = 200;
  int lines = 50;
  std::map<std::string, std::string> environment;
  const Clock* clock = nullptr;  // the real one when null
};

// One command line in a thread of its own.
class CliRun {
 public:
  CliRun(std::vector<std::string> arguments, Surroundings surroundings);
  ~CliRun() { Finish(); }

  SharedBuffer& out() { return out_; }
  SharedBuffer& err() { return err_; }
  void CtrlC() { interrupts_.Notify(); }
  // Waits for the end; the exit code.
  int Finish();

 private:
  const std::vector<std::string> arguments_;
  const Surroundings surroundings_;
  const SteadyClock clock_;
  Interrupts interrupts_;
  SharedBuffer out_;
  SharedBuffer err_;
  int code_ = -1;
  std::thread thread_;
};

struct CliResult {
  int code = -1;
  std::string out;
  std::string err;
};

class CliFixture : public testing::Test {
 protected:
  CliFixture() { coordinator_.Start(); }

  std::unique_ptr<CliRun> Begin(const std::vector<std::string>& arguments);
  CliResult Run(const std::vector<std::string>& arguments);

  // A job of unenriched:PATH that goes to `enriched`, created at 2026-11-22T11:00:00Z.
  static v1::Job MakeJob(int64_t id, v1::JobState state, const std::string& path);
  // The same, with a published file of the same name.
  static v1::Job Succeeded(int64_t id, const std::string& path);

  FakeCoordinator coordinator_;
  Surroundings surroundings_;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_CLI_FIXTURE_H_
