#include "services/volume/mount.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

TEST(FindMountTest, FindsProcByItsMountInfo) {
  const auto mount = FindMount("/proc");
  ASSERT_TRUE(mount.ok()) << mount.status();
  EXPECT_EQ(mount->type, "proc");
  EXPECT_EQ(mount->mount_point, "/proc");
  EXPECT_EQ(mount->magic, 0x9FA0);
  EXPECT_GT(mount->id, 0u);
  const auto below = FindMount("/proc/self/");
  ASSERT_TRUE(below.ok()) << below.status();
  EXPECT_EQ(below->id, mount->id);
}

TEST(FindMountTest, TheTestsOwnFolderIsLocal) {
  const auto mount = FindMount(testing::TempDir());
  ASSERT_TRUE(mount.ok()) << mount.status();
  EXPECT_TRUE(CheckLocal(*mount, testing::TempDir()).ok()) << mount->type;
}

TEST(FindMountTest, Refuses) {
  EXPECT_EQ(FindMount("/no/such/folder").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FindMount("relative").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FindMount("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FindMount("/proc/self/stat").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(CheckLocalTest, NamesTypeSourceAndCure) {
  const Mount sshfs = {"fuse.sshfs", "vm-a:/srv/x", "/mnt/x", 0x65735546, 7};
  const absl::Status status = CheckLocal(sshfs, "/mnt/x");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(
      std::string(status.message()),
      "/mnt/x is fuse.sshfs from vm-a:/srv/x: inotify here does not see what other hosts "
      "write; run the watcher on the host that holds the files, or set poll: 5s on the volume "
      "to list it every 5 s");
}

TEST(CheckLocalTest, Table) {
  const struct {
    std::string type, source;
    int64_t magic;
    bool local;
  } kCases[] = {
      {"ext4", "/dev/sda1", 0xEF53, true},
      {"xfs", "/dev/sda1", 0x58465342, true},
      {"btrfs", "/dev/sda1", 0x9123683E, true},
      {"tmpfs", "tmpfs", 0x01021994, true},
      {"zfs", "pool/x", 0x2FC12FC1, true},
      {"overlay", "overlay", 0x794C7630, true},
      {"fuseblk", "/dev/sdb1", 0x65735546, true},
      {"fuse.sshfs", "a:/x", 0x65735546, false},
      {"fuse.rclone", "cloud:", 0x65735546, false},
      {"fuse", "x", 0x65735546, false},
      {"virtiofs", "share", 0x65735546, false},
      {"nfs4", "nas:/x", 0x6969, false},
      {"nfs", "nas:/x", 0x6969, false},
      {"cifs", "//nas/x", 0xFF534D42, false},
      {"smb3", "//nas/x", 0xFE534D42, false},
      {"9p", "share", 0x01021997, false},
      {"ceph", "mon:/", 0x00C36400, false},
      {"lustre", "mgs:/x", 0x0BD00BD0, false},
      {"afs", "", 0x5346414F, false},
      {"vboxsf", "share", 0x786F4256, false},
      {"proc", "proc", 0x9FA0, false},
      {"new-thing", "x", 0x12345678, false},
  };
  for (const auto& c : kCases) {
    const absl::Status status = CheckLocal({c.type, c.source, "/x", c.magic, 1}, "/x");
    EXPECT_EQ(status.ok(), c.local) << c.type;
    if (!c.local) {
      EXPECT_NE(std::string(status.message()).find(StrCat("/x is ", c.type)), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace closewrite
