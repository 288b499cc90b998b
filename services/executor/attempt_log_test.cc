#include "services/executor/attempt_log.h"

#include <unistd.h>

#include <cstdlib>

#include "gtest/gtest.h"

namespace closewrite::executor {
namespace {

std::string NewFile() {
  std::string name = testing::TempDir() + "/log.XXXXXX";
  return std::string(mkdtemp(name.data())) + "/7-2.log";
}

TEST(AttemptLog, KeepsBytesInOrder) {
  AttemptLog log({.file = NewFile()});
  log.Append("hello ");
  log.Append(std::string("\0\xff\n", 3));
  EXPECT_EQ(log.size(), 9);
  EXPECT_EQ(*log.Read(0, 100), std::string("hello \0\xff\n", 9));
  EXPECT_EQ(*log.Read(3, 2), "lo");
  EXPECT_EQ(*log.Read(9, 10), "");
  EXPECT_EQ(*log.Read(99, 10), "");
}

TEST(AttemptLog, ASilentCommandMakesNoFile) {
  const std::string file = NewFile();
  AttemptLog log({.file = file});
  log.Append("");
  EXPECT_EQ(log.size(), 0);
  EXPECT_NE(access(file.c_str(), F_OK), 0);
}

TEST(AttemptLog, SaysThatItIsFull) {
  AttemptLog log({.file = NewFile(), .log_bytes_max = 5});
  log.Append("abc");
  log.Append("defg");
  log.Append("never");
  EXPECT_EQ(*log.Read(0, 1000),
            "abcde\nclosewrite: the log ends here; it has reached its limit of 5 bytes\n");
}

TEST(AttemptLog, IsTakenUpByTheNextProcess) {
  const std::string file = NewFile();
  { AttemptLog({.file = file}).Append("one "); }
  AttemptLog log({.file = file});
  EXPECT_EQ(log.size(), 4);
  log.Append("two");
  EXPECT_EQ(*log.Read(0, 100), "one two");
  log.Remove();
  EXPECT_NE(access(file.c_str(), F_OK), 0);
  log.Append("late");
  EXPECT_EQ(log.size(), 0);
}

TEST(AttemptLog, SurvivesADirectoryThatIsGone) {
  AttemptLog log({.file = "/nonexistent/7-2.log"});
  log.Append("abc");
  EXPECT_EQ(log.size(), 0);
}

}  // namespace
}  // namespace closewrite::executor
