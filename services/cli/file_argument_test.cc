#include "services/cli/file_argument.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace closewrite::cli {
namespace {

const std::vector<VolumeRoot>& Roots() {
  static const auto* const kRoots = new std::vector<VolumeRoot>{
      {"vm-b", "unenriched", "/srv/unenriched"}, {"vm-b", "enriched", "/mnt/enriched/"},
      {"vm-c", "unenriched", "/mnt/unenriched"}, {"vm-b", "inner", "/srv/unenriched/inner"},
      {"vm-d", "other", "/mnt/unenriched"},
  };
  return *kRoots;
}

std::string Find(const std::string& path, std::string_view host) {
  const auto file = FindVolume({path}, Roots(), host);
  return file.ok() ? VolumePathText(file->volume(), file->path())
                   : std::string(file.status().message());
}

TEST(ParseVolumeArgument, TakesVolumeAndPath) {
  const auto file = ParseVolumeArgument("unenriched:sub/a:b \xff.csv");
  ASSERT_TRUE(file.ok() && file->has_value());
  EXPECT_EQ((*file)->volume(), "unenriched");
  EXPECT_EQ((*file)->path(), "sub/a:b \xff.csv");
}

TEST(ParseVolumeArgument, LeavesLocalPathsAlone) {
  for (const char* argument : {"/srv/a:b", "./a:b", "../a:b", "a.csv", "-x:y", "[a]:b", ":a"}) {
    const auto file = ParseVolumeArgument(argument);
    ASSERT_TRUE(file.ok()) << argument;
    EXPECT_FALSE(file->has_value()) << argument;
  }
}

TEST(ParseVolumeArgument, RefusesWhatCanNotBeAFile) {
  for (const char* argument : {"v:", "v:/a", "v:a/../b", "v:a//b", "v:.closewrite/x"}) {
    EXPECT_EQ(ExitCode(ParseVolumeArgument(argument).status()), kExitUsage) << argument;
  }
}

TEST(FindVolume, PrefersThisHost) {
  EXPECT_EQ(Find("/mnt/unenriched/a.csv", "vm-c"), "unenriched:a.csv");
  EXPECT_EQ(Find("/mnt/unenriched/a.csv", "vm-d"), "other:a.csv");
  EXPECT_EQ(Find("/mnt/unenriched/a.csv", "vm-d.example.org"), "other:a.csv");
}

TEST(FindVolume, TakesTheDeepestRoot) {
  EXPECT_EQ(Find("/srv/unenriched/inner/a.csv", "vm-b"), "inner:a.csv");
  EXPECT_EQ(Find("/srv/unenriched/innermost/a.csv", "vm-b"), "unenriched:innermost/a.csv");
}

TEST(FindVolume, TakesAnyHostWhenTheyAgree) {
  EXPECT_EQ(Find("/mnt/enriched/sub/a.csv", "laptop"), "enriched:sub/a.csv");
}

TEST(FindVolume, AsksWhenHostsDiffer) {
  const std::string message = Find("/mnt/unenriched/a.csv", "laptop");
  EXPECT_TRUE(absl::StrContains(message, "may be other:a.csv or unenriched:a.csv")) << message;
}

TEST(FindVolume, ListsTheRootsWhenNoneFits) {
  const std::string message = Find("/home/me/a.csv", "vm-b");
  EXPECT_TRUE(absl::StrContains(message, "/home/me/a.csv lies in no volume")) << message;
  EXPECT_TRUE(absl::StrContains(message, "enriched at /mnt/enriched/ on vm-b")) << message;
  EXPECT_EQ(Find("/srv/unenriched", "vm-b").find("/srv/unenriched lies in no volume"), 0u);
}

TEST(FindVolume, SeesThroughALinkedRoot) {
  const std::filesystem::path dir = std::filesystem::path(testing::TempDir()) / "linked_root";
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir / "disk");
  std::filesystem::create_directory_symlink(dir / "disk", dir / "srv");
  const auto file =
      FindVolume({(dir / "disk/a.csv").native()}, {{"vm-b", "v", (dir / "srv").native()}}, "vm-b");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->path(), "a.csv");
}

}  // namespace
}  // namespace closewrite::cli
