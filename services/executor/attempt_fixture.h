// Attempts of tests, in volumes and a state directory of their own.
#ifndef SERVICES_EXECUTOR_ATTEMPT_FIXTURE_H_
#define SERVICES_EXECUTOR_ATTEMPT_FIXTURE_H_

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/clock/clock.h"
#include "services/config/config.h"
#include "services/executor/attempt.h"
#include "services/executor/supervisor_image.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {

inline std::string ReadFile(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

class AttemptTest : public testing::Test {
 protected:
  AttemptTest() : image_(*OpenSupervisorImage()) {
    std::string name = testing::TempDir() + "/attempt.XXXXXX";
    root_ = mkdtemp(name.data());
    for (const char* folder : {"in", "out", "archive"})
      std::filesystem::create_directory(root_ + "/" + folder);
    journal_ = std::make_unique<Journal>(*Journal::Open(root_ + "/state", absl::ZeroDuration()));
    context_.volumes = {{"in", {.root = root_ + "/in"}},
                        {"out", {.root = root_ + "/out"}},
                        {"archive", {.root = root_ + "/archive", .read_only = true}}};
    context_.journal = journal_.get();
    context_.supervisor_image = image_.get();
    std::filesystem::create_directories(root_ + "/out/.closewrite/staging");
    context_.coordinator = "vm-a:7400";
    context_.host = "vm-c";
    context_.on_change = [this] { changed_.Ring(); };
    context_.on_output = [this] { output_.Ring(); };
  }

  // A job that reads `path` with this content and publishes into "out".
  v1::Assignment Job(const std::string& path, const std::string& content,
                     std::vector<std::string> command) {
    const std::string file = root_ + "/in/" + path;
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    std::ofstream(file, std::ios::binary) << content;
    struct stat st;
    EXPECT_EQ(stat(file.c_str(), &st), 0);
    v1::Assignment job;
    job.mutable_lease()->set_job_id(7);
    job.mutable_lease()->set_token(2);
    job.set_attempt(1);
    for (std::string& part : command) job.add_command(std::move(part));
    job.mutable_input()->set_volume("in");
    job.mutable_input()->set_path(path);
    job.mutable_input()->set_size(st.st_size);
    job.mutable_input()->set_mtime_ns(MtimeNs(st));
    job.set_output_volume("out");
    *job.mutable_visible_within() = ToProto(absl::Milliseconds(200));
    *job.mutable_kill_after() = ToProto(absl::Seconds(20));
    return job;
  }

  v1::Assignment Script(const std::string& script) {
    return Job("f.csv", "abc", {"sh", "-c", script, "sh", "{input}", "{output}"});
  }

  std::unique_ptr<Attempt> Begin(const v1::Assignment& job,
                                 absl::Duration lease = absl::Minutes(10)) {
    auto attempt = std::make_unique<Attempt>(&context_, job, SinceBoot() + lease);
    attempt->Start();
    return attempt;
  }

  v1::AttemptResult WaitFor(const Attempt& attempt) {
    while (!attempt.view().ended) changed_.Wait(absl::Minutes(1));
    return attempt.result();
  }

  v1::AttemptResult RunJob(const v1::Assignment& job) { return WaitFor(*Begin(job)); }

  // Waits for the first output of a command.
  void WaitForOutput(const Attempt& attempt) {
    while (attempt.log()->Read(0, 1 << 20)->empty()) ASSERT_TRUE(output_.Wait(absl::Minutes(1)));
  }

  std::string Staged(const std::string& path) const {
    return root_ + "/out/.closewrite/staging/7/2/" + path;
  }
  bool StagingIsGone() const {
    return !std::filesystem::exists(root_ + "/out/.closewrite/staging/7/2");
  }

  Fd image_;
  std::string root_;
  std::unique_ptr<Journal> journal_;
  AttemptContext context_;
  Bell changed_;
  Bell output_;
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_ATTEMPT_FIXTURE_H_
