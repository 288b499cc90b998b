// Sentences about events, attempts and jobs, for people.
#ifndef SERVICES_COORDINATOR_API_STORY_WORDS_H_
#define SERVICES_COORDINATOR_API_STORY_WORDS_H_

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "services/coordinator/core/file_event.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/job.h"

namespace closewrite {

// `2026-11-22T10:55:03.123Z`.
std::string TimeWords(absl::Time time);
// `1.234s`, cut to milliseconds.
std::string DurationWords(absl::Duration duration);
// `unenriched:in/a.csv`, escaped.
std::string FileWords(std::string_view volume, std::string_view path);

// `CLOSE_WRITE on vm-b by inotify, closed: 12 bytes, inode 7, mtime …`.
std::string EventWords(const EventRecord& record);
// `attempt 1 of job 7 on executor e at vm-c, pid 99: exit 1 after 1.2s: message`.
std::string AttemptWords(const Attempt& attempt, absl::Time now);
// `enriched:in/a.csv, 12 bytes, sha256 …`.
std::string OutputWords(std::string_view volume, const OutputFile& output);
// `LIVE`.
std::string_view VolumeStateWord(VolumeState state);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_STORY_WORDS_H_
