#include "services/coordinator/api/pipeline_service.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/coordinator/api/answer_once.h"
#include "services/coordinator/api/apply_effect_view.h"
#include "services/coordinator/api/job_view.h"
#include "services/coordinator/api/page_token.h"
#include "services/coordinator/api/pipeline_codec.h"
#include "services/coordinator/api/placeholder_check.h"
#include "services/coordinator/api/violations.h"
#include "services/coordinator/api/volume_notes.h"
#include "services/coordinator/convert.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

absl::StatusOr<v1::PipelineStatus> ShowPipeline(const StoredPipeline& stored, StoreReader& reader) {
  absl::StatusOr<v1::Pipeline> definition = ParseDefinition(stored.definition);
  if (!definition.ok()) return definition.status();
  v1::PipelineStatus shown;
  *shown.mutable_pipeline() = *std::move(definition);
  shown.set_version(stored.version);
  if (IsKnown(stored.applied_at)) SetTime(stored.applied_at, shown.mutable_applied_at());
  shown.set_unfinished_jobs(reader.CountUnfinished(stored.name));
  return shown;
}

// A pipeline as it will be kept: what is applied when it did not change, version 0 for one that was
// only tried.
StoredPipeline Stored(const Pipeline& asked, const Fleet& fleet) {
  std::shared_ptr<const Pipeline> kept = fleet.FindPipeline(asked.name);
  StoredPipeline stored{.name = asked.name, .definition = asked.definition};
  if (kept != nullptr) {
    stored.version = kept->version;
    stored.applied_at = kept->applied_at;
  }
  return stored;
}

// What is odd about a definition, but not wrong.
void AddNotes(const Pipeline& pipeline, VolumeNotes* notes) {
  const std::string whose = StrCat("pipeline ", pipeline.name, ": ");
  notes->CheckKnown(whose, pipeline.volume);
  if (!pipeline.output_volume.empty()) notes->CheckKnown(whose, pipeline.output_volume);
  for (const std::string& sentence : PlaceholdersInEnvironment(pipeline.env)) {
    notes->Add(whose + sentence);
  }
}

using Pipelines = std::vector<std::shared_ptr<const Pipeline>>;

// Those of the request, or else all that are applied.
absl::StatusOr<Pipelines> PipelinesToTest(const v1::TestPipelinesRequest& request,
                                          StoreLoop& loop) {
  Pipelines pipelines;
  if (request.pipelines().empty()) {
    const Fleet fleet = CopyFleet(loop);
    for (const auto& [name, pipeline] : fleet.pipelines) pipelines.push_back(pipeline);
    return pipelines;
  }
  absl::StatusOr<std::vector<Pipeline>> given = DecodePipelines(request.pipelines());
  if (!given.ok()) return given.status();
  for (Pipeline& pipeline : *given) {
    pipelines.push_back(std::make_shared<const Pipeline>(std::move(pipeline)));
  }
  return pipelines;
}

// What must still be true of a file whose name a pipeline takes; the store knows its marker.
std::string Condition(const Pipeline& pipeline, const v1::VolumePath& file, StoreReader& reader) {
  switch (pipeline.when) {
    case When::kCloseWrite:
      return "";
    case When::kRename:
      return "; only if it is renamed into place";
    case When::kMarker: {
      const std::string marker = MarkerOf(pipeline, file.path());
      const std::optional<EventRecord> latest = reader.LatestEvent(file.volume(), marker);
      const bool is_there = latest.has_value() && IsThere(latest->event);
      return StrCat("; marker ", Display(marker), is_there ? " is there" : " is missing");
    }
    case When::kQuiet:
      return StrCat("; also without a close, once it has not changed for ",
                    absl::FormatDuration(pipeline.quiet));
    case When::kCreate:
      return "; as soon as its name appears";
    case When::kDelete:
      return "; when it is removed or renamed away";
    case When::kNames:
      return StrCat("; when its name ", pipeline.on_create ? "appears" : "",
                    pipeline.on_create && pipeline.on_delete ? " or " : "",
                    pipeline.on_delete ? "vanishes" : "");
  }
  return "";
}

