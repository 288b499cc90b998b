#include "services/cli/lock/lock_options.h"

#include <pwd.h>
#include <unistd.h>

#include "services/cli/table.h"
#include "services/config/duration.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

constexpr size_t kTextBytesMax = 255;
constexpr int32_t kCapacityMax = 1000;
constexpr int32_t kPriorityMax = 1000;

std::string UserName() {
  const passwd* user = getpwuid(geteuid());
  return user == nullptr ? StrCat(geteuid()) : user->pw_name;
}

}  // namespace

void DeclareLockOptions(CLI::App& app, LockOptions* options) {
  app.add_option("NAME", options->name, "The lock: 1 to 63 of a-z A-Z 0-9 . _ -")->required();
  app.add_option("-w,--wait", options->wait,
                 "No longer than 30s, 10m ... (exit code 124); by default as long as it takes");
  app.add_flag("--no-wait", options->no_wait, "Exit with 75 when it is not free");
  app.add_option("--capacity", options->capacity,
                 "How many may hold it at once; another capacity than it has is an error")
      ->check([](const std::string& text) {
        return text == "0" ? StrCat("use 1 to ", kCapacityMax) : std::string();
      });
  app.add_option("--priority", options->priority,
                 "Larger goes first, -1000 to 1000; first come first served among equals");
}

absl::Status CheckName(std::string_view what, const std::string& name) {
  const absl::Status s = closewrite::CheckName(what, name);
  if (s.ok()) return s;
  return UsageError(StrCat(ToStd(s.message()), ", such as picky-api"));
}

absl::Status CheckCapacity(int32_t capacity) {
  if (capacity >= 1 && capacity <= kCapacityMax) return absl::OkStatus();
  return UsageError(StrCat("--capacity ", capacity, ": use 1 to ", kCapacityMax));
}

absl::Status CheckLockOptions(const LockOptions& options) {
  if (absl::Status s = CheckName("lock", options.name); !s.ok()) return s;
  if (options.capacity != 0) {
    if (absl::Status s = CheckCapacity(options.capacity); !s.ok()) return s;
  }
  if (options.no_wait && !options.wait.empty()) {
    return UsageError("--wait and --no-wait contradict each other: give one of them");
  }
  if (options.priority < -kPriorityMax || options.priority > kPriorityMax) {
    return UsageError(StrCat("--priority ", options.priority, ": use -1000 to 1000"));
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Time> WaitDeadline(const Invocation& invocation, const std::string& wait) {
  if (wait.empty()) return invocation.deadline();
  const auto duration = ParseDuration(wait);
  if (!duration.ok()) return UsageError(StrCat("--wait: ", ToStd(duration.status().message())));
  return std::min(invocation.deadline(), invocation.now() + *duration);
}

// Not cut within a character.
std::string ShortText(const std::string& text) {
  std::string shortened = Printable(text);
  if (shortened.size() <= kTextBytesMax) return shortened;
  size_t size = kTextBytesMax;
  while (size > 0 && (shortened[size] & 0xc0) == 0x80) --size;
  shortened.resize(size);
  return shortened;
}

v1::LockProgram ThisProgram(const Invocation& invocation, const std::string& program) {
  v1::LockProgram self;
  self.set_host(ShortText(invocation.host()));
  self.set_pid(getpid());
  self.set_program(ShortText(program));
  self.set_user(ShortText(UserName()));
  return self;
}

}  // namespace closewrite::cli
