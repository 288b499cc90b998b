#include "services/coordinator/api/job_service.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/coordinator/api/answer_once.h"
#include "services/coordinator/api/job_sieve.h"
#include "services/coordinator/api/job_view.h"
#include "services/coordinator/api/job_watch.h"
#include "services/coordinator/api/log_reader.h"
#include "services/coordinator/api/page_token.h"
#include "services/coordinator/api/pipeline_codec.h"
#include "services/coordinator/api/push_stream.h"
#include "services/coordinator/api/story.h"
#include "services/coordinator/api/violations.h"
#include "services/coordinator/api/watcher_call.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

absl::StatusOr<Files> DecodeFiles(const v1::SubmitJobsRequest& request) {
  if (request.files().empty() || request.files_size() > kFilesPerSubmitMax) {
    return WrongField(
        "files", StrCat("has ", request.files_size(), " files; give 1 to ", kFilesPerSubmitMax));
  }
  Files files;
  for (int i = 0; i < request.files_size(); ++i) {
    const v1::VolumePath& file = request.files(i);
    if (absl::Status s = CheckFile(StrCat("files[", i, "]"), file); !s.ok()) return s;
    files.emplace_back(file.volume(), file.path());
  }
  return files;
}

absl::Status CheckReason(const std::string& reason) {
  if (reason.size() <= kCancelReasonBytesMax) return absl::OkStatus();
  return WrongField("reason",
                    StrCat("has ", reason.size(), " bytes; at most ", kCancelReasonBytesMax));
}

absl::Status CheckLogRequest(const v1::ReadLogRequest& request) {
  if (request.tail_lines() < 0 || request.tail_lines() > kTailLinesMax) {
    return WrongField("tail_lines", StrCat("is ", request.tail_lines(), "; give 1 to ",
                                           kTailLinesMax, ", or 0 for all"));
  }
  if (request.token() < 0) {
    return WrongField("token", "is negative; give that of an attempt, or 0 for the newest");
  }
  if (request.offset() < 0 || (request.offset() > 0 && request.token() == 0)) {
    return WrongField("offset", "belongs to one attempt; give `next_offset` with its `token`");
  }
  if (request.offset() > 0 && request.tail_lines() > 0) {
    return WrongField("tail_lines", "goes from the end, `offset` from a place; give one of them");
  }
  for (const int stream : request.streams()) {
    if (stream == v1::LOG_STREAM_UNSPECIFIED || !v1::LogStream_IsValid(stream)) {
      return WrongField("streams",
                        "names no stream; give LOG_STREAM_STDOUT, LOG_STREAM_STDERR or "
                        "LOG_STREAM_NOTE");
    }
  }
  return absl::OkStatus();
}

LogStreams WantedStreams(const v1::ReadLogRequest& request) {
  if (request.streams().empty()) return LogStreams::All();
  LogStreams streams;
  for (const int stream : request.streams()) streams.Add(static_cast<LogStream>(stream));
  return streams;
}

// NOT_FOUND for a job that is not there, before anything is changed.
absl::Status CheckJobsExist(const std::vector<JobId>& ids, StoreReader& reader) {
  for (const JobId id : ids) {
    if (!reader.GetJob(id).has_value()) return NoSuchJob(id);
  }
  return absl::OkStatus();
}

template <class Response>
void AddJobs(const std::vector<Job>& jobs, Engine& engine, StoreTransaction& tx, absl::Time now,
             Response* response) {
  for (const Job& job : jobs) *response->add_jobs() = ShowJob(job, engine.fleet(), tx, now);
}

}  // namespace

JobService::JobService(const ApiOptions& options, WatcherBoard* board)
    : api_(options), loop_(*options.loop), feed_(*options.feed), board_(*board) {}

