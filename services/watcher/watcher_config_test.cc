#include "services/watcher/watcher_config.h"

#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/volume/ignore_list.h"
#include "services/watcher/scratch_volume.h"

namespace closewrite::watcher {
namespace {

using ::testing::HasSubstr;

class WatcherConfigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    config_.set_host("vm-b");
    config_.set_coordinator("vm-a:7400");
    config_.set_state(state_.Absolute("deep/er"));
    Volume("v")->set_path(volume_.path());
  }
  v1::WatchedVolume* Volume(const std::string& name) { return &(*config_.mutable_volumes())[name]; }
  std::string Refusal() {
    SetDefaults(&config_);
    const absl::Status status = CheckConfig(config_);
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(std::string(status.message()).find('\n'), std::string::npos);
    return std::string(status.message());
  }

  ScratchVolume volume_;
  ScratchVolume state_;
  v1::WatcherConfig config_;
};

TEST_F(WatcherConfigTest, GoodOnesGetDefaultsAndAStateDirectory) {
  SetDefaults(&config_);
  const absl::Status status = CheckConfig(config_);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(config_.listen(), "0.0.0.0:7401");
  EXPECT_EQ(Volume("v")->ignore_size(), static_cast<int>(DefaultIgnoreGlobs().size()));
  EXPECT_TRUE(state_.Exists("deep/er"));
}

TEST_F(WatcherConfigTest, MissingValuesAreNamed) {
  config_.clear_host();
  EXPECT_THAT(Refusal(), HasSubstr("host"));
  config_.set_host("vm-b");
  config_.clear_coordinator();
  EXPECT_THAT(Refusal(), HasSubstr("coordinator"));
  config_.set_coordinator("x:1");
  config_.set_state("relative");
  EXPECT_THAT(Refusal(), HasSubstr("state"));
  config_.set_state(state_.path());
  config_.clear_volumes();
  EXPECT_THAT(Refusal(), HasSubstr("volumes"));
}

TEST_F(WatcherConfigTest, VolumesThatCannotBeWatched) {
  Volume("v")->set_path("");
  EXPECT_THAT(Refusal(), HasSubstr("volumes.v"));
  Volume("v")->set_path(volume_.Absolute("missing"));
  EXPECT_THAT(Refusal(), HasSubstr("missing"));
  volume_.Write("file", "");
  Volume("v")->set_path(volume_.Absolute("file"));
  EXPECT_THAT(Refusal(), HasSubstr("volumes.v"));
  Volume("v")->set_path("/proc");
  EXPECT_THAT(Refusal(), HasSubstr("proc"));
  Volume("v")->set_path(volume_.path());
  Volume("v")->add_ignore("[");
  EXPECT_THAT(Refusal(), HasSubstr("ignore"));
}

TEST_F(WatcherConfigTest, VolumesMayNotLieInEachOther) {
  volume_.MakeDirectory("inner");
  ASSERT_EQ(symlink(volume_.Absolute("inner").c_str(), state_.Absolute("way").c_str()), 0);
  Volume("w")->set_path(state_.Absolute("way"));
  EXPECT_THAT(Refusal(), HasSubstr("lie in each other"));
}

TEST_F(WatcherConfigTest, TheStateMayNotLieInAVolume) {
  config_.set_state(volume_.Absolute("x/y/"));
  EXPECT_THAT(Refusal(), HasSubstr("lies in volume v"));
  EXPECT_FALSE(volume_.Exists("x")) << "nothing may be made";
}

TEST_F(WatcherConfigTest, NamesAreChecked) {
  config_.set_host("vm b");
  EXPECT_THAT(Refusal(), HasSubstr("host"));
  config_.set_host("vm-b");
  Volume("a/b")->set_path(volume_.path());
  EXPECT_THAT(Refusal(), HasSubstr("volume"));
}

}  // namespace
}  // namespace closewrite::watcher