// A pipeline that asks for a close of files in a volume without events would never start.
std::string PolledWarning(const Pipeline& pipeline, const Fleet& fleet) {
  const bool asks = ReadsInput(pipeline) && pipeline.quiet == absl::ZeroDuration();
  const Watcher* home = asks ? fleet.HomeOf(pipeline.volume) : nullptr;
  if (home == nullptr) return "";
  for (const VolumeReport& report : home->volumes) {
    if (report.volume == pipeline.volume && report.backend == v1::WATCH_BACKEND_POLL) {
      return StrCat("; but volume ", report.volume, " is polled on ", home->host,
                    ", which tells of no close: say `when: quiet`, or `evidence: quiet`");
    }
  }
  return "";
}

v1::PipelineVerdict ShowVerdict(const Pipeline& pipeline, const v1::VolumePath& file,
                                const Fleet& fleet, StoreReader& reader, VolumeNotes* notes) {
  Verdict verdict = MatchPath(pipeline, file.volume(), file.path());
  if (const std::string why = notes->WhyIgnored(file); verdict.matches && !why.empty()) {
    verdict = {.matches = false, .message = why};
  }
  v1::PipelineVerdict shown;
  *shown.mutable_file() = file;
  shown.set_pipeline(pipeline.name);
  shown.set_matches(verdict.matches);
  if (verdict.matches) {
    shown.set_message(
        StrCat(verdict.message, Condition(pipeline, file, reader), PolledWarning(pipeline, fleet)));
  } else {
    shown.set_message(verdict.message);
  }
  return shown;
}

}  // namespace

