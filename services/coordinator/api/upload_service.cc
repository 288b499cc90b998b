#include "services/coordinator/api/upload_service.h"

#include <openssl/sha.h>
#include <sys/random.h>

#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "services/coordinator/api/alert_codec.h"
#include "services/coordinator/api/answer_once.h"
#include "services/coordinator/api/job_view.h"
#include "services/coordinator/api/upload_view.h"
#include "services/coordinator/api/violations.h"
#include "services/coordinator/api/watcher_call.h"
#include "services/coordinator/core/upload_desk.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

constexpr size_t kKeyBytes = 16;

// What opens a page must not be guessed: it comes from the kernel.
std::string RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  size_t have = 0;
  while (have < size) {
    const ssize_t got = getrandom(bytes.data() + have, size - have, 0);
    if (got > 0) have += static_cast<size_t>(got);
  }
  return bytes;
}

int64_t RandomNumber() {
  int64_t number = 0;
  const std::string bytes = RandomBytes(sizeof(number));
  std::memcpy(&number, bytes.data(), sizeof(number));
  return number & INT64_MAX;
}

absl::Status NoSuchUpload() {
  return absl::NotFoundError(
      "there is no such upload; its address may be incomplete, or it is too long ago");
}

std::shared_ptr<const Pipeline> PageOf(const Fleet& fleet, const std::string& name) {
  const std::shared_ptr<const Pipeline> pipeline = fleet.FindPipeline(name);
  return pipeline != nullptr && pipeline->uploads.has_value() ? pipeline : nullptr;
}

absl::Status CheckAccepted(const Pipeline& pipeline, const std::string& name, int64_t size) {
  const UploadPolicy& policy = *pipeline.uploads;
  if (absl::Status s = CheckUploadName(name); !s.ok())
    return WrongField("name", ToStd(s.message()));
  if (size < 0 || size > policy.bytes_max) {
    return WrongField(
        "size", StrCat("is ", size, " bytes, and this page takes ", policy.bytes_max, " at most"));
  }
  std::string ends;
  bool accepted = policy.accept.empty();
  for (const std::string& end : policy.accept) {
    accepted |= absl::EndsWithIgnoreCase(name, end);
    StrAppend(&ends, ends.empty() ? "" : ", ", end);
  }
  if (!accepted) {
    return WrongField(
        "name", StrCat(Quote(name), " has another ending than ", ends, ", which this page takes"));
  }
  const Verdict verdict = MatchPath(pipeline, pipeline.volume, Join(policy.folder, name));
  if (verdict.matches) return absl::OkStatus();
  return WrongField("name", StrCat(Quote(name), " would not be worked on: ", verdict.message));
}

absl::Status CheckBegin(const v1::BeginUploadRequest& request) {
  Violations wrong;
  if (request.email_size() > kUploadEmailsMax) {
    wrong.Add("email",
              StrCat("has ", request.email_size(), " addresses; give at most ", kUploadEmailsMax));
  }
  for (int i = 0; i < request.email_size(); ++i) {
    wrong.AddUnlessOk(StrCat("email[", i, "]"), CheckMailAddress(request.email(i)));
  }
  if (request.who().size() > kUploaderBytesMax || !IsUtf8(request.who())) {
    wrong.Add("who", StrCat("is longer than ", kUploaderBytesMax, " bytes, or no UTF-8"));
  }
  if (request.page_url().size() > kUploadPageUrlBytesMax || !IsUtf8(request.page_url())) {
    wrong.Add("page_url", StrCat("is longer than ", kUploadPageUrlBytesMax, " bytes"));
  }
  return wrong.ToStatus();
}

}  // namespace

grpc::ServerUnaryReactor* UploadService::ListUploadPages(grpc::CallbackServerContext* context,
                                                         const v1::ListUploadPagesRequest* request,
                                                         v1::ListUploadPagesResponse* response) {
  const Fleet fleet = CopyFleet(loop_);
  return Answer(context, loop_.store().Read([&](StoreReader& reader) {
    const absl::Time now = reader.Now(loop_.clock().Now());
    for (const auto& [name, pipeline] : fleet.pipelines) {
      if (!pipeline->uploads.has_value()) continue;
      if (!request->pipeline().empty() && request->pipeline() != name) continue;
      if (response->pages_size() >= kUploadPagesMax) break;
      *response->add_pages() = ToProto(*pipeline, StateOfPage(*pipeline, fleet, reader, now));
    }
    return absl::OkStatus();
  }));
}

