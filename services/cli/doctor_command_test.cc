#include "absl/strings/match.h"
#include "nlohmann/json.hpp"
#include "services/cli/cli_fixture.h"
#include "services/transport/errors.h"

namespace closewrite::cli {
namespace {

class DoctorCommandTest : public CliFixture {
 protected:
  DoctorCommandTest() {
    coordinator_.SetVersion("0.1.0", "sqlite, WAL, synchronous=FULL");
    v1::WatcherStatus watcher;
    watcher.set_host("vm-b");
    watcher.set_connected(true);
    watcher.set_version("0.1.0");
    watcher.mutable_health()->set_inotify_watches_max(65536);
    v1::VolumeStatus* volume = watcher.add_volumes();
    volume->set_volume("unenriched");
    volume->set_root("/srv/unenriched");
    volume->set_state(v1::VOLUME_STATE_LIVE);
    volume->set_backend(v1::WATCH_BACKEND_INOTIFY);
    coordinator_.PutWatcher(watcher);
    v1::ExecutorStatus executor;
    executor.set_name("vm-c");
    executor.set_host("vm-c");
    executor.set_connected(true);
    executor.set_version("0.1.0");
    executor.mutable_health();
    (*executor.mutable_volume_roots())["unenriched"] = "/mnt/unenriched";
    coordinator_.PutExecutor(executor);
    v1::PipelineStatus pipeline;
    pipeline.mutable_pipeline()->set_name("enrich");
    pipeline.mutable_pipeline()->mutable_on()->set_volume("unenriched");
    coordinator_.PutPipeline(pipeline);
  }
};

TEST_F(DoctorCommandTest, AllIsWell) {
  const CliResult result = Run({"doctor"});
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(absl::StartsWith(result.out, "ok    " + coordinator_.address() + "  coordinator: "))
      << result.out;
  EXPECT_TRUE(absl::StrContains(result.out, "what happens in it is known here after "))
      << result.out;
  EXPECT_TRUE(absl::EndsWith(result.out, "pipeline enrich: 1 executor can run it\nall is well\n"))
      << result.out;
}

TEST_F(DoctorCommandTest, ProblemsComeFirstWithTheirCure) {
  coordinator_.SetFlushStatus(absl::FailedPreconditionError("the volume is LOST"));
  const CliResult result = Run({"doctor", "--color", "always"});
  EXPECT_EQ(result.code, 1);
  EXPECT_TRUE(absl::StartsWith(result.out, "\x1b[31mFAIL\x1b[0m  vm-b")) << result.out;
  EXPECT_TRUE(absl::StrContains(result.out,
                                "volume unenriched: what happens in it is not known here: the "
                                "volume is LOST\n     -> see the log of the watcher on vm-b\n"))
      << result.out;
  EXPECT_TRUE(absl::EndsWith(result.out, "\n1 failure, 0 warnings\n")) << result.out;
}

TEST_F(DoctorCommandTest, AWatcherThatIsAwayIsAnAnswer) {
  coordinator_.SetFlushStatus(
      WithReason(absl::UnavailableError("the watcher went away"), "WATCHER_NOT_CONNECTED"));
  const CliResult result = Run({"doctor"});
  EXPECT_EQ(result.code, 1);
  EXPECT_TRUE(absl::StrContains(result.out, "not known here: the watcher went away")) << result.out;
}

TEST_F(DoctorCommandTest, ForPrograms) {
  const std::string out = Run({"doctor", "-o", "json"}).out;
  const auto first = nlohmann::json::parse(out.substr(0, out.find('\n')));
  EXPECT_EQ(first["level"], "ok");
  EXPECT_EQ(first["host"], coordinator_.address());
  EXPECT_EQ(first["subject"], "coordinator");
  EXPECT_EQ(first["check"], "reachable");
  EXPECT_TRUE(first["cure"].is_null());
}

TEST_F(DoctorCommandTest, ACoordinatorThatIsAwayIsAFinding) {
  coordinator_.Stop();
  const CliResult result = Run({"doctor", "--connect-timeout", "100ms"});
  EXPECT_EQ(result.code, 1);
  EXPECT_TRUE(absl::StartsWith(
      result.out, "FAIL  -  coordinator: " + coordinator_.address() + " can't be reached since "))
      << result.out;
  EXPECT_TRUE(absl::EndsWith(result.out, "1 failure, 0 warnings\n")) << result.out;
}

}  // namespace
}  // namespace closewrite::cli