grpc::ServerUnaryReactor* JobService::SubmitJobs(grpc::CallbackServerContext* context,
                                                 const v1::SubmitJobsRequest* request,
                                                 v1::SubmitJobsResponse* response) {
  absl::StatusOr<Files> files = DecodeFiles(*request);
  if (!files.ok()) return Answer(context, files.status());
  const int priority = request->priority();
  if (priority < -kPriorityMax || priority > kPriorityMax) {
    return Answer(context, WrongField("priority", StrCat("is ", priority, "; give ", -kPriorityMax,
                                                         " to ", kPriorityMax)));
  }
  if (request->again() && request->pipeline().empty()) {
    return Answer(context,
                  WrongField("pipeline", "is missing; say which one is to have the files again"));
  }
  const Intake::Wish wish{.priority = priority, .again = request->again()};
  return AnswerOnce<v1::SubmitJobsResponse>(
      api_, context, "SubmitJobs", *request, response,
      [files = *std::move(files), pipeline = request->pipeline(), wish](
          Engine& engine, StoreTransaction& tx, absl::Time now, v1::SubmitJobsResponse* answer) {
        const Fleet& fleet = engine.fleet();
        if (!pipeline.empty() && fleet.FindPipeline(pipeline) == nullptr) {
          return NoSuchPipeline(pipeline, fleet);
        }
        absl::StatusOr<std::vector<Intake::Made>> made =
            engine.desk().Submit(tx, pipeline, files, wish, now);
        if (!made.ok()) return made.status();
        for (const Intake::Made& one : *made) {
          *answer->add_jobs() = ShowJob(one.job, fleet, tx, now);
          if (one.existed) answer->add_existing_job_ids(one.job.id.value);
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* JobService::GetJob(grpc::CallbackServerContext* context,
                                             const v1::GetJobRequest* request,
                                             v1::GetJobResponse* response) {
  const Fleet fleet = CopyFleet(loop_);
  const absl::Time now = loop_.clock().Now();
  return Answer(context, loop_.store().Read([&](StoreReader& reader) {
    const JobId id{request->job_id()};
    const std::optional<Job> job = reader.GetJob(id);
    if (!job.has_value()) return NoSuchJob(id);
    *response = ShowWhole(*job, fleet, reader, now);
    return absl::OkStatus();
  }));
}

grpc::ServerUnaryReactor* JobService::ListJobs(grpc::CallbackServerContext* context,
                                               const v1::ListJobsRequest* request,
                                               v1::ListJobsResponse* response) {
  return Answer(context, List(*request, response));
}

absl::Status JobService::List(const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
  absl::StatusOr<JobFilter> filter = DecodeJobFilter(request.filter());
  if (!filter.ok()) return filter.status();
  absl::StatusOr<JobSieve> sieve = DecodeJobSieve(request.filter());
  if (!sieve.ok()) return sieve.status();
  const std::string scope = PageScope("ListJobs", request.filter());
  absl::StatusOr<PageRequest> page = OpenPage(scope, request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  absl::StatusOr<int64_t> before = IdCursor(*page);
  if (!before.ok()) return before.status();

  const Fleet fleet = CopyFleet(loop_);
  const absl::Time now = loop_.clock().Now();
  return loop_.store().Read([&](StoreReader& reader) {
    PageFill fill(*page);
    JobId last{*before};
    // One more than the page tells whether there is a next one.
    const int64_t rows = sieve->empty() ? page->rows + 1 : kRowsSievedMax / 10;
    for (int64_t looked = 0;; looked += rows) {
      const std::vector<Job> jobs = reader.ListJobs(*filter, last, rows);
      for (const Job& job : jobs) {
        if (sieve->Ends(job)) return absl::OkStatus();
        if (fill.full() && sieve->Lets(job)) {
          response->set_next_page_token(NextPageToken(scope, StrCat(last.value)));
          return absl::OkStatus();
        }
        last = job.id;
        if (!sieve->Lets(job)) continue;
        *response->add_jobs() = ShowJob(job, fleet, reader, now);
        fill.Add(*response->jobs().rbegin());
      }
      if (static_cast<int64_t>(jobs.size()) < rows) return absl::OkStatus();
      if (looked + rows < kRowsSievedMax && !sieve->empty()) continue;
      response->set_next_page_token(NextPageToken(scope, StrCat(last.value)));
      return absl::OkStatus();
    }
  });
}

grpc::ServerWriteReactor<v1::WatchJobsResponse>* JobService::WatchJobs(
    grpc::CallbackServerContext* context, const v1::WatchJobsRequest* request) {
  absl::StatusOr<JobFilter> filter = DecodeJobFilter(request->filter());
  if (!filter.ok()) return RefusedStream<v1::WatchJobsResponse>::Open(filter.status());
  absl::StatusOr<JobSieve> sieve = DecodeJobSieve(request->filter());
  if (!sieve.ok()) return RefusedStream<v1::WatchJobsResponse>::Open(sieve.status());
  return PushStream<v1::WatchJobsResponse>::Open(
      {.pump = &pump_,
       .feed = &feed_,
       .source = std::make_unique<JobWatch>(&loop_, *std::move(filter), *std::move(sieve))});
}

grpc::ServerUnaryReactor* JobService::CancelJobs(grpc::CallbackServerContext* context,
                                                 const v1::CancelJobsRequest* request,
                                                 v1::CancelJobsResponse* response) {
  absl::StatusOr<std::vector<JobId>> ids = DecodeJobIds(request->job_ids());
  if (!ids.ok()) return Answer(context, ids.status());
  if (absl::Status s = CheckReason(request->reason()); !s.ok()) return Answer(context, s);
  return AnswerOnce<v1::CancelJobsResponse>(
      api_, context, "CancelJobs", *request, response,
      [ids = *std::move(ids), reason = request->reason()](
          Engine& engine, StoreTransaction& tx, absl::Time now, v1::CancelJobsResponse* answer) {
        if (absl::Status s = CheckJobsExist(ids, tx); !s.ok()) return s;
        absl::StatusOr<std::vector<Job>> jobs = engine.desk().CancelJobs(tx, ids, reason, now);
        if (jobs.ok()) AddJobs(*jobs, engine, tx, now, answer);
        return jobs.status();
      });
}

grpc::ServerUnaryReactor* JobService::RetryJobs(grpc::CallbackServerContext* context,
                                                const v1::RetryJobsRequest* request,
                                                v1::RetryJobsResponse* response) {
  absl::StatusOr<std::vector<JobId>> ids = DecodeJobIds(request->job_ids());
  if (!ids.ok()) return Answer(context, ids.status());
  return AnswerOnce<v1::RetryJobsResponse>(
      api_, context, "RetryJobs", *request, response,
      [ids = *std::move(ids), redrive = request->redrive()](
          Engine& engine, StoreTransaction& tx, absl::Time now, v1::RetryJobsResponse* answer) {
        if (absl::Status s = CheckJobsExist(ids, tx); !s.ok()) return s;
        absl::StatusOr<std::vector<Job>> jobs = engine.desk().RetryJobs(tx, ids, redrive, now);
        if (jobs.ok()) AddJobs(*jobs, engine, tx, now, answer);
        return jobs.status();
      });
}

grpc::ServerWriteReactor<v1::ReadLogResponse>* JobService::ReadLog(
    grpc::CallbackServerContext* context, const v1::ReadLogRequest* request) {
  if (absl::Status s = CheckLogRequest(*request); !s.ok()) {
    return RefusedStream<v1::ReadLogResponse>::Open(s);
  }
  const LogReader::Options options{.job = JobId{request->job_id()},
                                   .token = FencingToken{request->token()},
                                   .tail_lines = request->tail_lines(),
                                   .follow = request->follow(),
                                   .streams = WantedStreams(*request),
                                   .parts = request->parts(),
                                   .offset = request->offset()};
  return PushStream<v1::ReadLogResponse>::Open(
      {.pump = &pump_,
       .feed = &feed_,
       .source = std::make_unique<LogReader>(&loop_.store(), options)});
}

grpc::ServerUnaryReactor* JobService::Explain(grpc::CallbackServerContext* context,
                                              const v1::ExplainRequest* request,
                                              v1::ExplainResponse* response) {
  if ((request->job_id() != 0) == request->has_file()) {
    return Answer(context, WrongField("file", "give either a job or a file"));
  }
  if (!request->has_file()) return Answer(context, Tell(*request, std::nullopt, response));
  if (absl::Status s = CheckFile("file", request->file()); !s.ok()) return Answer(context, s);
  return WatcherCall::Open(
      {.board = &board_,
       .question = {.volume = request->file().volume(), .look_at = request->file().path()},
       .timeout = kLookPatience,
       .finish = [this, request, response](const WatcherBoard::Answered& look) {
         // A story without what the watcher finds is one too.
         return Tell(*request, look.ok() ? std::make_optional(*look) : std::nullopt, response);
       }});
}

absl::Status JobService::Tell(const v1::ExplainRequest& request,
                              const std::optional<v1::FileLook>& look,
                              v1::ExplainResponse* response) {
  const Fleet fleet = CopyFleet(loop_);
  const absl::Time local = loop_.clock().Now();
  return loop_.store().Read([&](StoreReader& reader) {
    // By the clock that jobs were recorded by.
    const absl::Time now = reader.Now(local);
    Story story({.reader = &reader, .fleet = &fleet, .now = now, .look = look});
    absl::Status told = absl::OkStatus();
    if (request.has_file()) {
      story.TellFile(request.file().volume(), request.file().path());
    } else {
      told = story.TellJob(JobId{request.job_id()});
    }
    if (told.ok()) *response = story.Take();
    return told;
  });
}

}  // namespace closewrite
