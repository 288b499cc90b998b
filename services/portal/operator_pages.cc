#include "services/portal/operator_pages.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "services/log/str_cat.h"
#include "services/page/axis_scale.h"
#include "services/page/html_text.h"
#include "services/portal/html_rows.h"
#include "services/portal/operator_charts.h"
#include "services/text/text_width.h"
#include "services/text/time_text.h"
#include "services/volume/path.h"

namespace closewrite::portal {
namespace {

constexpr int kMessageCharactersMax = 300;
constexpr std::array kStates = {v1::JOB_STATE_SCHEDULED, v1::JOB_STATE_AVAILABLE,
                                v1::JOB_STATE_RUNNING,   v1::JOB_STATE_PUBLISHING,
                                v1::JOB_STATE_SUCCEEDED, v1::JOB_STATE_RETRYING,
                                v1::JOB_STATE_FAILED,    v1::JOB_STATE_CANCELLED};

std::string_view BadgeOf(v1::JobState state) {
  switch (state) {
    case v1::JOB_STATE_SUCCEEDED:
      return "good";
    case v1::JOB_STATE_FAILED:
      return "bad";
    case v1::JOB_STATE_RETRYING:
      return "warn";
    case v1::JOB_STATE_RUNNING:
    case v1::JOB_STATE_PUBLISHING:
      return "now";
    default:
      return "";
  }
}

std::string StateBadge(const v1::Job& job) {
  return StrCat("<b class=\"badge ", BadgeOf(job.state()), "\">", StateName(job.state()),
                job.cancelling() ? ", being cancelled" : "", "</b>");
}

std::string JobLink(int64_t id) { return Link(StrCat("/jobs/", id), StrCat(id)); }

std::string FileText(const v1::FileVersion& file) {
  return file.path().empty() ? "" : StrCat(file.volume(), ":", Display(file.path()));
}

std::string WhyText(const v1::Job& job) {
  const std::string& why = job.has_waiting() ? job.waiting().message() : job.message();
  return Shorten(Printable(why), kMessageCharactersMax);
}

std::string Ago(bool has, const google::protobuf::Timestamp& time, absl::Time now) {
  return has ? StrCat(AgeText(now - ToTime(time)), " ago") : "–";
}

std::string TookText(const v1::Job& job, absl::Time now) {
  if (!job.has_started_at()) return "–";
  const absl::Time end = job.has_finished_at() ? ToTime(job.finished_at()) : now;
  return DurationText(end - ToTime(job.started_at()));
}

bool MayCancel(const v1::Job& job) {
  return !job.cancelling() &&
         (job.state() == v1::JOB_STATE_SCHEDULED || job.state() == v1::JOB_STATE_AVAILABLE ||
          job.state() == v1::JOB_STATE_RUNNING || job.state() == v1::JOB_STATE_RETRYING);
}
bool MayRetry(const v1::Job& job) {
  return job.state() == v1::JOB_STATE_FAILED || job.state() == v1::JOB_STATE_CANCELLED ||
         job.state() == v1::JOB_STATE_RETRYING;
}

std::string Filter(const JobList& list) {
  std::string options = "<option value=\"\">any state</option>";
  for (const v1::JobState state : kStates) {
    const std::string name = StateName(state);
    StrAppend(&options, "<option", name == list.state ? " selected" : "", ">", name, "</option>");
  }
  return StrCat("<form class=\"filter\" method=\"get\" action=\"", kBase,
                "/jobs\"><label>State <select name=\"state\">", options,
                "</select></label> <label>Pipeline or task/NAME <input name=\"pipeline\" value=\"",
                HtmlText(list.pipeline), "\"></label> <button>Show</button></form>\n");
}

std::string StoryHtml(const v1::ExplainResponse& story) {
  std::string html = "<h2>Its story</h2>\n<ol class=\"story\">\n";
  for (const v1::StoryLine& line : story.lines()) {
    StrAppend(&html, "<li class=\"", absl::AsciiStrToLower(line.topic()), "\">",
              line.has_at() ? StrCat(TimeHtml(ToTime(line.at())), " ") : "", HtmlText(line.text()),
              "</li>\n");
  }
  return StrCat(html, "</ol>\n");
}

std::string AttemptsHtml(const v1::GetJobResponse& job) {
  if (job.attempts().empty()) return "";
  HtmlRows rows("Attempts", {"Attempt", "Outcome", "Executor", "Started", "Took", "Exit", "Why"});
  for (const v1::Attempt& attempt : job.attempts()) {
    const std::string outcome =
        v1::AttemptOutcome_Name(attempt.outcome()).substr(sizeof("ATTEMPT_OUTCOME_") - 1);
    const bool ran = attempt.has_started_at() && attempt.has_ended_at();
    rows.Add({attempt.number() == 0 ? "not counted" : StrCat(attempt.number()),
              HtmlText(absl::AsciiStrToLower(outcome)), HtmlText(attempt.executor()),
              TimeHtml(attempt.has_started_at(), attempt.started_at()),
              ran ? DurationText(ToTime(attempt.ended_at()) - ToTime(attempt.started_at())) : "–",
              attempt.has_exit_code() ? StrCat(attempt.exit_code()) : "–",
              HtmlText(attempt.message())});
  }
  return StrCat("<h2>Attempts</h2>\n", rows.Draw());
}

std::string OutputsHtml(const v1::Job& job) {
  if (job.outputs().empty()) return "";
  HtmlRows rows("Results", {"File", "Size"});
  for (const v1::OutputFile& output : job.outputs()) {
    rows.Add({HtmlText(StrCat(job.output_volume(), ":", Display(output.path()))),
              BytesText(output.size())});
  }
  return StrCat("<h2>Results</h2>\n", rows.Draw());
}

std::string JobActions(const v1::Job& job) {
  std::string html = "<div class=\"buttons\">";
  const std::string path = StrCat("/jobs/", job.id());
  if (MayRetry(job)) StrAppend(&html, ActionForm(path + "/retry", "Try again"));
  if (MayCancel(job)) {
    StrAppend(&html,
              ActionForm(path + "/cancel", "Cancel",
                         StrCat("Cancel job ", job.id(), "? What runs is killed."), "danger"));
  }
  return StrCat(html, "</div>\n");
}

std::string Facts(const v1::Job& job, absl::Time now) {
  std::string html = "<dl class=\"facts\">";
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) StrAppend(&html, "<dt>", name, "</dt><dd>", value, "</dd>");
  };
  add("State", StateBadge(job));
  add("Why", HtmlText(WhyText(job)));
  add("Pipeline", Link(StrCat("/jobs?pipeline=", UrlPart(job.pipeline())), job.pipeline()));
  add("File", HtmlText(FileText(job.input())));
  add("Executor",
      HtmlText(job.executor().empty() ? "" : StrCat(job.executor(), " on ", job.host())));
  add("Attempts", StrCat(job.attempts(), " of ", job.attempts_max()));
  add("Made", TimeHtml(job.has_created_at(), job.created_at()));
  if (job.has_started_at()) add("Took", TookText(job, now));
  if (job.progress().done() > 0 || job.progress().total() > 0) {
    const std::string total =
        job.progress().total() > 0 ? StrCat(" of ", job.progress().total()) : "";
    add("Progress", HtmlText(StrCat(job.progress().done(), total, " ", job.progress().unit())));
  }
  return StrCat(html, "</dl>\n");
}

