#include "services/executor/executor.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "closewrite/v1/execute.grpc.pb.h"
#include "gtest/gtest.h"
#include "services/clock/clock.h"
#include "services/config/config.h"
#include "services/executor/fake_coordinator.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kTtl = absl::Seconds(60);

class ExecutorTest : public testing::Test {
 protected:
  ExecutorTest() {
    std::string name = testing::TempDir() + "/executor.XXXXXX";
    root_ = mkdtemp(name.data());
    for (const char* folder : {"in", "out"}) fs::create_directory(root_ + "/" + folder);
  }

  v1::ExecutorConfig Config(const std::string& coordinator) {
    v1::ExecutorConfig config;
    config.set_host("vm-c");
    config.set_listen("127.0.0.1:0");
    config.set_coordinator(coordinator);
    config.set_state(root_ + "/state");
    config.set_slots(2);
    config.add_labels("internet");
    (*config.mutable_volumes())["in"].set_path(root_ + "/in");
    (*config.mutable_volumes())["out"].set_path(root_ + "/out");
    *config.mutable_drain_timeout() = ToProto(absl::Minutes(1));
    return config;
  }

  std::unique_ptr<Executor> StartExecutor(const FakeCoordinator& coordinator) {
    auto executor = Executor::Start(Config(coordinator.address()));
    EXPECT_TRUE(executor.ok()) << executor.status();
    return *std::move(executor);
  }

  v1::Assignment Job(int64_t id, const std::string& script) {
    const std::string name = "f" + std::to_string(id) + ".csv";
    const std::string file = root_ + "/in/" + name;
    std::ofstream(file) << "abc";
    struct stat st;
    EXPECT_EQ(stat(file.c_str(), &st), 0);
    v1::Assignment job;
    job.mutable_lease()->set_job_id(id);
    job.mutable_lease()->set_token(1);
    job.set_pipeline("enrich");
    for (const char* part : {"sh", "-c"}) job.add_command(part);
    for (const std::string& part :
         {script, std::string("sh"), std::string("{input}"), std::string("{output}")}) {
      job.add_command(part);
    }
    job.mutable_input()->set_volume("in");
    job.mutable_input()->set_path(name);
    job.mutable_input()->set_size(3);
    job.mutable_input()->set_mtime_ns(MtimeNs(st));
    job.set_output_volume("out");
    *job.mutable_visible_within() = ToProto(absl::Seconds(30));
    *job.mutable_kill_after() = ToProto(absl::Seconds(20));
    return job;
  }

  std::string root_;
};

using Key = FakeCoordinator::Key;

TEST_F(ExecutorTest, RunsWhatItIsAssignedAndReports) {
  FakeCoordinator coordinator(kTtl);
  auto executor = StartExecutor(coordinator);
  coordinator.Await([&] { return coordinator.sessions.size() == 1; });
  EXPECT_EQ(coordinator.hellos[0].name(), "vm-c");
  EXPECT_EQ(coordinator.hellos[0].slots(), 2);
  EXPECT_EQ(coordinator.hellos[0].labels(0), "internet");
  EXPECT_EQ(coordinator.hellos[0].volume_roots().at("in"), root_ + "/in");
  coordinator.Assign(Job(7, "echo working; cp \"$1\" \"$2\""));
  coordinator.Await([&] { return coordinator.results.count(Key(7, 1)) != 0; });
  const v1::AttemptResult& result = coordinator.results[Key(7, 1)];
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED) << result.message();
  ASSERT_EQ(result.files_size(), 1);
  EXPECT_EQ(result.files(0).path(), "f7.csv");
  EXPECT_EQ(coordinator.logs[Key(7, 1)], "working\n");
}

TEST_F(ExecutorTest, WhatAVolumeStandsInTheWayOfIsHandedBackAndTheVolumeNamed) {
  FakeCoordinator coordinator(kTtl);
  auto executor = StartExecutor(coordinator);
  coordinator.Await([&] { return coordinator.sessions.size() == 1; });
  fs::rename(root_ + "/out", root_ + "/away");
  coordinator.Assign(Job(7, "cp \"$1\" \"$2\""));
  coordinator.Await([&] { return coordinator.results.count(Key(7, 1)) != 0; });
  const v1::AttemptResult& result = coordinator.results[Key(7, 1)];
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_HANDED_BACK);
  const std::string expected = "volume out can't be used on vm-c at " + root_ + "/out: ";
  EXPECT_EQ(result.message().substr(0, expected.size()), expected) << result.message();
  // In the same message, so that it does not come again at once.
  ASSERT_EQ(coordinator.health[Key(7, 1)].volumes_size(), 2);
  EXPECT_EQ(coordinator.health[Key(7, 1)].volumes(0).problem(), "");
  EXPECT_NE(coordinator.health[Key(7, 1)].volumes(1).problem(), "");
  EXPECT_FALSE(fs::exists(root_ + "/out"));

  // A folder that was made anew, or emptied, gets its staging folder again.
  fs::create_directory(root_ + "/out");
  coordinator.Assign(Job(8, "cp \"$1\" \"$2\""));
  coordinator.Await([&] { return coordinator.results.count(Key(8, 1)) != 0; });
  EXPECT_EQ(coordinator.results[Key(8, 1)].outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED)
      << coordinator.results[Key(8, 1)].message();
}

