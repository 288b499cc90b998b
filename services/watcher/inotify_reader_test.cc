#include "services/watcher/inotify_reader.h"

#include <fcntl.h>
#include <sys/inotify.h>

#include <string>

#include "gtest/gtest.h"
#include "services/watcher/scratch_volume.h"

namespace closewrite::watcher {
namespace {

constexpr size_t kAll = 1 << 20;
constexpr absl::Duration kPatience = absl::Seconds(30);

RawEvent Named(std::string name) {
  RawEvent event;
  event.watch = 1;
  event.name = std::move(name);
  return event;
}

TEST(EventQueueTest, OverflowsInsteadOfGrowing) {
  EventQueue queue(2);
  RawEvent barrier;
  barrier.barrier = 5;
  queue.Push({Named("a"), Named("b"), Named("c"), barrier});
  EventQueue::Batch batch = queue.Take(kPatience, kAll);
  ASSERT_EQ(batch.events.size(), 3u);
  EXPECT_EQ(batch.events[2].barrier, 5);
  EXPECT_TRUE(batch.overflowed);
  queue.Push({Named("d")});
  batch = queue.Take(kPatience, kAll);
  EXPECT_EQ(batch.events.size(), 1u);
  EXPECT_FALSE(batch.overflowed);
}

TEST(EventQueueTest, TakesInPortionsAndIsWoken) {
  EventQueue queue;
  queue.Push({Named("a"), Named("b"), Named("c")});
  EXPECT_EQ(queue.Take(kPatience, 2).events.size(), 2u);
  EXPECT_EQ(queue.Take(kPatience, 2).events.size(), 1u);
  queue.Wake();
  EXPECT_TRUE(queue.Take(kPatience, 2).events.empty());
  queue.MarkFailed();
  EXPECT_TRUE(queue.Take(kPatience, 2).failed);
  queue.Push({Named("a")});
  queue.Clear();
  EXPECT_TRUE(queue.Take(absl::ZeroDuration(), 2).events.empty());
}

class InotifyReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<InotifyReader>> reader = InotifyReader::Create(&queue_);
    ASSERT_TRUE(reader.ok()) << reader.status();
    reader_ = *std::move(reader);
    const Fd directory(open(volume_.path().c_str(), O_RDONLY | O_DIRECTORY));
    const absl::StatusOr<int> watch = reader_->Watch(directory.get());
    ASSERT_TRUE(watch.ok()) << watch.status();
    watch_ = *watch;
    EXPECT_EQ(*reader_->Watch(directory.get()), watch_);
  }
  // Everything up to now.
  std::vector<RawEvent> Drain() {
    reader_->Barrier(++barrier_);
    std::vector<RawEvent> events;
    while (true) {
      for (RawEvent& event : queue_.Take(kPatience, kAll).events) {
        if (event.barrier == barrier_) return events;
        events.push_back(std::move(event));
      }
    }
  }

  ScratchVolume volume_;
  EventQueue queue_;
  std::unique_ptr<InotifyReader> reader_;
  int watch_ = -1;
  int64_t barrier_ = 0;
};

TEST_F(InotifyReaderTest, ABarrierComesBehindAllThatHappened) {
  constexpr int kFiles = 3000;  // more than one read takes
  const std::string padding(200, 'x');
  for (int i = 0; i < kFiles; ++i) volume_.Write(std::to_string(i) + padding, "");
  reader_->Start();
  int closes = 0;
  for (const RawEvent& event : Drain()) {
    EXPECT_EQ(event.watch, watch_);
    if (event.mask & IN_CLOSE_WRITE) ++closes;
  }
  EXPECT_EQ(closes, kFiles);
  EXPECT_TRUE(Drain().empty());
}

TEST_F(InotifyReaderTest, NamesAreBytesAndOwnReadsMakeNoEvents) {
  reader_->Start();
  volume_.Write("\xff\n", "x");
  bool closed = false;
  for (const RawEvent& event : Drain()) closed |= event.name == "\xff\n";
  EXPECT_TRUE(closed);
  EXPECT_EQ(volume_.Read("\xff\n"), "x");
  EXPECT_TRUE(Drain().empty());
}

TEST_F(InotifyReaderTest, StopsInAnyOrder) {
  reader_->Shutdown();
  reader_->Shutdown();
  reader_.reset();
}

}  // namespace
}  // namespace closewrite::watcher