std::string LogHtml(const std::string& log) {
  if (log.empty()) return "";
  return StrCat(
      "<h2>The end of its log</h2>\n<pre class=\"log\" tabindex=\"0\" "
      "aria-label=\"Log\">",
      LinesHtml(log), "</pre>\n");
}

std::string RunBadge(const v1::TaskStatus& task) {
  if (task.crash_loop()) return "<b class=\"badge bad\">crash loop</b>";
  return task.started() ? "<b class=\"badge good\">started</b>" : "<b class=\"badge\">stopped</b>";
}

std::string WhenText(const v1::Task& task) {
  if (task.forever()) return "for ever";
  if (!task.period().empty()) return StrCat("every ", task.period());
  return task.cron().empty() ? "when told" : task.cron();
}

std::string ClaimText(const v1::LockClaim& claim) {
  std::string html;
  if (claim.job_id() != 0) {
    html = StrCat("job ", JobLink(claim.job_id()), " of ", HtmlText(claim.pipeline()));
  } else {
    html = HtmlText(StrCat(claim.program().program(), " (pid ", claim.program().pid(), ")"));
  }
  if (!claim.program().host().empty()) {
    StrAppend(&html, " on ", HtmlText(claim.program().host()));
  }
  if (claim.has_held_since()) StrAppend(&html, " since ", TimeHtml(ToTime(claim.held_since())));
  return html;
}

}  // namespace