TEST_F(ExecutorTest, AStartIsReportedAtOnceWithItsProcess) {
  FakeCoordinator coordinator(kTtl);
  auto executor = StartExecutor(coordinator);
  coordinator.Assign(Job(7, "echo '::closewrite progress 1/4'; sleep 1000"));
  coordinator.Await([&] {
    const auto found = coordinator.running.find(Key(7, 1));
    return found != coordinator.running.end() && found->second.pid() > 0 &&
           found->second.progress().total() == 4;
  });
  auto channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(executor->port()),
                                     grpc::InsecureChannelCredentials());
  auto stub = v1::ExecuteService::NewStub(channel);
  grpc::ClientContext context;
  v1::DescribeExecutorResponse response;
  ASSERT_TRUE(stub->DescribeExecutor(&context, {}, &response).ok());
  EXPECT_EQ(response.name(), "vm-c");
  EXPECT_TRUE(response.connected());
  EXPECT_EQ(response.session_id(), coordinator.sessions[0]);
  ASSERT_EQ(response.attempts_size(), 1);
  EXPECT_EQ(response.attempts(0).pipeline(), "enrich");
  EXPECT_GT(response.attempts(0).pid(), 0);
}

TEST_F(ExecutorTest, ARunningCommandDoesNotNoticeABrokenStream) {
  FakeCoordinator coordinator(kTtl);
  auto executor = StartExecutor(coordinator);
  ASSERT_EQ(mkfifo((root_ + "/go").c_str(), 0600), 0);
  coordinator.Assign(Job(7, "echo one; cat '" + root_ + "/go'; echo two"));
  coordinator.Await([&] { return coordinator.logs[Key(7, 1)] == "one\n"; });
  coordinator.BreakStream();
  coordinator.Await([&] { return coordinator.hellos.size() == 2; });
  EXPECT_EQ(coordinator.hellos[1].session_id(), coordinator.sessions[0]);
  std::ofstream(root_ + "/go") << "";
  coordinator.Await([&] { return coordinator.results.count(Key(7, 1)) != 0; });
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
  EXPECT_EQ(coordinator.logs[Key(7, 1)], "one\ntwo\n");
}

// Both know the session and the lease, as two coordinators on one store do.
class SeveralCoordinatorsTest : public ExecutorTest {
 protected:
  void SetUp() override {
    executor_ = *Executor::Start(Config(one_.address() + "," + two_.address()));
    ASSERT_EQ(mkfifo((root_ + "/go").c_str(), 0600), 0);
    const v1::Assignment job = Job(7, "echo one; cat '" + root_ + "/go'; echo two");
    while (here_ == nullptr) {
      for (FakeCoordinator* one : {&one_, &two_}) {
        if (one->HasSession()) here_ = one;
      }
    }
    there_ = here_ == &one_ ? &two_ : &one_;
    there_->KnowSession(here_->sessions[0]);
    here_->Assign(job);
    there_->Assign(job);
    here_->Await([&] { return here_->logs[Key(7, 1)] == "one\n"; });
  }

