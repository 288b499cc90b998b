#include "services/executor/missing_program.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace closewrite::executor {
namespace {

class MissingProgramTest : public ::testing::Test {
 protected:
  MissingProgramTest() {
    std::string name = testing::TempDir() + "/program.XXXXXX";
    place_.directory = mkdtemp(name.data());
    place_.host = "vm-c";
    place_.path = "/nowhere:" + place_.directory;
  }
  ~MissingProgramTest() override { std::filesystem::remove_all(place_.directory); }

  void Write(const std::string& name, const std::string& content) {
    std::ofstream(place_.directory + "/" + name, std::ios::binary) << content;
  }
  std::string Describe(const std::string& program) {
    return DescribeMissingProgram(program, place_);
  }

  ProgramPlace place_;
};

TEST_F(MissingProgramTest, OneThatIsNotThere) {
  EXPECT_EQ(Describe("enrich"),
            "program `enrich` was not found on vm-c; install it, or give its full path in "
            "run.command");
  EXPECT_EQ(Describe("/opt/no such"),
            "program `/opt/no such` was not found on vm-c; no shell splits it: give the program "
            "and each argument as entries of their own, or `sh`, `-c` and the line");
  EXPECT_NE(Describe(""), "");
}

// It was said to be not there itself.
TEST_F(MissingProgramTest, AScriptWhoseInterpreterIsMissing) {
  Write("enrich.R", "#! /usr/bin/no-such-R --vanilla\nx <- 1\n");
  const std::string end =
      "` starts with `#!/usr/bin/no-such-R`, which does not exist on vm-c; install that, or "
      "correct the line";
  const std::string whole = place_.directory + "/enrich.R";
  for (const std::string& program : {std::string("enrich.R"), std::string("./enrich.R"), whole}) {
    EXPECT_EQ(Describe(program), "program `" + program + end);
  }
  Write("windows", "#!/bin/sh\r\nexit 0\r\n");
  EXPECT_EQ(Describe("windows"),
            "program `windows` starts with `#!/bin/sh\\r`, which does not exist on vm-c; save its "
            "lines with LF at their ends, not CR LF");
}

TEST_F(MissingProgramTest, OtherThingsThatAreMissing) {
  Write("foreign",
        "\x7f"
        "ELF"
        "rest");
  EXPECT_EQ(Describe("foreign"),
            "program `foreign` is there, but the loader that it asks for does not exist on vm-c; "
            "is it made for another system?");
  Write("odd", "#!/bin/sh\n");
  EXPECT_EQ(Describe("odd"),
            "program `odd` is there, but something that it needs to start does not exist on vm-c");
}

}  // namespace
}  // namespace closewrite::executor