grpc::ServerUnaryReactor* PipelineService::ApplyPipelines(grpc::CallbackServerContext* context,
                                                          const v1::ApplyPipelinesRequest* request,
                                                          v1::ApplyPipelinesResponse* response) {
  absl::StatusOr<std::vector<Pipeline>> pipelines = DecodePipelines(request->pipelines());
  if (!pipelines.ok()) return Answer(context, pipelines.status());
  const bool dry_run = request->dry_run();
  return AnswerOnce<v1::ApplyPipelinesResponse>(
      api_, context, dry_run ? "" : "ApplyPipelines", *request, response,
      [pipelines = *std::move(pipelines), dry_run, &routes = alert_routes_](
          Engine& engine, StoreTransaction& tx, absl::Time now,
          v1::ApplyPipelinesResponse* answer) {
        absl::StatusOr<std::vector<ApplyEffect>> effects =
            engine.desk().ApplyPipelines(tx, pipelines, dry_run, now);
        if (!effects.ok()) return effects.status();
        VolumeNotes notes(&engine.fleet(), nullptr);
        for (size_t i = 0; i < pipelines.size(); ++i) {
          AddNotes(pipelines[i], &notes);
          const std::string trouble = AlertTrouble(pipelines[i], routes);
          if (!trouble.empty()) notes.Add(StrCat("pipeline ", pipelines[i].name, ": ", trouble));
          absl::StatusOr<v1::PipelineStatus> shown =
              ShowPipeline(Stored(pipelines[i], engine.fleet()), tx);
          if (!shown.ok()) return shown.status();
          *answer->add_pipelines() = *std::move(shown);
          answer->add_effects(ToProto((*effects)[i]));
        }
        for (std::string& warning : notes.Take()) answer->add_warnings(std::move(warning));
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* PipelineService::ListPipelines(grpc::CallbackServerContext* context,
                                                         const v1::ListPipelinesRequest* request,
                                                         v1::ListPipelinesResponse* response) {
  return Answer(context, List(*request, response));
}

absl::Status PipelineService::List(const v1::ListPipelinesRequest& request,
                                   v1::ListPipelinesResponse* response) {
  const std::string scope = "ListPipelines";
  absl::StatusOr<PageRequest> page = OpenPage(scope, request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  return loop_.store().Read([&](StoreReader& reader) {
    PageFill fill(*page);
    for (const StoredPipeline& stored : reader.ListPipelines()) {
      if (stored.name <= page->cursor) continue;
      if (fill.full()) {
        const std::string& last = response->pipelines().rbegin()->pipeline().name();
        response->set_next_page_token(NextPageToken(scope, last));
        break;
      }
      absl::StatusOr<v1::PipelineStatus> shown = ShowPipeline(stored, reader);
      if (!shown.ok()) return shown.status();
      fill.Add(*shown);
      *response->add_pipelines() = *std::move(shown);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PipelineService::DeletePipeline(grpc::CallbackServerContext* context,
                                                          const v1::DeletePipelineRequest* request,
                                                          v1::DeletePipelineResponse* response) {
  return AnswerOnce<v1::DeletePipelineResponse>(
      api_, context, "DeletePipeline", *request, response,
      [name = request->name(), cancel_jobs = request->cancel_jobs()](
          Engine& engine, StoreTransaction& tx, absl::Time now,
          v1::DeletePipelineResponse* answer) {
        if (engine.fleet().FindPipeline(name) == nullptr) {
          return NoSuchPipeline(name, engine.fleet());
        }
        absl::StatusOr<int64_t> cancelled =
            engine.desk().DeletePipeline(tx, name, cancel_jobs, now);
        if (cancelled.ok()) answer->set_cancelled_jobs(*cancelled);
        return cancelled.status();
      });
}

grpc::ServerUnaryReactor* PipelineService::TestPipelines(grpc::CallbackServerContext* context,
                                                         const v1::TestPipelinesRequest* request,
                                                         v1::TestPipelinesResponse* response) {
  return Answer(context, Test(*request, response));
}

absl::Status PipelineService::Test(const v1::TestPipelinesRequest& request,
                                   v1::TestPipelinesResponse* response) {
  if (request.files_size() > kFilesPerTestMax) {
    return WrongField("files",
                      StrCat("has ", request.files_size(), " files; at most ", kFilesPerTestMax));
  }
  for (int i = 0; i < request.files_size(); ++i) {
    absl::Status s = CheckFile(StrCat("files[", i, "]"), request.files(i));
    if (!s.ok()) return s;
  }
  absl::StatusOr<Pipelines> pipelines = PipelinesToTest(request, loop_);
  if (!pipelines.ok()) return pipelines.status();
  if (pipelines->size() * request.files_size() > kVerdictsMax) {
    return WrongField("files", StrCat(request.files_size(), " files and ", pipelines->size(),
                                      " pipelines are too many at once; at most ", kVerdictsMax,
                                      " pairs: try fewer files"));
  }
  const Fleet fleet = CopyFleet(loop_);
  VolumeNotes notes(&fleet, &watchers_);
  for (const v1::VolumePath& file : request.files()) notes.CheckKnown("", file.volume());
  if (!request.pipelines().empty()) {
    for (const auto& pipeline : *pipelines) AddNotes(*pipeline, &notes);
  }
  return loop_.store().Read([&](StoreReader& reader) {
    size_t bytes = 0;
    for (const v1::VolumePath& file : request.files()) {
      for (const auto& pipeline : *pipelines) {
        v1::PipelineVerdict verdict = ShowVerdict(*pipeline, file, fleet, reader, &notes);
        bytes += verdict.ByteSizeLong();
        if (bytes > kPageBytesMax) {
          return WrongField("files", "make too long an answer; try fewer files");
        }
        *response->add_verdicts() = std::move(verdict);
      }
    }
    for (std::string& warning : notes.Take()) response->add_warnings(std::move(warning));
    return absl::OkStatus();
  });
}

}  // namespace closewrite
