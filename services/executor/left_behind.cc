#include "services/executor/left_behind.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gtest/gtest.h"
#include "services/clock/clock.h"
#include "services/executor/log_segment.h"
#include "services/log_record/log_record.h"

namespace closewrite::executor {

void LeaveLog(const std::string& folder, const std::string& text) {
  std::filesystem::create_directories(folder);
  const LogSegmentHeader header = {.bytes_before = 0, .time_us = 1};
  std::string segment(reinterpret_cast<const char*>(&header), sizeof header);
  AppendLogRecord(1, LogStream::kStdout, text, &segment);
  std::ofstream(folder + "/0", std::ios::binary) << segment;
}

Fd LeaveState(const SupervisorFiles& files, const SupervisorState& state) {
  auto file = files.MakeState();
  EXPECT_TRUE(file.ok()) << file.status();
  SupervisorState written = state;
  const std::string boot = BootId();
  std::copy(boot.begin(), boot.end(), written.boot);
  EXPECT_EQ(pwrite(file->get(), &written, sizeof written, 0), static_cast<ssize_t>(sizeof written));
  return *std::move(file);
}

SupervisorState EndedWith(int exit_code) {
  SupervisorState state;
  state.ended = 1;
  state.ended_us = 1;
  state.report = {.kind = SupervisorReport::kEnded, .wait_status = W_EXITCODE(exit_code, 0)};
  return state;
}

SupervisorState CommandIs(pid_t pid) {
  SupervisorState state;
  state.supervisor = state.command = state.report.pid = pid;
  state.report.kind = SupervisorReport::kStarted;
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int number = 3; number < 22; ++number) fields >> skipped;  // see proc(5)
  fields >> state.command_ticks;
  return state;
}

}  // namespace closewrite::executor