  void ExpectThatItGoesOn() {
    there_->Await([&] { return there_->hellos.size() == 1; });
    // What the store has of the log.
    there_->Await([&] {
      there_->records[Key(7, 1)] = here_->records[Key(7, 1)];
      there_->logs[Key(7, 1)] = "one\n";
      return true;
    });
    EXPECT_EQ(there_->hellos[0].session_id(), here_->sessions[0]);
    std::ofstream(root_ + "/go") << "";
    there_->Await([&] { return there_->results.count(Key(7, 1)) != 0; });
    EXPECT_EQ(there_->results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
    EXPECT_EQ(there_->logs[Key(7, 1)], "one\ntwo\n");
  }

  FakeCoordinator one_{absl::Seconds(10)};
  FakeCoordinator two_{absl::Seconds(10)};
  FakeCoordinator* here_ = nullptr;
  FakeCoordinator* there_ = nullptr;
  std::unique_ptr<Executor> executor_;
};

TEST_F(SeveralCoordinatorsTest, ACommandDoesNotNoticeThatItsCoordinatorDied) {
  here_->Stop();
  ExpectThatItGoesOn();
}

TEST_F(SeveralCoordinatorsTest, OneThatAnswersNothingIsLeftBeforeTheLeasesRunOut) {
  here_->Answer(false);
  ExpectThatItGoesOn();
}

TEST_F(ExecutorTest, AWithdrawnLeaseIsKilled) {
  FakeCoordinator coordinator(absl::Seconds(5));
  auto executor = StartExecutor(coordinator);
  coordinator.Assign(Job(7, "echo $$; exec sleep 1000"));
  coordinator.Await([&] { return !coordinator.logs[Key(7, 1)].empty(); });
  const pid_t pid = std::atoi(coordinator.logs[Key(7, 1)].c_str());
  EXPECT_EQ(kill(pid, 0), 0);
  coordinator.Withdraw(7, 1);
  coordinator.Await(
      [&] { return coordinator.heartbeats > 2 && coordinator.running.count(Key(7, 1)) == 0; });
  EXPECT_NE(kill(pid, 0), 0);
  EXPECT_EQ(coordinator.results.count(Key(7, 1)), 0);
}

TEST_F(ExecutorTest, SilenceKillsTheCommandAndPublishesNothing) {
  FakeCoordinator coordinator(absl::Seconds(3));
  auto executor = StartExecutor(coordinator);
  coordinator.Assign(Job(7, "touch \"$2\"; echo $$; exec sleep 1000"));
  coordinator.Await([&] { return !coordinator.logs[Key(7, 1)].empty(); });
  coordinator.Answer(false);
  // Two streams at once can't be: the next one says that the leases were given up.
  coordinator.Await([&] { return coordinator.streams == 0; });
  coordinator.Answer(true);
  coordinator.Await([&] { return coordinator.results.count(Key(7, 1)) != 0; });
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_KILLED);
  EXPECT_EQ(coordinator.sessions.size(), 1);
  EXPECT_NE(kill(std::atoi(coordinator.logs[Key(7, 1)].c_str()), 0), 0);
}

TEST_F(ExecutorTest, AnUnknownSessionIsForgottenAndANewOneBegins) {
  FakeCoordinator coordinator(kTtl);
  auto executor = StartExecutor(coordinator);
  coordinator.Assign(Job(7, "echo $$; exec sleep 1000"));
  coordinator.Await([&] { return !coordinator.logs[Key(7, 1)].empty(); });
  coordinator.ExpireSession();
  coordinator.Await([&] { return coordinator.sessions.size() == 2; });
  EXPECT_NE(kill(std::atoi(coordinator.logs[Key(7, 1)].c_str()), 0), 0);
  EXPECT_TRUE(coordinator.running.empty());
  EXPECT_TRUE(coordinator.results.empty());
  coordinator.Assign(Job(8, "exit 0"));
  coordinator.Await([&] { return coordinator.results.count(Key(8, 1)) != 0; });
}

TEST_F(ExecutorTest, ADrainHandsBackFinishesAndReports) {
  FakeCoordinator coordinator(kTtl);
  auto executor = StartExecutor(coordinator);
  ASSERT_EQ(mkfifo((root_ + "/go").c_str(), 0600), 0);
  coordinator.Assign(Job(7, "echo ready; cat '" + root_ + "/go'"));
  v1::Assignment invisible = Job(8, "exit 0");
  invisible.mutable_input()->set_path("absent.csv");
  coordinator.Assign(invisible);
  coordinator.Await([&] { return !coordinator.logs[Key(7, 1)].empty(); });
  std::thread draining([&] { executor->Drain(); });
  coordinator.Await([&] { return coordinator.results.count(Key(8, 1)) != 0; });
  coordinator.Await([&] { return coordinator.draining; });
  EXPECT_EQ(coordinator.results[Key(8, 1)].outcome(), v1::ATTEMPT_OUTCOME_HANDED_BACK);
  std::ofstream(root_ + "/go") << "";
  draining.join();
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
}

TEST_F(ExecutorTest, ADrainEndsCommandsThatTakeTooLong) {
  FakeCoordinator coordinator(kTtl);
  v1::ExecutorConfig config = Config(coordinator.address());
  *config.mutable_drain_timeout() = ToProto(absl::Milliseconds(50));
  auto executor = *Executor::Start(config);
  coordinator.Assign(Job(7, "trap 'echo bye; exit 1' TERM; sleep 1000 & echo ready; wait"));
  coordinator.Await([&] { return !coordinator.logs[Key(7, 1)].empty(); });
  executor->Drain();
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_KILLED);
  // The shell's child may have the trap too, before it is sleep.
  EXPECT_TRUE(absl::StartsWith(coordinator.logs[Key(7, 1)], "ready\nbye\n"));
}

