// The story of a file or of a job, told from the store: the heart of support.
#ifndef SERVICES_COORDINATOR_API_STORY_H_
#define SERVICES_COORDINATOR_API_STORY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "closewrite/v1/job.pb.h"
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
inline constexpr size_t kStoryLogLines = 5;
inline constexpr size_t kStoryLogBytesMax = 4 << 10;

// Topics: SEEN, MATCHED, NOT_MATCHED, JOB, ATTEMPT, LOG, OUTPUT, in the order of what happened;
// then what is true now: WAITING, RUNNING, WATCHER, NOT_SEEN; LEFT_OUT where a limit cut something
// off. Used once, by one thread.
class Story {
 public:
  // Neither is owned.
  struct Options {
    StoreReader* reader = nullptr;
    const Fleet* fleet = nullptr;
    absl::Time now;
  };
  explicit Story(const Options& options)
      : reader_(*options.reader), fleet_(*options.fleet), now_(options.now) {}

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
  void TellLog(Scene& scene, const Job& job, const Attempt& attempt);
  void TellEnd(const Job& job);
  void TellJobNow(const Job& job);
  // `seen`: the file was seen, so only what is wrong with its watcher is told.
  void TellWatcher(const std::string& volume, bool seen);
  void TellNeverSeen(const std::string& volume, const std::string& path);

  StoreReader& reader_;
  const Fleet& fleet_;
  const absl::Time now_;
  std::vector<Scene> scenes_;
  std::vector<v1::StoryLine> now_lines_;
  std::vector<v1::StoryLine> first_lines_;
  v1::ExplainResponse story_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_STORY_H_