grpc::ServerUnaryReactor* UploadService::BeginUpload(grpc::CallbackServerContext* context,
                                                     const v1::BeginUploadRequest* request,
                                                     v1::BeginUploadResponse* response) {
  if (absl::Status s = CheckBegin(*request); !s.ok()) return Answer(context, s);
  if (!mails_ && !request->email().empty()) {
    return Answer(context, WrongField("email",
                                      "can't be served, because this coordinator has no `mail:` in "
                                      "its configuration; leave it empty, and keep the page's "
                                      "address"));
  }
  Upload upload{.number = RandomNumber(), .key = absl::BytesToHexString(RandomBytes(kKeyBytes))};
  upload.name = request->name();
  upload.size = request->size();
  upload.who = request->who();
  upload.emails = {request->email().begin(), request->email().end()};
  if (!request->page_url().empty()) {
    upload.page = StrCat(request->page_url(), upload.number, "-", upload.key);
  }
  return AnswerOnce<v1::BeginUploadResponse>(
      api_, context, "BeginUpload", *request, response,
      [upload, pipeline_name = request->pipeline()](
          Engine& engine, StoreTransaction& tx, absl::Time now, v1::BeginUploadResponse* answer) {
        const auto pipeline = PageOf(engine.fleet(), pipeline_name);
        if (pipeline == nullptr) {
          return absl::NotFoundError(
              StrCat("there is no upload page ", Quote(pipeline_name), " any more"));
        }
        if (absl::Status s = CheckAccepted(*pipeline, upload.name, upload.size); !s.ok()) return s;
        bool queued = false;
        const absl::StatusOr<Upload> begun =
            closewrite::BeginUpload(tx, *pipeline, engine.fleet(), upload, now, &queued);
        if (absl::IsFailedPrecondition(begun.status())) {
          return WithReason(begun.status(), kUploadPageBusy);
        }
        if (!begun.ok()) return begun.status();
        *answer->mutable_upload() = ToProto(*begun);
        answer->set_key(begun->key);
        answer->set_queued(queued);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* UploadService::TouchUpload(grpc::CallbackServerContext* context,
                                                     const v1::TouchUploadRequest* request,
                                                     v1::TouchUploadResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  loop_.Submit(
      [request = *request, response](Engine&, StoreTransaction& tx, absl::Time now) {
        std::optional<Upload> upload = FindUpload(tx, request.number(), request.key());
        if (!upload.has_value()) return NoSuchUpload();
        if (upload->state == UploadState::kReceiving) {
          upload->received = request.received();
          upload->touched_at = now;
          PutUpload(tx, *upload);
        }
        *response->mutable_upload() = ToProto(*upload);
        return absl::OkStatus();
      },
      [reactor](const absl::Status& status) { reactor->Finish(ToGrpc(status)); });
  return reactor;
}

grpc::ServerUnaryReactor* UploadService::PublishUpload(grpc::CallbackServerContext* context,
                                                       const v1::PublishUploadRequest* request,
                                                       v1::PublishUploadResponse* response) {
  if (request->sha256().size() != SHA256_DIGEST_LENGTH || request->size() < 0) {
    return Answer(context, WrongField("sha256", "must be 32 bytes, and the size not negative"));
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto sealed = std::make_shared<Upload>();
  loop_.Submit(
      [request = *request, sealed](Engine&, StoreTransaction& tx, absl::Time now) {
        std::optional<Upload> upload = FindUpload(tx, request.number(), request.key());
        if (!upload.has_value()) return NoSuchUpload();
        absl::StatusOr<Upload> after =
            SealUpload(tx, *std::move(upload), request.size(), request.sha256(), now);
        if (!after.ok()) return after.status();
        *sealed = *std::move(after);
        return absl::OkStatus();
      },
      [this, reactor, response, sealed](const absl::Status& status) {
        *response->mutable_upload() = ToProto(*sealed);
        if (status.ok() && !sealed->over()) Order(*sealed);
        reactor->Finish(ToGrpc(status));
      });
  return reactor;
}

void UploadService::Start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void UploadService::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void UploadService::Run() {
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kUploadOrderEvery);
      if (stopping_) return;
    }
    std::vector<Upload> uploads;
    const absl::Status read = loop_.store().Read([&](StoreReader& reader) {
      uploads = UploadsUnderWay(reader);
      return absl::OkStatus();
    });
    if (!read.ok()) continue;
    for (const Upload& upload : uploads) {
      if (upload.state == UploadState::kPublishing) Order(upload);
    }
  }
}

void UploadService::Order(const Upload& upload) {
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_ || !ordered_.insert(upload.number).second) return;
  }
  WatcherQuestion question{.volume = upload.volume, .look_at = std::nullopt};
  question.upload.emplace();
  question.upload->set_upload(upload.number);
  question.upload->mutable_file()->set_volume(upload.volume);
  question.upload->mutable_file()->set_path(upload.path);
  question.upload->set_size(upload.size);
  question.upload->set_sha256(upload.sha256);
  const absl::StatusOr<int64_t> asked = board_.Ask(
      question, [this, upload](const WatcherBoard::Answered& answer) { Record(upload, answer); });
  if (asked.ok()) return;
  absl::MutexLock lock(&mutex_);
  ordered_.erase(upload.number);
}

