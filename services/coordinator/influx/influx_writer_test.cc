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

TEST_F(InfluxWriterTest, OfTooManyPointsTheOldestAreGivenUpAndCounted) {
  constexpr int64_t kPoints = 1500;
  ASSERT_TRUE(Run([](Engine&, StoreTransaction& tx, absl::Time) {
                for (int64_t i = 0; i < kPoints; ++i) tx.AppendPoint(StrCat("p value=", i));
              }).ok());
  const int64_t oldest = Range().oldest;
  InfluxOptions options;
  options.write.url = "http://127.0.0.1:1/write";  // nobody listens there
  options.points_max = kPointsMaxMin;
  InfluxWriter writer(options, &loop_);
  writer.Start();
  while (writer.numbers().failures == 0) Tick();
  writer.Shutdown();
  EXPECT_EQ(writer.numbers().overflowed, kPoints - kPointsMaxMin);
  EXPECT_EQ(writer.numbers().written, 0);
  EXPECT_EQ(Range().oldest, oldest + kPoints - kPointsMaxMin);
  EXPECT_EQ(Range().newest, oldest + kPoints - 1);
}

}  // namespace
}  // namespace closewrite