std::string StateName(v1::JobState state) {
  return absl::AsciiStrToLower(v1::JobState_Name(state).substr(sizeof("JOB_STATE_") - 1));
}

v1::JobState StateNamed(const std::string& name) {
  for (const v1::JobState state : kStates) {
    if (StateName(state) == name) return state;
  }
  return v1::JOB_STATE_UNSPECIFIED;
}

Page OverviewPage(const Overview& overview) {
  Page page{.title = "Overview", .here = "/overview", .live = true};
  page.json = {{"now", ToJson(overview.now)}, {"report", ToJson(overview.report)}};
  page.html = StrCat("<h1>Overview</h1>\n<div data-live=\"tiles\">", OverviewTiles(overview),
                     "</div>\n", PeriodMenu(overview.hours), "<div data-live=\"charts\">",
                     OverviewCharts(overview), "</div>\n");
  return page;
}

Page JobListPage(const JobList& list) {
  Page page{.title = "Jobs", .here = "/jobs", .json = ToJson(list.jobs), .live = list.is_first};
  page.html = StrCat("<h1>Jobs</h1>\n", Filter(list), "<div data-live=\"jobs\">");
  if (list.jobs.jobs().empty()) StrAppend(&page.html, Note("", "There are none of these."));
  HtmlRows rows("Jobs",
                {"Job", "State", "Pipeline or task", "File", "Why", "Host", "Took", "Made"});
  for (const v1::Job& job : list.jobs.jobs()) {
    rows.Add({JobLink(job.id()), StateBadge(job), HtmlText(job.pipeline()),
              HtmlText(FileText(job.input())), HtmlText(WhyText(job)), HtmlText(job.host()),
              TookText(job, list.now), Ago(job.has_created_at(), job.created_at(), list.now)});
  }
  if (!list.jobs.jobs().empty()) StrAppend(&page.html, rows.Draw());
  if (!list.jobs.next_page_token().empty()) {
    StrAppend(&page.html, "<p>",
              Link(StrCat("/jobs?state=", UrlPart(list.state), "&pipeline=", UrlPart(list.pipeline),
                          "&after=", UrlPart(list.jobs.next_page_token())),
                   "Older ones"),
              "</p>\n");
  }
  StrAppend(&page.html, "</div>\n");
  return page;
}

Page JobPage(const JobDetails& details) {
  const v1::Job& job = details.job.job();
  Page page{.title = StrCat("Job ", job.id()), .here = "/jobs", .live = true};
  page.json = {
      {"job", ToJson(details.job)}, {"story", ToJson(details.story)}, {"log", details.log}};
  page.html =
      StrCat("<h1>Job ", job.id(), "</h1>\n<div data-live=\"facts\">", Facts(job, details.now),
             JobActions(job), "</div>\n", "<div data-live=\"story\">", StoryHtml(details.story),
             AttemptsHtml(details.job), OutputsHtml(job), LogHtml(details.log), "</div>\n");
  return page;
}

