#include "services/coordinator/core/upload_desk.h"

#include "gtest/gtest.h"
#include "services/coordinator/core/outbox.h"
#include "services/coordinator/store/fake_store.h"

namespace closewrite {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1795344900);  // 2026-11-22 10:55:00 UTC

class UploadDeskTest : public ::testing::Test {
 protected:
  UploadDeskTest() {
    pipeline_.name = "p";
    pipeline_.volume = "in";
    pipeline_.locks = {"api"};
    pipeline_.uploads = {.title = "P", .lock = "api", .folder = "web"};
  }

  void Write(const std::function<void(StoreTransaction&)>& step) {
    ASSERT_TRUE(store_
                    .Write([&](StoreTransaction& tx) {
                      step(tx);
                      return absl::OkStatus();
                    })
                    .ok());
  }
  static Upload Named(int64_t number, const std::string& name) {
    Upload upload{.number = number, .key = "k"};
    upload.name = name;
    upload.emails = {"a@b.org"};
    upload.page = "http://portal/uploads/7-k";
    return upload;
  }
  Job JobOf(const std::string& path, int64_t size) const {
    Job job;
    job.id = JobId{41};
    job.pipeline = "p";
    job.state = JobState::kSucceeded;
    job.input = {.volume = "in", .path = path, .size = size};
    return job;
  }

  FakeStore store_;
  Pipeline pipeline_;
  Fleet fleet_;
};

TEST_F(UploadDeskTest, FromTheFirstByteToTheMail) {
  Write([&](StoreTransaction& tx) {
    bool queued = true;
    auto upload = BeginUpload(tx, pipeline_, fleet_, Named(7, "a.csv"), kNow, &queued);
    ASSERT_TRUE(upload.ok()) << upload.status();
    EXPECT_FALSE(queued);
    EXPECT_EQ(upload->path, "web/a.csv");
    EXPECT_FALSE(MaySweepUpload(tx, 7));
    EXPECT_FALSE(FindUpload(tx, 7, "other").has_value());
    auto sealed = SealUpload(tx, *upload, 3, std::string(32, 's'), kNow);
    ASSERT_TRUE(sealed.ok());
    // The portal says it again; something else it must not say.
    EXPECT_TRUE(SealUpload(tx, *sealed, 3, std::string(32, 's'), kNow).ok());
    EXPECT_FALSE(SealUpload(tx, *sealed, 4, std::string(32, 's'), kNow).ok());
    FinishUpload(tx, *sealed, kNow);
    EXPECT_TRUE(MaySweepUpload(tx, 7));
    const std::optional<Upload> published = FindUpload(tx, 7, "k");
    ASSERT_TRUE(published.has_value());
    EXPECT_EQ(published->state, UploadState::kPublished);
    EXPECT_EQ(published->sha256, std::string(32, 's'));
    PutUploadMessage(tx, JobOf("web/a.csv", 4), kNow);  // another version of the file
    PutUploadMessage(tx, JobOf("web/b.csv", 3), kNow);
    EXPECT_TRUE(WaitingMessages(tx, 10).empty());
    PutUploadMessage(tx, JobOf("web/a.csv", 3), kNow);
    const std::vector<OutboxMessage> mails = WaitingMessages(tx, 10);
    ASSERT_EQ(mails.size(), 1u);
    EXPECT_EQ(mails[0].to.emails, std::vector<std::string>{"a@b.org"});
    EXPECT_EQ(mails[0].link, "http://portal/uploads/7-k");
    EXPECT_GT(mails[0].attach_bytes_max, 0);
  });
}

TEST_F(UploadDeskTest, APageThatRefusesTakesOneAtATime) {
  pipeline_.uploads->refuse = true;
  Write([&](StoreTransaction& tx) {
    bool queued = false;
    const auto first = BeginUpload(tx, pipeline_, fleet_, Named(7, "a.csv"), kNow, &queued);
    ASSERT_TRUE(first.ok());
    const auto second = BeginUpload(tx, pipeline_, fleet_, Named(8, "b.csv"), kNow, &queued);
    EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
    // Whoever has gone away in the middle holds nobody up.
    const absl::Time later = kNow + kUploadAlive + absl::Seconds(1);
    EXPECT_TRUE(BeginUpload(tx, pipeline_, fleet_, Named(8, "b.csv"), later, &queued).ok());
  });
}

