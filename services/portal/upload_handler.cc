#include "services/portal/upload_handler.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "services/clock/clock.h"
#include "services/config/uuid.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/portal/file_kind.h"
#include "services/portal/log_end.h"
#include "services/portal/result_file.h"
#include "services/volume/path.h"

namespace closewrite::portal {
namespace {

constexpr int kOk = 200;
constexpr int kNoContent = 204;
constexpr int kForbidden = 403;
constexpr int kConflict = 409;
constexpr int kTooLarge = 413;
constexpr int kWrongType = 415;
// How often the coordinator hears that an upload goes on.
constexpr absl::Duration kTouchEvery = absl::Seconds(20);

// Browsers may send a whole path as the name.
std::string OwnName(std::string_view name) {
  const size_t slash = name.find_last_of("/\\");
  return std::string(slash == std::string_view::npos ? name : name.substr(slash + 1));
}

std::string AddressText(const UploadAddress& address) {
  return StrCat(address.number, "-", address.key);
}

absl::Status TooLarge(int64_t bytes_max) {
  return absl::OutOfRangeError(
      StrCat("the file is larger than this page takes: ", bytes_max, " bytes at most"));
}

WebResponse OffsetResponse(int status, int64_t offset, std::string_view text) {
  WebResponse response{.status = status, .type = "text/plain; charset=utf-8"};
  response.body = std::string(text);
  response.headers.emplace_back("Upload-Offset", StrCat(offset));
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

WebResponse Refusal(const absl::Status& status) {
  WebResponse response{.status = absl::IsOutOfRange(status) ? kTooLarge : HttpStatusOf(status),
                       .type = "text/plain; charset=utf-8"};
  response.body = Sentence(status);
  return response;
}

}  // namespace

// Fields first, then one file.
struct UploadHandler::Form {
  v1::UploadPage page;
  std::string browser;
  std::map<std::string, std::string> fields;
  std::string field;  // that is being read; "" for the file
  size_t fields_bytes = 0;
  bool in_file = false;
  absl::Status status;
  int http = 0;  // with a status that has none of its own
  UploadAddress address;
  std::string name;
  std::optional<StagingArea::Lease> staged;
  bool is_checked = false;
  absl::Duration touched_at;
};

absl::StatusOr<v1::UploadPage> UploadHandler::FindPage(const std::string& pipeline,
                                                       bool patiently) {
  v1::ListUploadPagesRequest request;
  request.set_pipeline(pipeline);
  const auto list = &v1::UploadService::Stub::ListUploadPages;
  const auto pages = patiently ? calls_.CallPatiently<v1::UploadService>(list, request)
                               : calls_.Call<v1::UploadService>(list, request);
  if (!pages.ok()) return pages.status();
  if (pipeline.empty() || pages->pages().empty()) {
    return absl::NotFoundError("there is no such upload page; it may have been taken away");
  }
  return pages->pages(0);
}

Page UploadHandler::List() {
  const auto pages = calls_.Call<v1::UploadService>(&v1::UploadService::Stub::ListUploadPages,
                                                    v1::ListUploadPagesRequest());
  return pages.ok() ? UploadListPage(*pages) : ErrorPage(pages.status());
}

Page UploadHandler::Show(const std::string& pipeline, const Visitor& visitor) {
  const absl::StatusOr<v1::UploadPage> page = FindPage(pipeline, /*patiently=*/false);
  if (!page.ok()) return ErrorPage(page.status());
  return UploadPage(*page, visitor, volumes_.contains(page->volume()), WallTime());
}

absl::StatusOr<std::string> UploadHandler::RootOf(const std::string& volume) const {
  const auto found = volumes_.find(volume);
  if (found != volumes_.end()) return found->second;
  return absl::FailedPreconditionError(StrCat("the portal has no way to the folder ", volume,
                                              ": whoever runs it must name it in `volumes`"));
}

absl::StatusOr<v1::BeginUploadResponse> UploadHandler::BeginUpload(const std::string& pipeline,
                                                                   const std::string& name,
                                                                   int64_t size,
                                                                   const std::string& emails,
                                                                   const Visitor& visitor) {
  if (!IsUtf8(name) || !IsUtf8(emails)) {
    return absl::InvalidArgumentError(
        "the name of the file, or an address, is not UTF-8; give it another name and try again");
  }
  v1::BeginUploadRequest request;
  request.set_request_id(NewUuid());
  request.set_pipeline(pipeline);
  request.set_name(OwnName(name));
  request.set_size(size);
  request.set_who(visitor.name);
  request.set_page_url(StrCat(site_.public_url, "/uploads/"));
  for (const absl::string_view email :
       absl::StrSplit(emails, absl::ByAnyChar(",; \t"), absl::SkipEmpty())) {
    if (request.email_size() > kEmailsMax) break;  // the coordinator says what is wrong
    request.add_email(std::string(email));
  }
  return calls_.CallPatiently<v1::UploadService>(&v1::UploadService::Stub::BeginUpload, request,
                                                 visitor.name);
}

absl::StatusOr<v1::UploadStatus> UploadHandler::Touch(const UploadAddress& address,
                                                      int64_t received) {
  v1::TouchUploadRequest request;
  request.set_number(address.number);
  request.set_key(address.key);
  request.set_received(received);
  const auto touched =
      calls_.CallPatiently<v1::UploadService>(&v1::UploadService::Stub::TouchUpload, request);
  if (!touched.ok()) return touched.status();
  return touched->upload();
}

absl::Status UploadHandler::BeginFile(Form* form, const FormPart& part, const Visitor& visitor) {
  if (!access_.IsFormToken(form->browser, form->fields["csrf"])) {
    form->http = kForbidden;
    return absl::PermissionDeniedError("the form is too old: go back, reload it, and try again");
  }
  const absl::StatusOr<std::string> root = RootOf(form->page.volume());
  if (!root.ok()) return root.status();
  form->name = OwnName(part.filename);
  const absl::StatusOr<v1::BeginUploadResponse> begun =
      BeginUpload(form->page.pipeline(), form->name, /*size=*/0, form->fields["email"], visitor);
  if (!begun.ok()) return begun.status();
  form->address = {begun->upload().number(), begun->key()};
  absl::StatusOr<StagingArea::Lease> staged =
      staging_.Take(*root, form->address.number, WallTime());
  if (!staged.ok()) return staged.status();
  form->staged.emplace(*std::move(staged));
  form->touched_at = SinceBoot();
  return absl::OkStatus();
}

bool UploadHandler::TakePart(Form* form, const FormPart& part, const Visitor& visitor) {
  form->in_file = part.name == "file";
  form->field = part.name;
  if (!form->in_file) return true;
  form->status = form->staged.has_value() ? absl::InvalidArgumentError("one file at a time, please")
                                          : BeginFile(form, part, visitor);
  return form->status.ok();
}

bool UploadHandler::TakeBytesOf(Form* form, const char* data, size_t size) {
  if (!form->in_file) {
    std::string& field = form->fields[form->field];
    form->fields_bytes += size;
    if (field.size() + size > kFieldBytesMax || form->fields_bytes > kFieldsBytesMax) {
      form->status = absl::OutOfRangeError("a field of the form is too long");
      return false;
    }
    field.append(data, size);
    return true;
  }
  StagedUpload& staged = *form->staged->operator->();
  form->status = staged.size() + static_cast<int64_t>(size) > form->page.max_size_bytes()
                     ? TooLarge(form->page.max_size_bytes())
                     : staged.Append(data, size);
  if (form->status.ok() && !form->is_checked && staged.head().size() >= kStagedHeadBytes) {
    form->is_checked = true;
    form->status = CheckKind(form->address, form->name, staged);
  }
  if (form->status.ok() && SinceBoot() - form->touched_at > kTouchEvery) {
    form->touched_at = SinceBoot();
    // Only so that others see that it goes on.
    (void)Touch(form->address, staged.size()).status();
  }
  return form->status.ok();
}

Page UploadHandler::TakeForm(WebRequest& request, const std::string& pipeline) {
  const absl::StatusOr<v1::UploadPage> page = FindPage(pipeline, /*patiently=*/true);
  if (!page.ok()) return ErrorPage(page.status());
  if (request.content_length > page->max_size_bytes() + kFormExtraBytesMax) {
    return ErrorPage(kTooLarge, "That file is too large",
                     StrCat(TooLarge(page->max_size_bytes()).message()));
  }
  Form form{.page = *page, .browser = request.cookie(kBrowserCookie)};
  const bool whole = request.read_form(
      [&](const FormPart& part) { return TakePart(&form, part, request.visitor); },
      [&](const char* data, size_t size) { return TakeBytesOf(&form, data, size); });
  if (form.status.ok() && !whole) {
    form.status = absl::InvalidArgumentError("the form did not come as a whole: try again");
  }
  if (form.status.ok() && !form.staged.has_value()) {
    form.status = absl::InvalidArgumentError("no file was chosen; choose one");
  }
  if (form.status.ok()) {
    form.status = CheckKind(form.address, form.name, *form.staged->operator->());
  }
  if (form.status.ok()) form.status = Finish(form.address, form.staged->operator->());
  if (form.status.ok()) return Redirect(StrCat("/uploads/", AddressText(form.address)));
  if (form.address.number != 0) GiveUp(form.address);
  const int http = form.http != 0                       ? form.http
                   : absl::IsOutOfRange(form.status)    ? kTooLarge
                   : absl::IsUnimplemented(form.status) ? kWrongType
                                                        : HttpStatusOf(form.status);
  return ErrorPage(http, "That file was not taken", Sentence(form.status));
}

Page UploadHandler::Begin(WebRequest& request, const std::map<std::string, std::string>& fields) {
  const auto field = [&](const char* name) {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string() : found->second;
  };
  int64_t size = -1;
  if (!absl::SimpleAtoi(field("size"), &size) || size < 0) {
    return ErrorPage(absl::InvalidArgumentError("the size of the file must be said"));
  }
  const absl::StatusOr<v1::UploadPage> page = FindPage(field("page"), /*patiently=*/true);
  if (!page.ok()) return ErrorPage(page.status());
  const absl::StatusOr<std::string> root = RootOf(page->volume());
  if (!root.ok()) return ErrorPage(root.status());
  const absl::StatusOr<v1::BeginUploadResponse> begun =
      BeginUpload(field("page"), field("name"), size, field("email"), request.visitor);
  if (!begun.ok()) return ErrorPage(begun.status());
  const std::string path = StrCat("/uploads/", begun->upload().number(), "-", begun->key());
  Page answer = Redirect(path);
  answer.json = {{"location", StrCat(site_.base, path)},
                 {"queued", begun->queued()},
                 {"piece_bytes_max", kPieceBytesMax}};
  return answer;
}

WebResponse UploadHandler::Offset(const UploadAddress& address) {
  v1::GetUploadRequest request;
  request.set_number(address.number);
  request.set_key(address.key);
  const auto found =
      calls_.CallPatiently<v1::UploadService>(&v1::UploadService::Stub::GetUpload, request);
  if (!found.ok()) return Refusal(found.status());
  const v1::UploadStatus& upload = found->upload();
  if (upload.state() != v1::UPLOAD_STATE_RECEIVING) {
    return OffsetResponse(kNoContent, upload.size(), "");
  }
  const absl::StatusOr<std::string> root = RootOf(upload.file().volume());
  if (!root.ok()) return Refusal(root.status());
  const absl::StatusOr<StagingArea::Lease> staged =
      staging_.Take(*root, address.number, WallTime());
  if (!staged.ok()) return Refusal(staged.status());
  return OffsetResponse(kOk, (*staged)->size(), "");
}

WebResponse UploadHandler::TakePiece(WebRequest& request, const UploadAddress& address) {
  int64_t offset = -1;
  if (!absl::SimpleAtoi(request.header("Upload-Offset"), &offset) || offset < 0) {
    return Refusal(absl::InvalidArgumentError("Upload-Offset must say where the piece begins"));
  }
  if (request.content_length > kPieceBytesMax) return Refusal(TooLarge(kPieceBytesMax));
  const absl::StatusOr<v1::UploadStatus> upload = Touch(address, offset);
  if (!upload.ok()) return Refusal(upload.status());
  if (upload->state() != v1::UPLOAD_STATE_RECEIVING) {
    return OffsetResponse(kNoContent, upload->size(), "");
  }
  const absl::StatusOr<std::string> root = RootOf(upload->file().volume());
  if (!root.ok()) return Refusal(root.status());
  const absl::StatusOr<StagingArea::Lease> staged =
      staging_.Take(*root, address.number, WallTime());
  if (!staged.ok()) return Refusal(staged.status());
  StagedUpload& file = *staged->operator->();
  if (file.size() != offset) {
    return OffsetResponse(kConflict, file.size(), "the piece begins at another place");
  }
  if (offset + request.content_length > upload->size()) return Refusal(TooLarge(upload->size()));
  absl::Status status;
  const bool whole = request.read_body([&](const char* data, size_t size) {
    status = file.Append(data, size);
    return status.ok();
  });
  if (!status.ok()) return Refusal(status);
  if (!whole) return OffsetResponse(kConflict, file.size(), "the piece did not come as a whole");
  const bool is_all = file.size() == upload->size();
  if (is_all || file.head().size() >= kStagedHeadBytes) {
    status = CheckKind(address, upload->name(), file);
  }
  if (status.ok() && is_all) status = Finish(address, &file);
  if (absl::IsUnimplemented(status)) GiveUp(address);
  WebResponse response =
      status.ok() ? OffsetResponse(kOk, file.size(), is_all ? "whole" : "") : Refusal(status);
  if (absl::IsUnimplemented(status)) response.status = kWrongType;
  return response;
}

// UNIMPLEMENTED, for it is no other code here.
absl::Status UploadHandler::CheckKind(const UploadAddress&, const std::string& name,
                                      const StagedUpload& staged) {
  const std::string wrong = WrongKind(name, staged.head());
  return wrong.empty() ? absl::OkStatus() : absl::UnimplementedError(wrong);
}

absl::Status UploadHandler::Finish(const UploadAddress& address, StagedUpload* staged) {
  const absl::StatusOr<std::string> sha256 = staged->Seal();
  if (!sha256.ok()) return sha256.status();
  v1::PublishUploadRequest request;
  request.set_number(address.number);
  request.set_key(address.key);
  request.set_size(staged->size());
  request.set_sha256(*sha256);
  const auto published =
      calls_.CallPatiently<v1::UploadService>(&v1::UploadService::Stub::PublishUpload, request);
  if (!published.ok()) return published.status();
  LogInfo("an upload is whole", {{"upload", address.number}, {"bytes", staged->size()}});
  staging_.Forget(address.number);
  return absl::OkStatus();
}

void UploadHandler::GiveUp(const UploadAddress& address) {
  v1::DropUploadRequest request;
  request.set_number(address.number);
  request.set_key(address.key);
  const auto dropped =
      calls_.Call<v1::UploadService>(&v1::UploadService::Stub::DropUpload, request);
  // What can't be said now is forgotten by itself in some days.
  if (!dropped.ok()) LogWarn("an upload stays", {{"error", dropped.status().message()}});
  staging_.Forget(address.number);
}

Page UploadHandler::Status(const std::string& text) {
  UploadView view{.address = text, .now = WallTime()};
  UploadAddress address;
  if (!ParseUploadAddress(text, &address)) {
    return ErrorPage(absl::NotFoundError("there is no such upload: its address is not complete"));
  }
  v1::GetUploadRequest request;
  request.set_number(address.number);
  request.set_key(address.key);
  auto found = calls_.Call<v1::UploadService>(&v1::UploadService::Stub::GetUpload, request);
  if (!found.ok()) return ErrorPage(found.status());
  view.upload = *std::move(found);
  if (view.upload.page().page().show_log() && !view.upload.jobs().empty()) {
    view.log = LogEnd(&calls_, view.upload.jobs(0).id());
  }
  return UploadStatusPage(view);
}

Page UploadHandler::Drop(const UploadAddress& address) {
  GiveUp(address);
  return Redirect(StrCat("/uploads/", AddressText(address)));
}

WebResponse UploadHandler::Result(const UploadAddress& address, int64_t job_id, int index) {
  v1::GetUploadRequest request;
  request.set_number(address.number);
  request.set_key(address.key);
  const auto found = calls_.Call<v1::UploadService>(&v1::UploadService::Stub::GetUpload, request);
  if (!found.ok()) return Refusal(found.status());
  for (const v1::Job& job : found->jobs()) {
    if (job.id() != job_id || job.state() != v1::JOB_STATE_SUCCEEDED || index < 0 ||
        index >= job.outputs_size()) {
      continue;
    }
    const v1::OutputFile& output = job.outputs(index);
    const absl::StatusOr<std::string> root = RootOf(job.output_volume());
    if (root.ok()) {
      absl::StatusOr<WebResponse> file = ResultFile(*root, output);
      return file.ok() ? *std::move(file) : Refusal(file.status());
    }
    v1::ReadUploadResultRequest wanted;
    wanted.set_number(address.number);
    wanted.set_key(address.key);
    wanted.set_job_id(job_id);
    wanted.set_path(output.path());
    auto content =
        calls_.Call<v1::UploadService>(&v1::UploadService::Stub::ReadUploadResult, wanted);
    return content.ok() ? ResultBytes(output, std::move(*content->mutable_content()))
                        : Refusal(content.status());
  }
  return Refusal(absl::NotFoundError("there is no such result"));
}

}  // namespace closewrite::portal
