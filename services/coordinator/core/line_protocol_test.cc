#include "services/coordinator/core/line_protocol.h"

#include "gtest/gtest.h"

namespace closewrite {
namespace {

const absl::Time kTime = absl::FromUnixMillis(1'795'345'200'123);

TEST(EncodePoint, TheConventionsThreeMeasurements) {
  EXPECT_EQ(EncodePoint({.measurement = "execution",
                         .tags = {{"state", "start"}, {"id", "1-2"}, {"job", "enrich"}},
                         .fields = {{"value", 1.0}},
                         .time = kTime}),
            "execution,id=1-2,job=enrich,state=start value=1 1795345200123");
  EXPECT_EQ(EncodePoint({.measurement = "task",
                         .tags = {{"id", "1-2"}, {"job", "a"}, {"type", "load"}},
                         .fields = {{"records", int64_t{1000}}, {"increment", int64_t{100001}}},
                         .time = kTime}),
            "task,id=1-2,job=a,type=load records=1000i,increment=100001i 1795345200123");
  EXPECT_EQ(EncodePoint({.measurement = "model",
                         .tags = {{"metric", "mape"}},
                         .fields = {{"records", int64_t{5}}, {"value", 0.25}},
                         .time = kTime}),
            "model,metric=mape records=5i,value=0.25 1795345200123");
}

TEST(EncodePoint, NamesAreEscaped) {
  EXPECT_EQ(EncodePoint({.measurement = "a b,c=d",
                         .tags = {{"k 1", "x,y=z w"}, {"q", "say \"hi\""}, {"ü", "ß"}},
                         .fields = {{"f 1", 1.5}},
                         .time = kTime}),
            "a\\ b\\,c=d,k\\ 1=x\\,y\\=z\\ w,q=say\\ \"hi\",ü=ß f\\ 1=1.5 1795345200123");
}

TEST(EncodePoint, WhatALineCannotHoldIsReplaced) {
  EXPECT_EQ(EncodePoint({.measurement = "m",
                         .tags = {{"a", "x\ny"}, {"b", "C:\\dir\\"}, {"c", ""}},
                         .fields = {{"v", 1.0}},
                         .time = kTime}),
            "m,a=x?y,b=C:\\dir/ v=1 1795345200123");
}

TEST(EncodePoint, NumbersKeepTheirTypeAndValue) {
  const auto fields = [](std::variant<int64_t, double> value) {
    return EncodePoint({.measurement = "m", .tags = {}, .fields = {{"v", value}}, .time = kTime});
  };
  EXPECT_EQ(fields(INT64_MIN), "m v=-9223372036854775808i 1795345200123");
  EXPECT_EQ(fields(INT64_MAX), "m v=9223372036854775807i 1795345200123");
  EXPECT_EQ(fields(0.1), "m v=0.1 1795345200123");
  EXPECT_EQ(fields(-2.5e-300), "m v=-2.5e-300 1795345200123");
}

}  // namespace
}  // namespace closewrite
