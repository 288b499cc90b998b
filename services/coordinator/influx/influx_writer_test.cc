#include "services/coordinator/influx/influx_writer.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "services/coordinator/api/api_fixture.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

class InfluxWriterTest : public ApiFixture {
 protected:
  PointRange Range() {
    PointRange range;
    EXPECT_TRUE(store_
                    .Read([&](StoreReader& reader) {
                      range = reader.GetPointRange();
                      return absl::OkStatus();
                    })
                    .ok());
    return range;
  }
};

TEST_F(InfluxWriterTest, OfTooManyPointsTheOldestBatchesAreGivenUpAndCounted) {
  constexpr int64_t kBatches = 150;
  ASSERT_TRUE(Run([](Engine&, StoreTransaction& tx, absl::Time) {
                for (int64_t i = 0; i < kBatches; ++i) {
                  tx.AppendPoints(10, StrCat("p value=", i));
                }
              }).ok());
  const int64_t oldest = Range().oldest;
  InfluxOptions options;
  options.write.url = "http://127.0.0.1:1/write";  // nobody listens there
  options.points_max = kPointsMaxMin + 5;
  InfluxWriter writer(options, &loop_);
  writer.Start();
  while (writer.numbers().failures == 0) Tick();
  writer.Shutdown();
  // Whole ones, until no more are left than may be.
  constexpr int64_t kGivenUp = 10 * kBatches - kPointsMaxMin;
  EXPECT_EQ(writer.numbers().overflowed, kGivenUp);
  EXPECT_EQ(writer.numbers().written, 0);
  EXPECT_EQ(Range().oldest, oldest + kGivenUp);
  EXPECT_EQ(Range().newest, oldest + 10 * kBatches - 1);
}

}  // namespace
}  // namespace closewrite
