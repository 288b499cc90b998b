#include "services/coordinator/front_door.h"

#include <string>

#include "gtest/gtest.h"
#include "services/clock/clock.h"

namespace closewrite {
namespace {

class FrontDoorTest : public testing::Test {
 protected:
  std::string Refusal() const {
    return std::string(FrontDoor::Make(config_, &clock_).status().message());
  }

  SteadyClock clock_;
  v1::CoordinatorConfig config_;
};

TEST_F(FrontDoorTest, WithoutTlsThisHostAloneIsServed) {
  for (const char* listen : {"127.0.0.1:7400", "localhost:0", "[::1]:7400", "127.1.2.3:7400"}) {
    config_.set_listen(listen);
    const auto door = FrontDoor::Make(config_, &clock_);
    ASSERT_TRUE(door.ok()) << listen << door.status();
    EXPECT_EQ((*door)->callers(), nullptr);
    EXPECT_EQ((*door)->credentials(), nullptr);
    EXPECT_TRUE((*door)->Metrics().empty());
  }
  for (const char* listen : {"0.0.0.0:7400", "[::]:7400", "vm-a:7400", "10.0.0.1:7400",
                             "localhost.example.org:7400", "127.0.0.1.nip.io:7400"}) {
    config_.set_listen(listen);
    EXPECT_EQ(Refusal(), std::string("listen: ") + listen +
                             " can be reached from other hosts, and whoever reaches it may have "
                             "any command run; give `tls: {ca, cert, key}` (`closewrite certs` "
                             "makes the files), listen on 127.0.0.1, or say `insecure: true` if "
                             "the network keeps strangers out")
        << listen;
  }
}

TEST_F(FrontDoorTest, InsecureHasToBeSaid) {
  config_.set_listen("0.0.0.0:7400");
  config_.set_insecure(true);
  EXPECT_TRUE(FrontDoor::Make(config_, &clock_).ok());
  config_.mutable_tls()->set_ca("/nowhere");
  EXPECT_EQ(Refusal(), "insecure: is said beside `tls`; leave one of them out");
}

TEST_F(FrontDoorTest, TokensDoNotCrossTheNetworkInClear) {
  config_.set_listen("127.0.0.1:7400");
  config_.set_tokens("/etc/closewrite/tokens");
  EXPECT_EQ(Refusal(),
            "tokens: would cross the network in clear; they need `tls: {ca, cert, key}`");
}

TEST_F(FrontDoorTest, HalfOfTlsIsNone) {
  config_.set_listen("0.0.0.0:7400");
  config_.mutable_tls();
  EXPECT_EQ(Refusal(), "tls: ca: is missing; give ca, cert and key");
  config_.mutable_tls()->set_ca("/nowhere/ca.crt");
  EXPECT_EQ(Refusal(), "tls: ca: /nowhere/ca.crt can't be read: No such file or directory");
}

}  // namespace
}  // namespace closewrite
