#include "services/coordinator/alerts/outbox_sender.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/coordinator/alerts/job_message.h"
#include "services/coordinator/api/api_fixture.h"
#include "services/coordinator/core/outbox.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

class OutboxSenderTest : public ApiFixture {
 protected:
  // Who can't be reached by anything.
  void Put(const Recipients& to) {
    ASSERT_TRUE(
        Run([&](Engine&, StoreTransaction& tx, absl::Time now) {
          (void)PutMessages(
              tx, to,
              {.id = "m", .kind = kAlarmMessage, .subject = "s", .text = "t", .created_at = now});
        }).ok());
  }

  // Waits until somebody has changed the messages that wait; the commit tells of nothing else.
  template <class Condition>
  void Await(Condition condition) {
    for (;;) {
      bool done = false;
      ASSERT_TRUE(Run([&](Engine&, StoreTransaction& tx, absl::Time) {
                    done = condition(WaitingMessages(tx, 10), DoneMessages(tx, 10));
                  }).ok());
      if (done) return;
    }
  }

  using Messages = std::vector<OutboxMessage>;
};

TEST_F(OutboxSenderTest, WhatCantBeSentWaitsAndSaysWhy) {
  Put({.emails = {"a@b.org"}, .webhook = ""});
  OutboxSender sender({}, &loop_, &board_);
  sender.Start();
  OutboxMessage tried;
  Await([&](const Messages& waiting, const Messages&) {
    tried = waiting.at(0);
    return tried.tries == 1;
  });
  EXPECT_NE(tried.trouble.find("has no `mail:`"), std::string::npos) << tried.trouble;
  EXPECT_EQ(tried.due_at, clock_.Now() + kSendPauseMin);
  sender.Shutdown();
  EXPECT_EQ(sender.numbers().failures, 1);
}

TEST_F(OutboxSenderTest, WhatNobodyTakesIsGivenUp) {
  Put({.emails = {}, .webhook = "http://127.0.0.1:1/"});
  clock_.Advance(kMessageKept);
  OutboxSender sender({}, &loop_, &board_);
  sender.Start();
  OutboxMessage over;
  Await([&](const Messages& waiting, const Messages& done) {
    if (!done.empty()) over = done[0];
    return waiting.empty() && !done.empty();
  });
  EXPECT_TRUE(over.given_up);
  EXPECT_FALSE(over.trouble.empty());
  sender.Shutdown();
  EXPECT_EQ(sender.numbers().given_up, 1);
}

TEST_F(OutboxSenderTest, AServerThatFailsIsSparedButOthersAreNot) {
  Put({.emails = {"a@b.org"}, .webhook = "http://127.0.0.1:1/"});
  OutboxSender sender({}, &loop_, &board_);
  sender.Start();
  Await([&](const Messages& waiting, const Messages&) {
    return waiting.size() == 2 && waiting[0].tries == 1 && waiting[1].tries == 1;
  });
}

TEST_F(OutboxSenderTest, OneAddressDoesNotStopTheOthers) {
  Put({.emails = {"a@b.org", "gone@b.org"}, .webhook = ""});
  ASSERT_TRUE(Run([](Engine&, StoreTransaction& tx, absl::Time now) {
                SplitMessage(tx, WaitingMessages(tx, 10).at(0), now);
                const Messages parts = WaitingMessages(tx, 10);
                ASSERT_EQ(parts.size(), 2u);
                EXPECT_EQ(parts[0].to.emails, std::vector<std::string>{"a@b.org"});
                EXPECT_EQ(parts[1].to.emails, std::vector<std::string>{"gone@b.org"});
                EXPECT_NE(parts[0].id, parts[1].id);
              }).ok());
}