void UploadService::Record(const Upload& asked, const WatcherBoard::Answered& answer) {
  {
    absl::MutexLock lock(&mutex_);
    ordered_.erase(asked.number);
  }
  if (absl::IsUnavailable(answer.status())) return;  // it is asked again
  loop_.Submit(
      [asked, status = answer.status()](Engine&, StoreTransaction& tx, absl::Time now) {
        const std::optional<Upload> upload = FindUpload(tx, asked.number, asked.key);
        // An answer about another name than it has by now is an old one.
        if (!upload.has_value() || upload->state != UploadState::kPublishing ||
            upload->path != asked.path) {
          return absl::OkStatus();
        }
        if (status.ok()) {
          FinishUpload(tx, *upload, now);
        } else if (absl::IsAlreadyExists(status)) {
          RenameUpload(tx, *upload, now);
        } else {
          FailUpload(tx, *upload, std::string(status.message()), now);
        }
        return absl::OkStatus();
      },
      [asked, status = answer.status()](const absl::Status& recorded) {
        LogInfo("an upload was answered for", {{"upload", asked.number},
                                               {"volume", asked.volume},
                                               {"answer", status.ToString()},
                                               {"recorded", recorded.ToString()}});
      });
}

grpc::ServerUnaryReactor* UploadService::GetUpload(grpc::CallbackServerContext* context,
                                                   const v1::GetUploadRequest* request,
                                                   v1::GetUploadResponse* response) {
  return Answer(context, Show(*request, response));
}

absl::Status UploadService::Show(const v1::GetUploadRequest& request,
                                 v1::GetUploadResponse* response) {
  const Fleet fleet = CopyFleet(loop_);
  return loop_.store().Read([&](StoreReader& reader) {
    const absl::Time now = reader.Now(loop_.clock().Now());
    const std::optional<Upload> upload = FindUpload(reader, request.number(), request.key());
    if (!upload.has_value()) return NoSuchUpload();
    *response->mutable_upload() = ToProto(*upload);
    if (upload->state == UploadState::kPublished) {
      const JobFilter filter{
          .pipeline = upload->pipeline, .input_volume = upload->volume, .input_path = upload->path};
      for (const Job& job : reader.ListJobs(filter, JobId{}, kUploadJobsMax)) {
        if (job.input.size == upload->size)
          *response->add_jobs() = ShowJob(job, fleet, reader, now);
      }
    }
    const auto pipeline = PageOf(fleet, upload->pipeline);
    if (pipeline != nullptr) {
      *response->mutable_page() = ToProto(*pipeline, StateOfPage(*pipeline, fleet, reader, now));
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* UploadService::DropUpload(grpc::CallbackServerContext* context,
                                                    const v1::DropUploadRequest* request,
                                                    v1::DropUploadResponse*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  loop_.Submit(
      [request = *request](Engine&, StoreTransaction& tx, absl::Time now) -> absl::Status {
        const std::optional<Upload> upload = FindUpload(tx, request.number(), request.key());
        if (!upload.has_value()) return NoSuchUpload();
        if (upload->state == UploadState::kFailed) return absl::OkStatus();
        if (upload->state != UploadState::kReceiving) {
          return absl::FailedPreconditionError("it is whole already; cancel its job instead");
        }
        FailUpload(tx, *upload, "it was given up before it was whole", now);
        return absl::OkStatus();
      },
      [reactor](const absl::Status& status) { reactor->Finish(ToGrpc(status)); });
  return reactor;
}

grpc::ServerUnaryReactor* UploadService::ReadUploadResult(
    grpc::CallbackServerContext* context, const v1::ReadUploadResultRequest* request,
    v1::ReadUploadResultResponse* response) {
  v1::GetUploadRequest which;
  which.set_number(request->number());
  which.set_key(request->key());
  v1::GetUploadResponse found;
  if (absl::Status s = Show(which, &found); !s.ok()) return Answer(context, s);
  for (const v1::Job& job : found.jobs()) {
    if (job.id() != request->job_id() || job.state() != v1::JOB_STATE_SUCCEEDED) continue;
    for (const v1::OutputFile& output : job.outputs()) {
      if (output.path() != request->path()) continue;
      if (output.size() > kUploadResultBytesMax) {
        return Answer(context, absl::FailedPreconditionError(
                                   "it is too large to be had from here; ask whoever runs the "
                                   "portal to mount its volume there"));
      }
      return WatcherCall::Open(
          {.board = &board_,
           .question = {.volume = job.output_volume(),
                        .look_at = output.path(),
                        .content_bytes_max = kUploadResultBytesMax},
           .timeout = kUploadResultPatience,
           .finish = [response, sha256 = output.sha256()](const WatcherBoard::Answered& look) {
             if (!look.ok()) return look.status();
             if (!look->has_content()) return absl::FailedPreconditionError(look->message());
             std::string digest(SHA256_DIGEST_LENGTH, '\0');
             SHA256(reinterpret_cast<const unsigned char*>(look->content().data()),
                    look->content().size(), reinterpret_cast<unsigned char*>(digest.data()));
             if (digest != sha256) {
               return absl::FailedPreconditionError("another file lies there by now");
             }
             response->set_content(look->content());
             return absl::OkStatus();
           }});
    }
  }
  return Answer(context, absl::NotFoundError("there is no such result"));
}

}  // namespace closewrite
