#include "services/cli/cli_fixture.h"

#include <utility>

namespace closewrite::cli {
namespace {

constexpr absl::Duration kAwaitMax = absl::Seconds(30);
constexpr int64_t kCreatedSeconds = 1795345200;  // 2026-11-22T11:00:00Z

class FakeScreen : public Screen {
 public:
  explicit FakeScreen(const Surroundings& surroundings) : surroundings_(surroundings) {}
  ScreenSize size() const override { return {surroundings_.width, surroundings_.lines}; }

 private:
  const Surroundings& surroundings_;
};

}  // namespace

std::string SharedBuffer::text() const {
  absl::MutexLock lock(&mutex_);
  return text_;
}

void SharedBuffer::Await(const std::string& part) const {
  absl::MutexLock lock(&mutex_);
  const auto there = [&] { return text_.find(part) != std::string::npos; };
  mutex_.AwaitWithTimeout(absl::Condition(&there), kAwaitMax);
}

SharedBuffer::int_type SharedBuffer::overflow(int_type c) {
  absl::MutexLock lock(&mutex_);
  text_ += traits_type::to_char_type(c);
  return c;
}

std::streamsize SharedBuffer::xsputn(const char* data, std::streamsize size) {
  absl::MutexLock lock(&mutex_);
  text_.append(data, static_cast<size_t>(size));
  return size;
}

CliRun::CliRun(std::vector<std::string> arguments, Surroundings surroundings)
    : arguments_(std::move(arguments)), surroundings_(std::move(surroundings)) {
  thread_ = std::thread([this] {
    std::istringstream in(surroundings_.in);
    std::ostream out(&out_);
    std::ostream err(&err_);
    Console console;
    console.in = &in;
    console.out = &out;
    console.err = &err;
    console.in_terminal = surroundings_.terminal;
    console.await_input = [&](absl::Duration timeout) {
      if (in.peek() != std::istream::traits_type::eof()) return true;
      interrupts_.Wait(timeout);
      return false;
    };
    console.take_screen = [this] { return std::make_unique<FakeScreen>(surroundings_); };
    console.out_terminal = surroundings_.terminal;
    console.err_terminal = surroundings_.terminal;
    console.out_width = surroundings_.width;
    console.err_width = surroundings_.width;
    console.environment = [this](const std::string& name) {
      const auto value = surroundings_.environment.find(name);
      if (value != surroundings_.environment.end()) return value->second;
      return name == "CLOSEWRITE_COORDINATOR" ? surroundings_.coordinator : std::string();
    };
    console.clock = surroundings_.clock == nullptr ? &clock_ : surroundings_.clock;
    console.interrupts = &interrupts_;
    std::vector<const char*> argv = {"closewrite"};
    for (const std::string& argument : arguments_) argv.push_back(argument.c_str());
    code_ = RunCli(static_cast<int>(argv.size()), argv.data(), console);
  });
}

int CliRun::Finish() {
  if (thread_.joinable()) thread_.join();
  return code_;
}

std::unique_ptr<CliRun> CliFixture::Begin(const std::vector<std::string>& arguments) {
  Surroundings surroundings = surroundings_;
  if (surroundings.coordinator.empty()) surroundings.coordinator = coordinator_.address();
  return std::make_unique<CliRun>(arguments, surroundings);
}

CliResult CliFixture::Run(const std::vector<std::string>& arguments) {
  const auto run = Begin(arguments);
  const int code = run->Finish();
  return {code, run->out().text(), run->err().text()};
}

v1::Job CliFixture::MakeJob(int64_t id, v1::JobState state, const std::string& path) {
  v1::Job job;
  job.set_id(id);
  job.set_pipeline("enrich");
  job.set_state(state);
  job.mutable_input()->set_volume("unenriched");
  job.mutable_input()->set_path(path);
  job.mutable_input()->set_size(1234);
  job.set_output_volume("enriched");
  job.set_attempts(1);
  job.set_attempts_max(5);
  job.mutable_created_at()->set_seconds(kCreatedSeconds);
  return job;
}

v1::Job CliFixture::Succeeded(int64_t id, const std::string& path) {
  v1::Job job = MakeJob(id, v1::JOB_STATE_SUCCEEDED, path);
  job.add_outputs()->set_path(path);
  job.mutable_outputs(0)->set_size(2345);
  return job;
}

}  // namespace closewrite::cli
