#include "services/coordinator/api/store_service.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "services/clock/clock.h"
#include "services/coordinator/store/fake_store.h"
#include "services/coordinator/store/sqlite_store.h"
#include "services/coordinator/store/store_samples.h"
#include "services/coordinator/store/test_folder.h"
#include "services/transport/channel.h"
#include "services/transport/server.h"

namespace closewrite {
namespace {

class StoreServiceTest : public ::testing::Test {
 protected:
  void Serve(const std::string& sqlite_path) {
    ASSERT_TRUE(loop_.Start().ok());
    service_ =
        std::make_unique<StoreService>(ApiOptions{.loop = &loop_, .feed = &feed_}, sqlite_path);
    server_ = *Server::Start({.listen = "127.0.0.1:0", .services = {service_.get()}});
    stub_ = v1::StoreService::NewStub(Connect("127.0.0.1:" + std::to_string(server_->port())));
  }
  void TearDown() override {
    service_->Shutdown();
    server_->Shutdown(absl::ZeroDuration());
    loop_.Shutdown();
  }
  // Again while the one before is still being ended.
  absl::StatusOr<std::string> BackUp() {
    absl::StatusOr<std::string> bytes = BackUpOnce();
    while (absl::IsResourceExhausted(bytes.status())) bytes = BackUpOnce();
    return bytes;
  }

  // Who asked for a backup, by the audit.
  std::vector<AuditEntry> Asked() {
    std::vector<AuditEntry> entries;
    EXPECT_TRUE(audited_
                    .Read([&](StoreReader& reader) {
                      entries = reader.ListAudit({}, {}, 100);
                      return absl::OkStatus();
                    })
                    .ok());
    return entries;
  }

  TestFolder folder_;
  ChangeFeed feed_;
  FakeStore audited_;
  const SteadyClock clock_;
  Engine engine_{{.random = [] { return 0.0; },
                  .new_session_id = [] { return SessionId("s"); },
                  .decode_pipeline = [](std::string_view) { return Pipeline{}; },
                  .decode_task = [](std::string_view) { return Task{}; }}};
  StoreLoop loop_{&audited_, &engine_, &feed_, &clock_};
  std::unique_ptr<StoreService> service_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::StoreService::Stub> stub_;

 private:
  // The bytes that came, checked against the size that was said.
  absl::StatusOr<std::string> BackUpOnce() {
    grpc::ClientContext context;
    const auto reader = stub_->BackUpStore(&context, {});
    std::string bytes;
    v1::BackUpStoreResponse piece;
    while (reader->Read(&piece)) {
      bytes += piece.data();
      EXPECT_LE(piece.data().size(), kBackupPieceBytes);
    }
    if (const grpc::Status status = reader->Finish(); !status.ok()) {
      return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                          status.error_message());
    }
    EXPECT_EQ(static_cast<int64_t>(bytes.size()), piece.size());
    return bytes;
  }
};

TEST_F(StoreServiceTest, WhatComesIsAStoreWithWhatWasCommitted) {
  const std::string path = folder_.file();
  auto store = *SqliteStore::Open(path);
  ASSERT_TRUE(store
                  ->Write([](StoreTransaction& tx) {
                    for (int i = 0; i < 5000; ++i) {
                      tx.InsertJob(SmallJob("job" + std::to_string(i)));
                    }
                    return absl::OkStatus();
                  })
                  .ok());
  Serve(path);
  std::ofstream(folder_.file() + ".backup-being-sent") << "left by one that was killed";
  for (int i = 0; i < 2; ++i) {
    const absl::StatusOr<std::string> bytes = BackUp();
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    const std::string copy = folder_.path() + "/copy" + std::to_string(i);
    std::ofstream(copy, std::ios::binary) << *bytes;
    auto opened = SqliteStore::Open(copy);
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_TRUE((*opened)
                    ->Read([](StoreReader& reader) {
                      EXPECT_EQ(reader.ListJobs({}, JobId{}, 10000).size(), 5000u);
                      return absl::OkStatus();
                    })
                    .ok());
  }
  EXPECT_FALSE(std::filesystem::exists(folder_.file() + ".backup-being-sent"));
  const std::vector<AuditEntry> asked = Asked();
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[0].service + "." + asked[0].method, "StoreService.BackUpStore");
  EXPECT_EQ(asked[0].role, "anybody");
  EXPECT_EQ(asked[0].peer.substr(0, 10), "127.0.0.1:");
}

// The copy of one that had gone kept others out until it was complete, and a stop waited for it.
TEST_F(StoreServiceTest, ACopyThatNobodyWaitsForIsGivenUp) {
  const std::string path = folder_.file();
  auto store = *SqliteStore::Open(path);
  Serve(path);
  grpc::ClientContext context;
  const auto reader = stub_->BackUpStore(&context, {});
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(BackUp().ok());
  service_->Shutdown();
  EXPECT_EQ(BackUp().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(std::filesystem::exists(path + ".backup-being-sent"));
  EXPECT_FALSE(std::filesystem::exists(path + ".backup-being-sent.part"));
}

TEST_F(StoreServiceTest, AStoreOfPostgresIsBackedUpByItsOwnTools) {
  Serve("");
  EXPECT_EQ(BackUp().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Asked().empty());
}

}  // namespace
}  // namespace closewrite