// Messages of a server that fails stood before all others, for ever.
TEST_F(OutboxSenderTest, ManyThatWaitHideNoOthers) {
  ASSERT_TRUE(Run([](Engine&, StoreTransaction& tx, absl::Time now) {
                for (int64_t i = 0; i < kMessagesPerRead + 10; ++i) {
                  (void)PutMessages(
                      tx, {.emails = {}, .webhook = "http://127.0.0.1:1/"},
                      {.id = StrCat("a", i), .kind = kAlarmMessage, .created_at = now});
                }
                (void)PutMessages(tx, {.emails = {"a@b.org"}, .webhook = ""},
                                  {.id = "z", .kind = kAlarmMessage, .created_at = now});
              }).ok());
  OutboxSender sender({}, &loop_, &board_);
  sender.Start();
  for (bool tried = false; !tried;) {
    ASSERT_TRUE(Run([&](Engine&, StoreTransaction& tx, absl::Time) {
                  for (const OutboxMessage& each : WaitingMessages(tx, 2 * kMessagesPerRead)) {
                    tried |= each.id == "z.mail" && each.tries > 0;
                  }
                }).ok());
  }
}

class JobMessageTest : public ApiFixture {
 protected:
  // The message of job 1 of a pipeline that wants one.
  OutboxMessage MessageOfJob(Outcome outcome, v1::JobEnd on) {
    v1::Pipeline pipeline = TestPipeline("p");
    pipeline.mutable_retry()->set_attempts(1);
    pipeline.mutable_notify()->add_email("a@b.org");
    pipeline.mutable_notify()->add_on(on);
    pipeline.mutable_notify()->set_log_lines(2);
    Apply(pipeline);
    ConnectWatcher();
    const SessionId session = OpenSession("vm-c-1", 1);
    Announce("in/a.csv");
    const Lease lease{JobId{1}, FencingToken{1}};
    ReportRunning(session, lease, 99);
    ReportLog(session, lease, 0, "");
    clock_.Advance(absl::Seconds(2));
    ReportEnd(session, lease, outcome, outcome == Outcome::kSucceeded ? 0 : 3,
              {{.path = "in/a.csv", .size = 5, .sha256 = std::string(32, 'x')}});
    if (outcome == Outcome::kSucceeded) Publish(lease);
    OutboxMessage message;
    EXPECT_TRUE(Run([&](Engine&, StoreTransaction& tx, absl::Time) {
                  const auto waiting = WaitingMessages(tx, 10);
                  if (waiting.size() == 1) {
                    message = WithJobText(waiting[0], tx.GetJob(waiting[0].job),
                                          "http://portal/jobs/{job}", tx);
                  }
                }).ok());
    return message;
  }
};

TEST_F(JobMessageTest, OfAJobThatSucceeded) {
  const OutboxMessage message = MessageOfJob(Outcome::kSucceeded, v1::JOB_END_SUCCESS);
  EXPECT_EQ(message.subject, "[closewrite] pipeline p: job 1 has succeeded: unenriched:in/a.csv");
  EXPECT_EQ(message.text.substr(0, message.text.find("  enriched:")),
            "Job 1 of pipeline p has succeeded.\n\n"
            "Input: unenriched:in/a.csv\n"
            "Attempts: 1\n"
            "Host: vm-c\n"
            "It took 2s, until 2026-11-22T10:55:02.000Z\n"
            "More: http://portal/jobs/1\n\n"
            "Results:\n");
  EXPECT_EQ(message.to.emails, std::vector<std::string>{"a@b.org"});
}

TEST_F(JobMessageTest, OfAJobThatFailed) {
  const OutboxMessage message = MessageOfJob(Outcome::kFailed, v1::JOB_END_FAILURE);
  EXPECT_EQ(message.subject, "[closewrite] pipeline p: job 1 has failed: unenriched:in/a.csv");
  EXPECT_NE(message.text.find("Why: "), std::string::npos) << message.text;
  EXPECT_EQ(message.text.find("Results"), std::string::npos);
}

TEST_F(JobMessageTest, NobodyWantedToKnow) {
  EXPECT_EQ(MessageOfJob(Outcome::kFailed, v1::JOB_END_SUCCESS).id, "");
}

}  // namespace
}  // namespace closewrite
