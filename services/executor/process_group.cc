#include "services/executor/process_group.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "services/clock/clock.h"

namespace closewrite::executor {
namespace {

// Of /proc/pid/stat, see proc(5).
struct Process {
  char state = 'X';
  pid_t group = 0;
  pid_t session = 0;
  int64_t ticks = 0;
};

std::optional<Process> Look(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string text;
  std::getline(file, text, '\0');
  const size_t name_end = text.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  Process process;
  std::string skipped;
  fields >> process.state >> skipped >> process.group >> process.session;
  for (int number = 7; number < 22; ++number) fields >> skipped;
  fields >> process.ticks;
  if (fields.fail()) return std::nullopt;
  return process;
}

bool BelongsToGroup(const std::string& pid, const SupervisorState& state) {
  const std::optional<Process> process = Look(pid);
  if (!process.has_value() || process->state == 'Z' || process->state == 'X') return false;
  if (process->group != state.command || process->session != state.supervisor) return false;
  return std::to_string(state.command) != pid || process->ticks == state.command_ticks;
}

bool SomeOfItLives(const SupervisorState& state) {
  const std::unique_ptr<DIR, int (*)(DIR*)> processes(opendir("/proc"), closedir);
  if (processes == nullptr) return false;
  while (const dirent* entry = readdir(processes.get())) {
    if (std::atoi(entry->d_name) > 0 && BelongsToGroup(entry->d_name, state)) return true;
  }
  return false;
}

}  // namespace

bool KillGroup(const SupervisorState& state) {
  if (state.command <= 0 || state.boot != BootId()) return true;
  for (int looks = 0; looks < kGroupLooksMax; ++looks) {
    if (!SomeOfItLives(state)) return true;
    kill(-state.command, SIGKILL);
    poll(nullptr, 0, kGroupLookMs);  // nobody tells when it is gone
  }
  return false;
}

}  // namespace closewrite::executor
