#include "services/watcher/writer_check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gtest/gtest.h"
#include "services/watcher/scratch_volume.h"

namespace closewrite::watcher {
namespace {

class WriterCheckTest : public ::testing::Test {
 protected:
  absl::StatusOr<CheckedFile> Check(std::string_view path) {
    const absl::StatusOr<Fd> root = OpenRoot(volume_.path());
    return CheckWriter(root->get(), path);
  }
  ScratchVolume volume_;
};

TEST_F(WriterCheckTest, FreeWhenNobodyWrites) {
  volume_.Write("a", "12345");
  const absl::StatusOr<CheckedFile> checked = Check("a");
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_EQ(checked->state, WriterState::kFree);
  EXPECT_EQ(checked->version.size, 5);
  EXPECT_EQ(checked->version.mtime_ns, volume_.MtimeNs("a"));
  EXPECT_EQ(checked->links, 1);
}

TEST_F(WriterCheckTest, AReaderIsNoWriter) {
  volume_.Write("a", "12345");
  const Fd reader(open(volume_.Absolute("a").c_str(), O_RDONLY));
  EXPECT_EQ(Check("a")->state, WriterState::kFree);
}

TEST_F(WriterCheckTest, WrittenUntilTheLastWriterCloses) {
  Fd first = volume_.OpenForWriting("a", "1");
  Fd second(dup(first.get()));
  EXPECT_EQ(Check("a")->state, WriterState::kWritten);
  first.Reset();
  EXPECT_EQ(Check("a")->state, WriterState::kWritten);
  second.Reset();
  EXPECT_EQ(Check("a")->state, WriterState::kFree);
}

TEST_F(WriterCheckTest, AWritableMappingIsAWriter) {
  volume_.Write("a", "12345");
  Fd fd(open(volume_.Absolute("a").c_str(), O_RDWR));
  void* const map = mmap(nullptr, 5, PROT_WRITE, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(map, MAP_FAILED);
  fd.Reset();
  EXPECT_EQ(Check("a")->state, WriterState::kWritten);
  munmap(map, 5);
  EXPECT_EQ(Check("a")->state, WriterState::kFree);
}

TEST_F(WriterCheckTest, GoneAndIrregularFiles) {
  EXPECT_TRUE(absl::IsNotFound(Check("none").status()));
  ASSERT_EQ(symlink("/etc/passwd", volume_.Absolute("link").c_str()), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(Check("link").status()));
  ASSERT_EQ(mkfifo(volume_.Absolute("fifo").c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(Check("fifo").status()));
}

}  // namespace
}  // namespace closewrite::watcher
