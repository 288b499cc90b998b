#include "services/portal/upload_pages.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "services/log/str_cat.h"
#include "services/page/html_text.h"
#include "services/portal/html_rows.h"
#include "services/text/time_text.h"
#include "services/volume/path.h"

namespace closewrite::portal {
namespace {

constexpr size_t kKeyDigits = 32;

std::string Accepted(const v1::UploadPage& page) {
  std::string ends;
  for (const std::string& end : page.page().accept()) {
    StrAppend(&ends, ends.empty() ? "" : ", ", end);
  }
  return ends;
}

std::string Limits(const v1::UploadPage& page) {
  const std::string ends = Accepted(page);
  return StrCat(ends.empty() ? "Files of any kind" : StrCat("Files that end in ", ends), ", up to ",
                BytesText(page.max_size_bytes()), " each.");
}

// `2 files are before it; done at about 12:40`.
std::string Line(const v1::UploadPage& page) {
  std::string html;
  if (page.before() > 0) {
    StrAppend(&html, " ", page.before(), page.before() == 1 ? " file is" : " files are",
              " before a new one.");
  }
  if (page.has_usual_duration()) {
    StrAppend(&html, " One usually takes ", DurationText(ToDuration(page.usual_duration())), ".");
  }
  if (page.has_done_at()) {
    StrAppend(&html, " A file that is handed in now is expected to be done at about ",
              TimeHtml(ToTime(page.done_at())), ".");
  }
  return html;
}

bool Refuses(const v1::UploadPage& page) {
  return page.busy() && page.page().when_busy() == v1::WHEN_BUSY_REFUSE;
}

std::string StateHtml(const v1::UploadPage& page) {
  std::string html;
  if (!page.trouble().empty()) {
    StrAppend(&html, Note("warn", StrCat("<strong>Something is missing:</strong> ",
                                         HtmlText(page.trouble()), ".")));
  }
  if (!page.busy()) {
    return StrCat(html, Note("good", StrCat("<strong>Free.</strong> Your file is worked on at "
                                            "once.",
                                            Line(page))));
  }
  const std::string then = Refuses(page)
                               ? " This page takes one file at a time: come back when it is done."
                               : " You can upload now; your file waits for its turn.";
  return StrCat(html, Note(Refuses(page) ? "bad" : "warn",
                           StrCat("<strong>Busy:</strong> ", HtmlText(page.busy_message()), ".",
                                  Line(page), then)));
}

std::string FormHtml(const v1::UploadPage& page, const Visitor& visitor) {
  const std::string disabled = Refuses(page) ? " disabled" : "";
  // The fields come before the file, so that they are known when its bytes come.
  return StrCat(
      "<form class=\"card upload\" method=\"post\" enctype=\"multipart/form-data\" action=\"",
      kBase, "/pages/", UrlPart(page.pipeline()), "\" data-upload data-page=\"",
      HtmlText(page.pipeline()), "\" data-max=\"", page.max_size_bytes(), "\">\n", kFormToken,
      "<p><label for=\"email\">Mail the results to</label>"
      "<input id=\"email\" name=\"email\" type=\"text\" inputmode=\"email\" autocomplete=\"email\" "
      "value=\"",
      HtmlText(visitor.email),
      "\" placeholder=\"you@example.org\" aria-describedby=\"email-help\">"
      "<small id=\"email-help\">Optional; several with commas, at most 5.</small></p>\n"
      "<div class=\"drop\" data-drop><label for=\"file\">Choose a file, or drop it here</label>"
      "<input id=\"file\" name=\"file\" type=\"file\" required aria-describedby=\"file-help\"",
      page.page().accept().empty() ? "" : StrCat(" accept=\"", HtmlText(Accepted(page)), "\""),
      "><small id=\"file-help\">", HtmlText(Limits(page)), "</small></div>\n",
      "<p class=\"buttons\"><button class=\"main\"", disabled, ">Upload</button></p>\n",
      "<div class=\"sending\" data-sending hidden><p data-sending-text role=\"status\" "
      "aria-live=\"polite\"></p><progress max=\"100\" value=\"0\" aria-label=\"Upload\">"
      "</progress><p class=\"buttons\"><button type=\"button\" data-pause>Pause</button></p>"
      "</div>\n</form>\n");
}

// One line of how far it is.
std::string Step(std::string_view css, std::string_view title, std::string_view html) {
  return StrCat("<li class=\"", css, "\"><strong>", HtmlText(title), "</strong> <span>", html,
                "</span></li>\n");
}

std::string ProgressHtml(const v1::Job& job) {
  const v1::Progress& progress = job.progress();
  if (progress.done() == 0 && progress.total() == 0) return "";
  const std::string unit = HtmlText(progress.unit().empty() ? "" : " " + progress.unit());
  if (progress.total() <= 0) return StrCat("<p>", progress.done(), unit, " so far</p>");
  return StrCat("<p><progress max=\"", progress.total(), "\" value=\"",
                std::min(progress.done(), progress.total()),
                "\" aria-label=\"Progress\"></progress> ", progress.done(), " of ",
                progress.total(), unit, "</p>");
}

std::string WorkStep(const UploadView& view, const v1::Job& job) {
  const std::string attempt =
      job.attempts() > 1 ? StrCat(" (attempt ", job.attempts(), " of ", job.attempts_max(), ")")
                         : "";
  switch (job.state()) {
    case v1::JOB_STATE_SCHEDULED:
    case v1::JOB_STATE_AVAILABLE: {
      std::string html = StrCat("It waits: ", HtmlText(job.waiting().message()), ".");
      if (view.upload.has_page() && view.upload.page().has_usual_duration()) {
        StrAppend(&html, " Once it begins, it usually takes ",
                  DurationText(ToDuration(view.upload.page().usual_duration())), ".");
      }
      return Step("now", "Waiting", html);
    }
    case v1::JOB_STATE_RETRYING:
      return Step("now", "Trying again", StrCat(HtmlText(job.waiting().message()), ".", attempt));
    case v1::JOB_STATE_RUNNING: {
      std::string html = StrCat("It is being worked on", attempt);
      if (job.has_started_at()) {
        StrAppend(&html, " for ", DurationText(view.now - ToTime(job.started_at())));
      }
      if (view.upload.has_page() && view.upload.page().has_usual_duration() &&
          job.has_started_at()) {
        StrAppend(
            &html, "; expected to be done at about ",
            TimeHtml(ToTime(job.started_at()) + ToDuration(view.upload.page().usual_duration())));
      }
      return Step("now", "Working", StrCat(html, ".", ProgressHtml(job)));
    }
    case v1::JOB_STATE_PUBLISHING:
      return Step("now", "Almost done", "The results are being put into place.");
    case v1::JOB_STATE_SUCCEEDED:
      return Step("done", "Done",
                  StrCat("at ", TimeHtml(job.has_finished_at(), job.finished_at())));
    case v1::JOB_STATE_FAILED:
      return Step("failed", "Failed",
                  StrCat(HtmlText(job.message()), ".", attempt,
                         " Whoever runs this can try it again; job ", job.id(), "."));
    case v1::JOB_STATE_CANCELLED:
      return Step("failed", "Cancelled", HtmlText(job.message()));
    default:
      return "";
  }
}

std::string Results(const UploadView& view, const v1::Job& job) {
  if (job.state() != v1::JOB_STATE_SUCCEEDED) return "";
  if (job.outputs().empty()) return "<p>It has left no files.</p>\n";
  std::string html = "<h2>Results</h2>\n<ul class=\"results\">\n";
  for (int i = 0; i < job.outputs_size(); ++i) {
    const v1::OutputFile& output = job.outputs(i);
    StrAppend(&html, "<li>",
              Link(StrCat("/uploads/", view.address, "/results/", job.id(), "/", i),
                   Display(output.path())),
              " <small>", BytesText(output.size()), "</small></li>\n");
  }
  return StrCat(html, "</ul>\n");
}

std::string ReceivingSteps(const UploadView& view) {
  const v1::UploadStatus& upload = view.upload.upload();
  const std::string so_far =
      upload.size() > 0 ? StrCat("<progress max=\"", upload.size(), "\" value=\"",
                                 upload.received(), "\" aria-label=\"Received\"></progress> ",
                                 BytesText(upload.received()), " of ", BytesText(upload.size()))
                        : "";
  return Step("now", "Receiving", StrCat("The file is not here as a whole yet. ", so_far));
}

std::string Steps(const UploadView& view) {
  const v1::UploadStatus& upload = view.upload.upload();
  std::string html = "<ol class=\"steps\">\n";
  switch (upload.state()) {
    case v1::UPLOAD_STATE_RECEIVING:
      return StrCat(html, ReceivingSteps(view), "</ol>\n");
    case v1::UPLOAD_STATE_FAILED:
      StrAppend(&html, Step("failed", "Not taken", HtmlText(upload.message())));
      return StrCat(html, "</ol>\n");
    case v1::UPLOAD_STATE_PUBLISHING:
      StrAppend(&html, Step("done", "Received", BytesText(upload.size())));
      StrAppend(&html, Step("now", "On its way to its folder",
                            view.upload.has_page() ? HtmlText(view.upload.page().trouble()) : ""));
      return StrCat(html, "</ol>\n");
    default:
      break;
  }
  const std::string name(BaseName(upload.file().path()));
  StrAppend(&html, Step("done", "Received",
                        name == upload.name()
                            ? BytesText(upload.size())
                            : StrCat(BytesText(upload.size()), ", as <b>", HtmlText(name),
                                     "</b>, since there is a file of its name already")));
  if (view.upload.jobs().empty()) {
    StrAppend(&html, Step("now", "Handed over", "It is noticed in a moment."));
  } else {
    StrAppend(&html, WorkStep(view, view.upload.jobs(0)));
  }
  return StrCat(html, "</ol>\n");
}

bool IsOver(const v1::GetUploadResponse& upload) {
  if (upload.upload().state() == v1::UPLOAD_STATE_FAILED) return true;
  if (upload.jobs().empty()) return false;
  const v1::JobState state = upload.jobs(0).state();
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_CANCELLED;
}

std::string Mailed(const v1::GetUploadResponse& view) {
  const v1::UploadStatus& upload = view.upload();
  // One that has failed may be tried again, but its mail is on the way.
  const bool failed = !view.jobs().empty() && view.jobs(0).state() == v1::JOB_STATE_FAILED;
  if (upload.email().empty() || failed || IsOver(view)) return "";
  std::string to;
  for (const std::string& email : upload.email()) StrAppend(&to, to.empty() ? "" : ", ", email);
  return StrCat("<p>A mail goes to ", HtmlText(to),
                " when it is done. You may close this page.</p>\n");
}

}  // namespace

bool ParseUploadAddress(std::string_view text, UploadAddress* address) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(ToAbsl(text), absl::MaxSplits('-', 1));
  const bool digits = std::all_of(parts.second.begin(), parts.second.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  address->key = std::string(parts.second);
  return digits && address->key.size() == kKeyDigits &&
         absl::SimpleAtoi(parts.first, &address->number) && address->number >= 0;
}

Page UploadListPage(const v1::ListUploadPagesResponse& pages) {
  Page page{.title = "Upload", .here = "/", .json = ToJson(pages), .live = true};
  page.html = "<h1>Upload a file</h1>\n<div data-live=\"pages\">\n";
  if (pages.pages().empty()) {
    StrAppend(&page.html, Note("warn",
                               "No pipeline takes files from this page yet. One does when its "
                               "definition has <code>portal:</code>."));
  }
  StrAppend(&page.html, "<ul class=\"cards\">\n");
  for (const v1::UploadPage& each : pages.pages()) {
    StrAppend(
        &page.html, "<li class=\"card\"><h2>",
        Link(StrCat("/pages/", UrlPart(each.pipeline())), each.page().title()), "</h2><p>",
        each.busy() ? "<b class=\"badge warn\">busy</b> " : "<b class=\"badge good\">free</b> ",
        each.trouble().empty() ? "" : "<b class=\"badge bad\">something is missing</b> ",
        HtmlText(Limits(each)), "</p></li>\n");
  }
  StrAppend(&page.html, "</ul>\n</div>\n");
  return page;
}

Page UploadPage(const v1::UploadPage& upload, const Visitor& visitor, bool mounted,
                absl::Time now) {
  Page page{.title = upload.page().title(), .here = "/", .json = ToJson(upload), .live = true};
  page.html = StrCat("<h1>", HtmlText(upload.page().title()), "</h1>\n");
  for (const absl::string_view part :
       absl::StrSplit(upload.page().help(), "\n\n", absl::SkipEmpty())) {
    StrAppend(&page.html, "<p class=\"help\">", HtmlText(ToStd(part)), "</p>\n");
  }
  StrAppend(&page.html, "<div data-live=\"state\">", StateHtml(upload), "</div>\n");
  if (mounted) {
    StrAppend(&page.html, FormHtml(upload, visitor));
  } else {
    StrAppend(&page.html,
              Note("bad", StrCat("The portal has no way to the folder ", HtmlText(upload.volume()),
                                 ": whoever runs it must name it in `volumes`.")));
  }
  return page;
}

Page UploadStatusPage(const UploadView& view) {
  const v1::UploadStatus& upload = view.upload.upload();
  Page page{.title = upload.name(), .here = "/", .json = ToJson(view.upload)};
  page.live = !IsOver(view.upload);
  page.html = StrCat("<h1>", HtmlText(upload.name()), "</h1>\n<p class=\"meta\">Uploaded ",
                     TimeHtml(upload.has_begun_at(), upload.begun_at()),
                     upload.who().empty() ? "" : StrCat(" by ", HtmlText(upload.who())),
                     ". This page keeps its address.</p>\n<div data-live=\"steps\">\n", Steps(view),
                     "</div>\n");
  StrAppend(&page.html, "<div data-live=\"results\">");
  if (!view.upload.jobs().empty()) StrAppend(&page.html, Results(view, view.upload.jobs(0)));
  StrAppend(&page.html, "</div>\n", Mailed(view.upload));
  if (upload.state() == v1::UPLOAD_STATE_RECEIVING) {
    StrAppend(&page.html, "<p>To go on with it, choose the same file again on ",
              Link(StrCat("/pages/", UrlPart(upload.pipeline())), "its page"), ".</p>\n",
              ActionForm(StrCat("/uploads/", view.address, "/drop"), "Give it up"));
  }
  if (!view.log.empty()) {
    StrAppend(&page.html,
              "<h2>What it says</h2>\n<pre class=\"log\" tabindex=\"0\" "
              "aria-label=\"Log\" data-live=\"log\">",
              LinesHtml(view.log), "</pre>\n");
  }
  return page;
}

}  // namespace closewrite::portal