TEST_F(UploadDeskTest, APageThatQueuesSaysSo) {
  fleet_.locks.Put({.lock = "api", .holder = "session", .host = "vm-b", .held_since = kNow});
  Write([&](StoreTransaction& tx) {
    const UploadPageState state = StateOfPage(pipeline_, fleet_, tx, kNow);
    EXPECT_TRUE(state.busy);
    EXPECT_EQ(state.busy_message, "a program holds api since 10:55 UTC");
    EXPECT_NE(state.trouble.find("no watcher for the folder in"), std::string::npos);
    bool queued = false;
    EXPECT_TRUE(BeginUpload(tx, pipeline_, fleet_, Named(7, "a.csv"), kNow, &queued).ok());
    EXPECT_TRUE(queued);
  });
}

TEST_F(UploadDeskTest, TakenNamesGetANumber) {
  Write([&](StoreTransaction& tx) {
    bool queued = false;
    Upload upload = *BeginUpload(tx, pipeline_, fleet_, Named(7, "a.tar.gz"), kNow, &queued);
    RenameUpload(tx, upload, kNow);
    upload = *FindUpload(tx, 7, "k");
    EXPECT_EQ(upload.path, "web/a.tar-2.gz");
    RenameUpload(tx, upload, kNow);
    EXPECT_EQ(FindUpload(tx, 7, "k")->path, "web/a.tar-3.gz");
    for (int i = 0; i < kUploadNamesMax; ++i) RenameUpload(tx, *FindUpload(tx, 7, "k"), kNow);
    EXPECT_EQ(FindUpload(tx, 7, "k")->state, UploadState::kFailed);
  });
}

TEST_F(UploadDeskTest, NamesThatAreMoreThanNames) {
  for (const char* name : {"a.csv", "Umsätze 2026.xlsx", "a b (1).csv", "..a.csv.x"}) {
    EXPECT_EQ(CheckUploadName(name).ok(), name[0] != '.') << name;
  }
  for (const std::string& name :
       {std::string(), std::string(".."), std::string("a/b"), std::string("a\\b"),
        std::string("a\0b", 3), std::string("a\nb"), std::string("\xFF"), std::string("a~"),
        std::string(" a"), std::string(201, 'a'), std::string("-rf")}) {
    EXPECT_FALSE(CheckUploadName(name).ok()) << name;
  }
}

TEST_F(UploadDeskTest, ThoseThatWereLeftMakeRoom) {
  Write([&](StoreTransaction& tx) {
    bool queued = false;
    for (int64_t number = 1; number <= kUploadsUnderWayMax; ++number) {
      Upload upload = Named(number, "a.csv");
      upload.begun_at = kNow;
      upload.touched_at = kNow + absl::Seconds(number == 7 ? -1 : 0);
      PutUpload(tx, upload);
    }
    EXPECT_TRUE(absl::IsResourceExhausted(
        BeginUpload(tx, pipeline_, fleet_, Named(2000, "b.csv"), kNow, &queued).status()));
    const absl::Time later = kNow + 2 * kUploadAlive;
    EXPECT_TRUE(BeginUpload(tx, pipeline_, fleet_, Named(2000, "b.csv"), later, &queued).ok());
    EXPECT_FALSE(FindUpload(tx, 7, "k").has_value());
    EXPECT_TRUE(FindUpload(tx, 8, "k").has_value());
  });
}

TEST_F(UploadDeskTest, OldOnesAreForgotten) {
  bool queued = false;
  Write([&](StoreTransaction& tx) {
    Upload done = *BeginUpload(tx, pipeline_, fleet_, Named(7, "a.csv"), kNow, &queued);
    FinishUpload(tx, done, kNow);
    (void)BeginUpload(tx, pipeline_, fleet_, Named(8, "b.csv"), kNow, &queued).status();
  });
  Write([&](StoreTransaction& tx) {
    EXPECT_FALSE(ForgetUploads(tx, kNow - absl::Hours(1), kNow + absl::Hours(1), 100));
    EXPECT_TRUE(FindUpload(tx, 7, "k").has_value());
    EXPECT_TRUE(FindUpload(tx, 8, "k").has_value());
    EXPECT_FALSE(ForgetUploads(tx, kNow + absl::Hours(1), kNow + 2 * kUploadKept, 100));
    EXPECT_FALSE(FindUpload(tx, 7, "k").has_value());
    EXPECT_FALSE(FindUpload(tx, 8, "k").has_value());
    EXPECT_FALSE(UploadOf(tx, "in", "web/a.csv").has_value());
  });
}

}  // namespace
}  // namespace closewrite
