#include "services/executor/attempt_log.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/executor/log_writer.h"
#include "services/log_record/log_record.h"

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;

constexpr size_t kRead = 256 << 10;
constexpr int64_t kSegmentText = kLogSegmentBytesMax - kLogSegmentBytesMax / 64;  // at the least

// "1abc2de": of which stream, and its bytes.
std::string Show(std::string_view records) {
  std::string shown;
  while (const auto record = TakeLogRecord(&records)) {
    EXPECT_GT(record->time_us, 0);
    shown += std::to_string(static_cast<int>(record->stream));
    shown += record->bytes;
  }
  EXPECT_TRUE(records.empty());
  return shown;
}

class AttemptLogTest : public testing::Test {
 protected:
  AttemptLogTest() {
    std::string name = testing::TempDir() + "/log.XXXXXX";
    root_ = mkdtemp(name.data());
    parent_ = Fd(open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    writer_ = std::make_unique<LogWriter>(parent_.get(), "7-2");
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    read_end_ = Fd(ends[0]);
    write_end_ = Fd(ends[1]);
    TakeUp();
  }

  ~AttemptLogTest() override { fs::remove_all(root_); }

  // As the next executor does.
  void TakeUp() {
    log_ = std::make_unique<AttemptLog>(root_ + "/7-2");
    offset_ = log_->start();
  }

  // The command writes; at most what one record holds.
  void Write(LogStream stream, const std::string& bytes) {
    ASSERT_EQ(write(write_end_.get(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
    ASSERT_EQ(writer_->Copy(read_end_.get(), stream, ++time_us_),
              static_cast<ssize_t>(bytes.size()));
    written_ += static_cast<int64_t>(bytes.size());
  }
  static std::string Line(int64_t number) {
    return std::to_string(number) + std::string(1000, '.') + "\n";
  }
  // Lines with numbers, at least `bytes` of them.
  void WriteLines(int64_t bytes) {
    for (const int64_t until = written_ + bytes; written_ < until;) {
      std::string lines;
      while (lines.size() < 60000) lines += Line(++line_);
      Write(LogStream::kStdout, lines);
    }
  }

  // All that there is to be read now, appended to `shipped_`.
  void ReadAll(size_t bytes_max = kRead) {
    for (;;) {
      const auto records = log_->Read(offset_, bytes_max);
      ASSERT_TRUE(records.ok()) << records.status();
      if (records->empty()) return;
      ASSERT_EQ(WholeLogRecords(*records), records->size());
      shipped_.resize(static_cast<size_t>(offset_));
      shipped_ += *records;
      offset_ += static_cast<int64_t>(records->size());
    }
  }

  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(root_ + "/7-2")) {
      files.push_back(entry.path().filename());
    }
    return files;
  }

  // Checks that lines follow one another but where a note tells exactly how much is missing. How
  // many notes there are.
  int CheckShipped() const {
    int notes = 0;
    int64_t number = 0;
    int64_t missing = 0;
    std::string_view rest = shipped_;
    while (const auto record = TakeLogRecord(&rest)) {
      if (record->stream == LogStream::kNote) {
        ++notes;
        EXPECT_EQ(sscanf(std::string(record->bytes).c_str(), "[%ld bytes left out]\n", &missing),
                  1);
        continue;
      }
      std::istringstream lines{std::string(record->bytes)};
      for (std::string line; std::getline(lines, line);) {
        for (++number; missing > 0; ++number) {
          missing -= static_cast<int64_t>(Line(number).size());
        }
        EXPECT_EQ(missing, 0);
        if (line + "\n" == Line(number)) continue;
        ADD_FAILURE() << number << " was to come, and not " << line;
        return notes;
      }
    }
    EXPECT_TRUE(rest.empty());
    return notes;
  }

  std::string root_;
  Fd parent_;
  Fd read_end_;
  Fd write_end_;
  std::unique_ptr<LogWriter> writer_;
  std::unique_ptr<AttemptLog> log_;
  int64_t time_us_ = 0;
  int64_t written_ = 0;
  int64_t line_ = 0;
  int64_t offset_ = 0;
  std::string shipped_;
};

TEST_F(AttemptLogTest, KeepsBytesInOrder) {
  Write(LogStream::kStdout, "hello ");
  Write(LogStream::kStderr, std::string("\0\xff\n", 3));
  ReadAll();
  EXPECT_EQ(Show(shipped_), std::string("1hello 2\0\xff\n", 11));
  EXPECT_EQ(offset_, log_->end());
  EXPECT_FALSE(log_->HasMore(offset_));
  EXPECT_TRUE(log_->HasMore(0));
  Write(LogStream::kStdout, "more");
  log_->NoteGrowth();
  EXPECT_TRUE(log_->HasMore(offset_));
  ReadAll();
  EXPECT_EQ(Show(shipped_), std::string("1hello 2\0\xff\n1more", 16));
}

TEST_F(AttemptLogTest, ASilentCommandMakesNoFolder) {
  ReadAll();
  log_->NoteEnd(0, 1);
  ReadAll();
  EXPECT_EQ(offset_, 0);
  EXPECT_FALSE(log_->HasMore(0));
  EXPECT_FALSE(fs::exists(root_ + "/7-2"));
}

TEST_F(AttemptLogTest, IsReadInWholeRecords) {
  for (int i = 0; i < 3; ++i) Write(LogStream::kStdout, std::string(60000, 'x'));
  ReadAll(kWholeLogRecordBytesMax);
  EXPECT_EQ(Show(shipped_).size(), 3 * 60001u);
}

TEST_F(AttemptLogTest, GoesOnOverManySegmentsWhileItIsAcknowledged) {
  for (int rounds = 0; rounds < 24; ++rounds) {
    WriteLines(kSegmentText / 2);
    ReadAll();
    log_->Acknowledge(offset_);
    EXPECT_LE(Files().size(), 2u);
  }
  EXPECT_EQ(CheckShipped(), 0);
  EXPECT_GT(written_, 10 * kLogSegmentBytesMax);
}

TEST_F(AttemptLogTest, IsBoundedWhenNobodyReads) {
  WriteLines(40 * kSegmentText);
  EXPECT_LE(Files().size(), static_cast<size_t>(kLogHeadSegments + kLogTailSegments));
  EXPECT_LE(log_->size(), (kLogHeadSegments + kLogTailSegments) * kLogSegmentBytesMax);
  ReadAll();
  EXPECT_EQ(CheckShipped(), 1);
  EXPECT_NE(shipped_.find(Line(1)), std::string::npos);
  EXPECT_NE(shipped_.find(Line(line_)), std::string::npos);
}

// The executor reads what it may send, and then is not acknowledged.
TEST_F(AttemptLogTest, IsBoundedWhenNothingIsAcknowledged) {
  WriteLines(6 * kSegmentText);
  ReadAll();  // claims the head, and more
  WriteLines(40 * kSegmentText);
  EXPECT_LE(Files().size(), static_cast<size_t>(7 + kLogTailSegments));
  ReadAll();
  EXPECT_EQ(CheckShipped(), 1);
}

TEST_F(AttemptLogTest, WhateverProcessAsksOffsetsStay) {
  WriteLines(30 * kSegmentText);
  ReadAll();
  const std::string shipped = shipped_;
  TakeUp();
  EXPECT_EQ(offset_, 0);
  EXPECT_EQ(log_->end(), static_cast<int64_t>(shipped.size()));
  ReadAll();
  EXPECT_EQ(shipped_, shipped);
  log_->Acknowledge(static_cast<int64_t>(shipped.size()) - 100);
  TakeUp();
  EXPECT_GT(offset_, static_cast<int64_t>(shipped.size()) - kLogSegmentBytesMax);
  ReadAll();
  EXPECT_EQ(shipped_, shipped);
  WriteLines(3 * kSegmentText);
  TakeUp();
  ReadAll();
  EXPECT_EQ(shipped_.compare(0, shipped.size(), shipped), 0);
  EXPECT_EQ(CheckShipped(), 1);
}

// What the writer can't write is left out, and said to be.
class FullDiskTest : public AttemptLogTest {
 protected:
  FullDiskTest() { signal(SIGXFSZ, SIG_IGN); }
  ~FullDiskTest() override { Fill(RLIM_INFINITY); }
  // No file of this process gets larger.
  static void Fill(rlim_t bytes) {
    rlimit limit = {};
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
};

TEST_F(FullDiskTest, WhatItDoesNotTakeIsLeftOutInTheMiddle) {
  Write(LogStream::kStdout, Line(++line_));
  Fill(1500);  // the next is cut in two
  WriteLines(200000);
  Fill(RLIM_INFINITY);
  WriteLines(1000);
  ReadAll();
  EXPECT_EQ(CheckShipped(), 1);
  EXPECT_EQ(Files().size(), 2u);
}

TEST_F(FullDiskTest, AndAtTheEnd) {
  Write(LogStream::kStdout, "a");
  Fill(0);
  Write(LogStream::kStdout, "bcd");
  Fill(RLIM_INFINITY);
  ReadAll();
  EXPECT_EQ(Show(shipped_), "1a");
  for (int times = 0; times < 2; ++times) {
    log_->NoteEnd(writer_->bytes(), 99);
    ReadAll();
    EXPECT_EQ(Show(shipped_), "1a3[3 bytes left out]\n");
    log_->Acknowledge(offset_);
    TakeUp();
  }
}

TEST_F(FullDiskTest, AndWhenThereIsNothingElse) {
  Fill(0);
  Write(LogStream::kStdout, "abc");
  Fill(RLIM_INFINITY);
  log_->NoteEnd(writer_->bytes(), 99);
  ReadAll();
  EXPECT_EQ(Show(shipped_), "3[3 bytes left out]\n");
}

// A supervisor that was killed while it wrote.
TEST_F(AttemptLogTest, ATornRecordIsNotRead) {
  Write(LogStream::kStdout, "one");
  const Fd segment(open((root_ + "/7-2/0").c_str(), O_WRONLY | O_APPEND));
  ASSERT_EQ(write(segment.get(), "torn", 4), 4);
  ReadAll();
  EXPECT_EQ(Show(shipped_), "1one");
  EXPECT_FALSE(log_->HasMore(offset_));
}

TEST_F(AttemptLogTest, RemovedItIsEmpty) {
  Write(LogStream::kStdout, "one");
  ReadAll();
  log_->Remove();
  EXPECT_FALSE(fs::exists(root_ + "/7-2"));
  EXPECT_FALSE(log_->HasMore(0));
  EXPECT_EQ(*log_->Read(0, kRead), "");
}

}  // namespace
}  // namespace closewrite::executor
