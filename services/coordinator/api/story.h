// The story of a file or of a job, told from the store: the heart of support.
#ifndef SERVICES_COORDINATOR_API_STORY_H_
#define SERVICES_COORDINATOR_API_STORY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "closewrite/v1/job.pb.h"
#include "services/coordinator/api/verdict.h"
#include "services/coordinator/core/file_event.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Of each the newest so many are told; a line says when older ones are left out.
inline constexpr int64_t kStoryEventsMax = 100;
inline constexpr int64_t kStoryJobsMax = 100;
inline constexpr size_t kStoryAttemptsMax = 20;
inline constexpr int kStoryOutputsMax = 20;
inline constexpr int64_t kStoryCausedMax = 20;
// Shorter waits are not worth a line.
inline constexpr absl::Duration kWaitToldMin = absl::Milliseconds(500);

// Topics: VERDICT and ADVICE, what it comes down to; SEEN, MATCHED, NOT_MATCHED, JOB, WAITED,
// ATTEMPT, LOG, OUTPUT, CAUSED, in the order of what happened; then what is true now: WAITING,
// RUNNING, WATCHER, NOT_SEEN, LOOK; LEFT_OUT where a limit cut something off. Used once, by one
// thread.
class Story {
 public:
  // Neither is owned.
  struct Options {
    StoreReader* reader = nullptr;
    const Fleet* fleet = nullptr;
    absl::Time now;
    std::optional<v1::FileLook> look;  // what the file's watcher finds, if it has answered
  };
  explicit Story(const Options& options)
      : reader_(*options.reader), fleet_(*options.fleet), now_(options.now), look_(options.look) {}

  // A file that was never seen has a story too: who would see it.
  void TellFile(const std::string& volume, const std::string& path);
  // NOT_FOUND.
  absl::Status TellJob(JobId id);

  v1::ExplainResponse Take();

 private:
  // Lines that stay together, ordered by when they happened.
  struct Scene {
    absl::Time at;
    std::vector<v1::StoryLine> lines;
  };

  Scene& Open(absl::Time at);
  void Say(Scene& scene, absl::Time at, const char* topic, std::string text);
  void SayNow(const char* topic, std::string text);

  void TellSeen(const EventRecord& record);
  // `is_judged`: by all pipelines; otherwise by those alone that take what is gone.
  void TellVerdicts(const EventRecord& record, bool is_judged, const std::vector<Job>& jobs);
  void TellVerdict(Scene& scene, const EventRecord& record, const Pipeline& pipeline,
                   const std::vector<Job>& jobs);
  void TellOneJob(const Job& job);
  void TellAttempt(const Job& job, const Attempt& attempt);
  // `before`: the attempt before it; nullptr of the first.
  void TellWait(const Job& job, const Attempt* before, const Attempt& attempt);
  void TellEnd(const Job& job);
  void TellCaused(Scene& scene, const Job& job, const OutputFile& output);
  void TellJobNow(const Job& job);
  // `seen`: the file was seen, so only what is wrong with its watcher is told.
  void TellWatcher(const std::string& volume, bool seen);
  void TellNeverSeen(const std::string& volume, const std::string& path);

  // `judged`: the event that `jobs` were made for, or not; nullptr when there is none.
  void Conclude(const std::string& volume, const std::string& path,
                const std::vector<EventRecord>& events, const EventRecord* judged,
                const std::vector<Job>& jobs);
  void ConcludeNotWanted(const std::string& file, bool seen);

  StoreReader& reader_;
  const Fleet& fleet_;
  const absl::Time now_;
  const std::optional<v1::FileLook> look_;
  // What pipelines that take the file's name say of it, if it has no job of theirs, and the others.
  std::vector<std::string> reasons_;
  std::vector<std::string> misfits_;
  Findings findings_;
  std::vector<Scene> scenes_;
  std::vector<v1::StoryLine> now_lines_;
  std::vector<v1::StoryLine> first_lines_;
  v1::ExplainResponse story_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_STORY_H_
