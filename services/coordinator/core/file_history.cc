#include "services/coordinator/core/file_history.h"

#include <optional>
#include <vector>

namespace closewrite {
namespace {

// Events of one path, and jobs of one path, that are looked at for one that matters.
constexpr int64_t kLookBackMax = 16;

// The newest event before `record`. A marker's contract leaves out names whose content was not
// there yet: they were no version.
std::optional<EventRecord> Before(StoreReader& reader, const Pipeline& pipeline,
                                  const EventRecord& record) {
  const FileVersion& file = record.event.file;
  const bool versions_only = pipeline.when == When::kMarker;
  for (EventRecord& before :
       reader.ListEvents(file.volume, file.path, record.id, versions_only ? kLookBackMax : 1)) {
    if (!versions_only || IsGone(before.event) || IsThere(before.event)) return std::move(before);
  }
  return std::nullopt;
}

// See FileHistory::used_event.
int64_t UsedEvent(StoreReader& reader, const Pipeline& pipeline, const FileVersion& file) {
  const JobFilter filter{
      .pipeline = pipeline.name, .input_volume = file.volume, .input_path = file.path};
  for (const Job& job : reader.ListJobs(filter, JobId{}, kLookBackMax)) {
    if (job.input != file) return IsWaiting(job.state) ? 0 : job.event_id;
  }
  return 0;
}

}  // namespace

FileHistory HistoryOf(StoreReader& reader, const Pipeline& pipeline, const EventRecord& record) {
  FileHistory history;
  const FileVersion& file = record.event.file;
  if (ReadsInput(pipeline) && pipeline.when != When::kMarker) return history;
  history.before = Before(reader, pipeline, record);
  if (pipeline.when != When::kMarker) return history;
  history.marker = reader.LatestEvent(file.volume, MarkerOf(pipeline, file.path));
  history.used_event = UsedEvent(reader, pipeline, file);
  return history;
}

std::string EventWord(StoreReader& reader, const Pipeline& pipeline, const Job& job) {
  if (job.input.path.empty()) return "";
  if (ReadsInput(pipeline)) return "CLOSE_WRITE";
  bool gone = !TakesCreate(pipeline);
  if (TakesCreate(pipeline) && TakesDelete(pipeline)) {
    const std::vector<EventRecord> made_by =
        reader.ListEvents(job.input.volume, job.input.path, job.event_id + 1, 1);
    gone = !made_by.empty() && made_by[0].id == job.event_id && IsGone(made_by[0].event);
  }
  return gone ? "DELETE" : "CREATE";
}

}  // namespace closewrite
