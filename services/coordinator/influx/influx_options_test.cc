#include "services/coordinator/influx/influx_options.h"

#include <map>
#include <string>

#include "gtest/gtest.h"
#include "services/config/config.h"

namespace closewrite {
namespace {

class InfluxOptionsTest : public testing::Test {
 protected:
  absl::StatusOr<std::optional<InfluxOptions>> Make(const std::string& influx) {
    v1::CoordinatorConfig config;
    if (!influx.empty()) {
      EXPECT_TRUE(ParseYaml("test.yaml", "influx: " + influx, &config).ok());
    }
    return InfluxOptionsFrom(config,
                             [this](const std::string& name) { return environment_[name]; });
  }
  std::string Error(const std::string& influx) {
    return std::string(Make(influx).status().message());
  }

  std::map<std::string, std::string> environment_;
};

TEST_F(InfluxOptionsTest, NobodyWantsPoints) {
  ASSERT_TRUE(Make("").ok());
  EXPECT_FALSE(Make("")->has_value());
  environment_["INFLUX_HOST"] = "vm-i";  // some program's; no database
  EXPECT_FALSE(Make("")->has_value());
}

TEST_F(InfluxOptionsTest, Version1) {
  const auto made =
      Make("{url: 'http://vm-i:8086/', database: 'my meta', username: u, password: p}");
  ASSERT_TRUE(made.ok()) << made.status();
  const InfluxOptions& options = **made;
  EXPECT_EQ(options.write.url, "http://vm-i:8086/write?db=my%20meta&precision=ms");
  EXPECT_EQ(options.write.username, "u");
  EXPECT_EQ(options.write.password, "p");
  EXPECT_EQ(options.shown, options.write.url);
  EXPECT_EQ(options.points_max, kPointsMaxDefault);
  EXPECT_FALSE(options.tags.host);
}

TEST_F(InfluxOptionsTest, Version2) {
  const auto made = Make("{url: 'https://i', org: o&p, bucket: b, token: secret, tags: [host]}");
  ASSERT_TRUE(made.ok()) << made.status();
  const InfluxOptions& options = **made;
  EXPECT_EQ(options.write.url, "https://i/api/v2/write?org=o%26p&bucket=b&precision=ms");
  EXPECT_EQ(options.write.headers.back(), "Authorization: Token secret");
  EXPECT_EQ(options.write.username, "");
  EXPECT_TRUE(options.tags.host);
  EXPECT_FALSE(options.tags.attempt);
}

TEST_F(InfluxOptionsTest, TheEnvironmentOfRsUsersIsTaken) {
  environment_ = {{"INFLUX_HOST", "vm-i"},
                  {"INFLUX_PORT", "9999"},
                  {"INFLUX_DB", "meta"},
                  {"INFLUX_USERNAME", "u"},
                  {"INFLUX_PASSWORD", "p"}};
  const auto made = Make("");
  ASSERT_TRUE(made.ok() && made->has_value());
  EXPECT_EQ((*made)->write.url, "http://vm-i:9999/write?db=meta&precision=ms");
  EXPECT_EQ((*made)->write.username, "u");
  EXPECT_EQ((*Make("{database: other}"))->write.url,
            "http://vm-i:9999/write?db=other&precision=ms");
  environment_.erase("INFLUX_PORT");
  EXPECT_EQ((*Make(""))->write.url, "http://vm-i:8086/write?db=meta&precision=ms");
}

TEST_F(InfluxOptionsTest, WrongOnesSayWhatWouldBeRight) {
  EXPECT_EQ(Error("{}"), "influx.url: is missing; say `url: http://influx-host:8086`");
  EXPECT_EQ(Error("{url: 'vm-i:8086', database: d}"),
            "influx.url: \"vm-i:8086\" must begin with http:// or https://");
  EXPECT_EQ(Error("{url: 'http://u:p@i', database: d}"),
            "influx.url: has a user in it; use the keys username and password");
  EXPECT_EQ(Error("{url: 'http://i'}"),
            "influx.database: is missing; say the database, or the bucket of an InfluxDB 2");
  EXPECT_EQ(Error("{url: 'http://i', bucket: b}"),
            "influx.org: is missing; a bucket belongs to one");
  EXPECT_EQ(Error("{url: 'http://i', bucket: b, org: o, database: d}"),
            "influx.database: is of InfluxDB 1, and `bucket` of InfluxDB 2; say one of them");
  EXPECT_EQ(Error("{url: 'http://i', database: d, tags: [hots]}"),
            "influx.tags: \"hots\" is none; did you mean \"host\"?");
  EXPECT_EQ(Error("{url: 'http://i', database: d, buffer_max: 5}"),
            "influx.buffer_max: is 5; give 1000 to 100000000 points");
}

}  // namespace
}  // namespace closewrite
