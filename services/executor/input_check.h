// Whether the file that a command is about to read is the version that was announced.
#ifndef SERVICES_EXECUTOR_INPUT_CHECK_H_
#define SERVICES_EXECUTOR_INPUT_CHECK_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/time/time.h"

namespace closewrite::executor {

// First and longest pause between two looks; each is twice the one before.
inline constexpr absl::Duration kLookPauseMin = absl::Milliseconds(20);
inline constexpr absl::Duration kLookPauseMax = absl::Seconds(1);
// How long a newer version must stay the same before it is believed.
inline constexpr absl::Duration kChangeConfirm = absl::Seconds(2);
// Entries of the parent directory that are read to make a network mount look again.
inline constexpr int kListedEntriesMax = 100000;

// The announced version, and where it is on this host.
struct AnnouncedInput {
  std::string root;  // the volume's absolute path on this host
  std::string path;  // relative to it
  int64_t size = 0;
  int64_t mtime_ns = 0;
};

enum class InputState {
  kAnnounced,    // it is there, whole
  kNotVisible,   // absent, or still with an older look
  kChanged,      // another version is there
  kInterrupted,  // `pause` said so
};

struct InputFinding {
  InputState state = InputState::kNotVisible;
  // What was seen last, when something was.
  bool seen = false;
  int64_t size = 0;
  int64_t mtime_ns = 0;
  std::string message;  // one sentence, for states other than kAnnounced
};

struct InputCheckOptions {
  // How long to look again before giving up.
  absl::Duration visible_within = absl::Seconds(30);
  absl::Duration change_confirm = kChangeConfirm;
  // Waits; false when the check is to be given up. Also moves `now` on in tests.
  std::function<bool(absl::Duration)> pause;
  // A clock that never jumps: SinceBoot.
  std::function<absl::Duration()> now;
  // For tests: treats a local folder like a network mount, which may show what was.
  bool as_if_cached = false;
};

// Opens the file and compares size and mtime with the announced ones, again and again, until they
// are the same, or time is over, or a newer version has stayed for `change_confirm`. On a local
// file system another version is final at once.
//
// Network mounts cache names, absence and attributes for seconds (sshfs: 20 s, sshfs(1)
// dcache_timeout). Each look therefore opens the file, which makes sshfs ask the server for its
// attributes; then forces the kernel to take them over (statx(2), AT_STATX_FORCE_SYNC); then reads
// the last byte, and asks for one more, so that a short cached size can't slip through. When the
// name is absent, the parent directory is listed, which refreshes cached names.
//
// mtimes are equal when their nanoseconds are; on a mount that is not local they are also equal
// when their seconds are and the mount shows no fraction: version 3 of the SFTP protocol carries
// seconds in 32 bits. So a rewrite of the same size within the same second can't be told apart
// there.
InputFinding CheckInput(const AnnouncedInput& input, const InputCheckOptions& options);

// As CheckInput, after the command has ended: whether what it read can have been anything but the
// announced version. A file that is no longer there counts as announced, for many commands move or
// remove what they have done.
InputFinding RecheckInput(const AnnouncedInput& input, const InputCheckOptions& options);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_INPUT_CHECK_H_