Page ExecutorsPage(const v1::ListExecutorsResponse& executors, v1::PortalRole role,
                   absl::Time now) {
  Page page{.title = "Executors", .here = "/executors", .json = ToJson(executors), .live = true};
  page.html = "<h1>Executors</h1>\n<div data-live=\"executors\">";
  if (executors.executors().empty()) {
    StrAppend(&page.html, Note("warn", "None is here: nothing can be run."));
  }
  HtmlRows rows("Executors",
                {"Name", "State", "Host", "Slots", "Labels", "Volumes", "Heard of", ""});
  for (const v1::ExecutorStatus& each : executors.executors()) {
    std::string labels;
    for (const std::string& label : each.labels()) StrAppend(&labels, label, " ");
    std::string volumes;
    for (const auto& [name, root] : std::map<std::string, std::string>(each.volume_roots().begin(),
                                                                       each.volume_roots().end())) {
      StrAppend(&volumes, volumes.empty() ? "" : "; ", name, " at ", root);
    }
    const std::string state = !each.connected() ? "<b class=\"badge bad\">disconnected</b>"
                              : each.draining() ? "<b class=\"badge warn\">draining</b>"
                                                : "<b class=\"badge good\">connected</b>";
    rows.Add({HtmlText(each.name()), state, HtmlText(each.host()),
              StrCat(each.leases(), " of ", each.slots()), HtmlText(labels), HtmlText(volumes),
              Ago(each.has_heartbeat_at(), each.heartbeat_at(), now),
              role < v1::PORTAL_ROLE_ADMIN || each.draining()
                  ? ""
                  : ActionForm(StrCat("/executors/", UrlPart(each.name()), "/drain"), "Drain",
                               StrCat("Drain ", each.name(), "? It takes nothing more, and ends."),
                               "danger")});
  }
  if (!executors.executors().empty()) StrAppend(&page.html, rows.Draw());
  StrAppend(&page.html, "</div>\n");
  return page;
}

Page WatchersPage(const v1::ListWatchersResponse& watchers, absl::Time now) {
  Page page{.title = "Watchers", .here = "/watchers", .json = ToJson(watchers), .live = true};
  page.html = "<h1>Watchers</h1>\n<div data-live=\"watchers\">";
  if (watchers.watchers().empty()) {
    StrAppend(&page.html, Note("warn", "None was here yet: no file is noticed."));
  }
  HtmlRows rows("Volumes of watchers",
                {"Volume", "State", "Host", "Root", "Directories", "Overflows", "Heard of"});
  for (const v1::WatcherStatus& watcher : watchers.watchers()) {
    for (const v1::VolumeStatus& volume : watcher.volumes()) {
      const bool is_live = volume.state() == v1::VOLUME_STATE_LIVE && watcher.connected();
      const std::string name =
          watcher.connected()
              ? absl::AsciiStrToLower(
                    v1::VolumeState_Name(volume.state()).substr(sizeof("VOLUME_STATE_") - 1))
              : "disconnected";
      rows.Add({HtmlText(volume.volume()),
                StrCat("<b class=\"badge ", is_live ? "good" : "bad", "\">", name, "</b> ",
                       HtmlText(volume.message())),
                HtmlText(watcher.host()), HtmlText(Display(volume.root())),
                Grouped(volume.watched_directories()), Grouped(volume.overflows()),
                Ago(watcher.has_heartbeat_at(), watcher.heartbeat_at(), now)});
    }
  }
  if (!watchers.watchers().empty()) StrAppend(&page.html, rows.Draw());
  StrAppend(&page.html, "</div>\n");
  return page;
}