TEST_F(ExecutorTest, AKilledExecutorsAttemptIsReportedByTheNext) {
  FakeCoordinator coordinator(kTtl);
  std::string session;
  {
    auto executor = StartExecutor(coordinator);
    coordinator.Assign(Job(7, "echo $$; exec sleep 1000"));
    coordinator.Await([&] { return !coordinator.logs[Key(7, 1)].empty(); });
    session = coordinator.sessions[0];
    // As kill -9 of all processes would leave the state directory.
    for (const char* folder : {"", "/attempts"}) {
      fs::create_directory(root_ + "/left" + folder);
      for (const auto& entry : fs::directory_iterator(root_ + "/state" + folder)) {
        const std::string to = root_ + "/left" + folder + "/" + entry.path().filename().string();
        if (entry.is_regular_file()) fs::copy(entry.path(), to);
      }
    }
  }
  fs::remove_all(root_ + "/state");
  fs::rename(root_ + "/left", root_ + "/state");
  auto executor = StartExecutor(coordinator);
  coordinator.Await([&] { return coordinator.results.count(Key(7, 1)) != 0; });
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_LOST);
  EXPECT_EQ(coordinator.hellos.back().session_id(), session);
}

// An idle executor was gone before the coordinator had heard that it goes, which then held it for
// lost.
TEST_F(ExecutorTest, SaysThatItGoesThoughItHasNothingToDo) {
  for (int i = 0; i < 10; ++i) {
    FakeCoordinator coordinator(kTtl);
    auto executor = StartExecutor(coordinator);
    coordinator.Await([&] { return coordinator.sessions.size() == 1; });
    EXPECT_TRUE(executor->Drain());
    EXPECT_TRUE(coordinator.draining);
  }
}

TEST_F(ExecutorTest, FindsACoordinatorThatComesLater) {
  auto first = std::make_unique<FakeCoordinator>(kTtl);
  const int port = first->port();
  const v1::ExecutorConfig config = Config(first->address());
  first.reset();
  auto executor = *Executor::Start(config);
  FakeCoordinator coordinator(kTtl, port);
  coordinator.Await([&] { return coordinator.sessions.size() == 1; });
}

TEST_F(ExecutorTest, RefusesBadConfigurationsInOneLine) {
  const v1::ExecutorConfig good = Config("127.0.0.1:1");
  const std::pair<std::function<void(v1::ExecutorConfig*)>, std::string> cases[] = {
      {[](auto* c) { c->clear_host(); }, "host: is missing"},
      {[](auto* c) { c->set_host("a b"); }, "host"},
      {[](auto* c) { c->clear_listen(); }, "listen: is missing"},
      {[](auto* c) { c->clear_coordinator(); }, "coordinator: is missing"},
      {[](auto* c) { c->clear_state(); }, "state: is missing"},
      {[](auto* c) { c->set_state("relative"); }, "absolute"},
      {[&](auto* c) { c->set_state(root_ + "/in/state"); }, "outside of all volumes"},
      {[](auto* c) { c->set_slots(-1); }, "1 to 10000"},
      {[](auto* c) { c->set_slots(10001); }, "1 to 10000"},
      {[](auto* c) { c->add_labels("internet"); }, "twice"},
      {[](auto* c) { (*c->mutable_volumes())["in"].set_path("rel"); }, "must be absolute"},
      {[](auto* c) { (*c->mutable_volumes())["no"].set_path("/nonexistent/x"); }, "mount it"},
      {[](auto* c) { (*c->mutable_volumes())["a/b"].set_path("/tmp"); }, "volume"},
      {[](auto* c) { c->set_metrics("9465"); }, "metrics: "},
      {[](auto* c) {
         c->set_on_stop(v1::ON_STOP_LEAVE);
         c->set_commands_outlive(false);
       },
       "on_stop: leave needs"},
  };
  for (const auto& [spoil, text] : cases) {
    v1::ExecutorConfig config = good;
    spoil(&config);
    const absl::Status status = Executor::Start(config).status();
    EXPECT_NE(status.message().find(text), absl::string_view::npos) << status;
    EXPECT_EQ(status.message().find('\n'), absl::string_view::npos) << status;
  }
  FakeCoordinator busy(kTtl);
  v1::ExecutorConfig config = good;
  config.set_listen(busy.address());
  EXPECT_NE(Executor::Start(config).status().message().find("address already in use"),
            absl::string_view::npos);
}

}  // namespace
}  // namespace closewrite::executor
