#include "services/executor/attempt_log.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "gtest/gtest.h"
#include "services/log_record/log_record.h"

namespace closewrite::executor {
namespace {

std::string NewFile() {
  std::string name = testing::TempDir() + "/log.XXXXXX";
  return std::string(mkdtemp(name.data())) + "/7-2.log";
}

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

constexpr size_t kRead = 1 << 20;
constexpr int64_t kHeader = sizeof(LogRecordHeader);

TEST(AttemptLog, KeepsBytesInOrder) {
  AttemptLog log({.file = NewFile()});
  log.Append(LogStream::kStdout, "hello ");
  log.Append(LogStream::kStderr, std::string("\0\xff\n", 3));
  EXPECT_EQ(log.size(), 9 + 2 * kHeader);
  EXPECT_EQ(Show(*log.Read(0, kRead)), std::string("1hello 2\0\xff\n", 11));
  EXPECT_EQ(Show(*log.Read(6 + kHeader, kRead)), std::string("2\0\xff\n", 4));
  EXPECT_EQ(*log.Read(log.size(), kRead), "");
  EXPECT_EQ(*log.Read(999, kRead), "");
}

TEST(AttemptLog, IsReadInWholeRecords) {
  AttemptLog log({.file = NewFile()});
  const std::string large(kLogRecordBytesMax, 'x');
  for (int i = 0; i < 3; ++i) log.Append(LogStream::kStdout, large);
  int64_t offset = 0;
  for (int reads = 0; reads < 3; ++reads) {
    const std::string records = *log.Read(offset, 2 * kWholeLogRecordBytesMax - 1);
    EXPECT_EQ(Show(records), "1" + large);
    offset += static_cast<int64_t>(records.size());
  }
  EXPECT_EQ(offset, log.size());
}

TEST(AttemptLog, ASilentCommandMakesNoFile) {
  const std::string file = NewFile();
  AttemptLog log({.file = file});
  log.Append(LogStream::kStdout, "");
  EXPECT_EQ(log.size(), 0);
  EXPECT_NE(access(file.c_str(), F_OK), 0);
}

TEST(AttemptLog, SaysThatItIsFull) {
  AttemptLog log({.file = NewFile(), .log_bytes_max = 5 + kHeader});
  log.Append(LogStream::kStdout, "abc");
  log.Append(LogStream::kStdout, "defg");
  log.Append(LogStream::kStdout, "never");
  EXPECT_EQ(Show(*log.Read(0, kRead)),
            "1abc1de3[the log ends here; it has reached its limit of 21 bytes]\n");
}

TEST(AttemptLog, WholeRecordsAreTakenUpByTheNextProcess) {
  const std::string file = NewFile();
  { AttemptLog({.file = file}).Append(LogStream::kStdout, "one "); }
  std::ofstream(file, std::ios::app) << "torn";
  AttemptLog log({.file = file});
  EXPECT_EQ(log.size(), 4 + kHeader);
  log.Append(LogStream::kStdout, "two");
  EXPECT_EQ(Show(*log.Read(0, kRead)), "1one 1two");
  log.Remove();
  EXPECT_NE(access(file.c_str(), F_OK), 0);
  log.Append(LogStream::kStdout, "late");
  EXPECT_EQ(log.size(), 0);
}

TEST(AttemptLog, SurvivesADirectoryThatIsGone) {
  AttemptLog log({.file = "/nonexistent/7-2.log"});
  log.Append(LogStream::kStdout, "abc");
  EXPECT_EQ(log.size(), 0);
}

}  // namespace
}  // namespace closewrite::executor
