#include "services/coordinator/store/record_codec.h"

#include <string>

#include "gtest/gtest.h"
#include "services/coordinator/store/store_samples.h"

namespace closewrite {
namespace {

TEST(RecordCodecTest, NothingOfASessionIsLost) {
  const SessionRecord session = FullSession("s");
  SessionRecord read{.id = session.id,
                     .coordinator = session.coordinator,
                     .draining = session.draining,
                     .told_to_drain = session.told_to_drain,
                     .heartbeat_at = session.heartbeat_at,
                     .expires_at = session.expires_at};
  ASSERT_TRUE(DecodeHello(EncodeHello(session), &read).ok());
  EXPECT_EQ(read, session);
}

// A finding without a value threw, and ended the coordinator at each start.
TEST(RecordCodecTest, DamagedRowsAreLostAndNothingElse) {
  SessionRecord session;
  session.executor.name = "vm-c";
  session.executor.read_only_volumes = {"/"};
  SessionRecord read;
  EXPECT_TRUE(absl::IsDataLoss(DecodeHello(EncodeHello(session), &read)));
  const std::string whole = EncodeHello(FullSession("s"));
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    const absl::Status status = DecodeHello(whole.substr(0, bytes), &read);
    EXPECT_TRUE(status.ok() || absl::IsDataLoss(status)) << bytes << " " << status;
  }
}

}  // namespace
}  // namespace closewrite
