// A command that ended while its lease was renewed counted as killed: a socket whose other end was
// closed with something unread says so before it gives out what that has sent.
#include "services/cli/lock/keeper.h"

#include <sys/socket.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace closewrite::cli {
namespace {

class KeeperTest : public testing::Test {
 protected:
  KeeperTest() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets_), 0); }

  void Report(const KeeperReport& report) const {
    EXPECT_EQ(send(sockets_[1], &report, sizeof report, 0), static_cast<ssize_t>(sizeof report));
  }

  int sockets_[2];
};

TEST_F(KeeperTest, AnEndIsHeardThoughAnOrderWasNot) {
  Keeper keeper(sockets_[0], {"true"});
  EXPECT_FALSE(keeper.Look().has_value());
  keeper.Renew(Lease());
  KeeperReport report;
  report.started = 1;
  report.wait_status = 0x0700;
  Report(report);
  close(sockets_[1]);
  const std::optional<KeeperEnd> end = keeper.Look();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->cause, KeeperEnd::kByItself);
  EXPECT_TRUE(end->started);
  EXPECT_EQ(end->wait_status, 0x0700);
}

TEST_F(KeeperTest, WhoGoesWithoutAReportWasKilled) {
  Keeper keeper(sockets_[0], {"true"});
  keeper.Renew(Lease());
  close(sockets_[1]);
  const std::optional<KeeperEnd> end = keeper.Look();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->cause, KeeperEnd::kKilled);
}

}  // namespace
}  // namespace closewrite::cli