Page LocksPage(const v1::ListLocksResponse& locks, const v1::ListRatesResponse& rates,
               v1::PortalRole role, absl::Time now) {
  Page page{.title = "Locks", .here = "/locks", .live = true};
  page.json = {{"locks", ToJson(locks)["locks"]}, {"rates", ToJson(rates)["rates"]}};
  page.html = "<h1>Locks</h1>\n<div data-live=\"locks\">";
  if (locks.locks().empty()) StrAppend(&page.html, Note("", "No lock is held or waited for."));
  HtmlRows rows("Locks", {"Lock", "Held by", "Capacity", "Waiting", "Next", ""});
  for (const v1::Lock& lock : locks.locks()) {
    std::string holders;
    bool by_program = false;
    for (const v1::LockClaim& claim : lock.holders()) {
      StrAppend(&holders, holders.empty() ? "" : "<br>", ClaimText(claim));
      by_program |= claim.job_id() == 0;
    }
    rows.Add({HtmlText(lock.name()), holders.empty() ? "nobody" : holders, StrCat(lock.capacity()),
              StrCat(lock.waiting()), lock.waiters().empty() ? "" : ClaimText(lock.waiters(0)),
              role < v1::PORTAL_ROLE_ADMIN || !by_program
                  ? ""
                  : ActionForm(StrCat("/locks/", UrlPart(lock.name()), "/break"), "Take away",
                               StrCat("Take lock ", lock.name(),
                                      " from the programs that hold it? `closewrite lock run` "
                                      "kills what runs under it."),
                               "danger")});
  }
  if (!locks.locks().empty()) StrAppend(&page.html, rows.Draw());
  if (!rates.rates().empty()) {
    HtmlRows calls("Rates", {"Rate", "Calls", "May be made now", "All of them"});
    for (const v1::RateStatus& each : rates.rates()) {
      const bool full = !each.has_full_at() || ToTime(each.full_at()) <= now;
      calls.Add({HtmlText(each.rate().name()),
                 StrCat(each.rate().limit(), " per ",
                        absl::FormatDuration(ToDuration(each.rate().per()))),
                 StrCat(each.available()), full ? "now" : TimeHtml(ToTime(each.full_at()))});
    }
    StrAppend(&page.html, "<h2>Rates</h2>\n", calls.Draw());
  }
  StrAppend(&page.html, "</div>\n");
  return page;
}

Page TasksPage(const v1::ListTasksResponse& tasks, absl::Time now) {
  Page page{.title = "Tasks", .here = "/tasks", .json = ToJson(tasks), .live = true};
  page.html = "<h1>Tasks</h1>\n<div data-live=\"tasks\">";
  if (tasks.tasks().empty()) {
    StrAppend(&page.html, Note("", "There are none. <code>closewrite task add</code> makes one."));
  }
  HtmlRows rows("Tasks", {"Task", "State", "When", "Last run", "Next", "Failures in a row", ""});
  for (const v1::TaskStatus& task : tasks.tasks()) {
    const std::string& name = task.task().name();
    const std::string path = StrCat("/tasks/", UrlPart(name));
    const std::string last = task.has_last_run() ? StrCat(JobLink(task.last_run().id()), " ",
                                                          StateBadge(task.last_run()))
                                                 : "never";
    rows.Add(
        {Link(StrCat("/jobs?pipeline=task%2F", UrlPart(name)), name), RunBadge(task),
         HtmlText(WhenText(task.task())), last,
         task.started() && !task.next_runs().empty() ? TimeHtml(ToTime(task.next_runs(0))) : "–",
         StrCat(task.failures()),
         task.started() ? ActionForm(path + "/stop", "Stop",
                                     StrCat("Stop ", name, "? What runs is cancelled."), "danger")
                        : ActionForm(path + "/start", "Start")});
  }
  if (!tasks.tasks().empty()) StrAppend(&page.html, rows.Draw());
  StrAppend(&page.html, "</div>\n");
  return page;
}

}  // namespace closewrite::portal
