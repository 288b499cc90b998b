#include "services/cli/top_screen.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <sstream>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "services/cli/file_argument.h"
#include "services/cli/fleet_cells.h"
#include "services/cli/job_output.h"
#include "services/cli/progress_bar.h"
#include "services/cli/table.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

constexpr int kProgressWidth = 34;
constexpr std::array<v1::JobState, 6> kStates = {v1::JOB_STATE_SCHEDULED, v1::JOB_STATE_AVAILABLE,
                                                 v1::JOB_STATE_RUNNING,   v1::JOB_STATE_PUBLISHING,
                                                 v1::JOB_STATE_RETRYING,  v1::JOB_STATE_FAILED};

// A table that may have less room than rows.
struct Section {
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;
  size_t room = 0;  // lines below its headings
};

std::string ClockText(absl::Time time) {
  return absl::FormatTime("%H:%M:%S", time, absl::LocalTimeZone());
}

std::string Header(const TopSnapshot& snapshot, bool color) {
  if (snapshot.lost_since.has_value()) {
    const std::string text = StrCat(snapshot.coordinator, " can't be reached since ",
                                    ClockText(*snapshot.lost_since), "; this is what was then");
    return StrCat(color ? Paint(text, Color::kRed) : text, "  ", ClockText(snapshot.now));
  }
  std::string text = StrCat(snapshot.coordinator, "  ", Printable(snapshot.version.version()));
  if (snapshot.version.has_started_at()) {
    StrAppend(&text, "  up ", AgeText(snapshot.now - ToTime(snapshot.version.started_at())));
  }
  return StrCat(text, "  ", ClockText(snapshot.now));
}

std::string Totals(const TopSnapshot& snapshot) {
  int64_t waiting = 0;
  int64_t running = 0;
  int64_t failed = 0;
  for (const v1::JobCount& count : snapshot.overview.counts()) {
    const bool runs =
        count.state() == v1::JOB_STATE_RUNNING || count.state() == v1::JOB_STATE_PUBLISHING;
    (count.state() == v1::JOB_STATE_FAILED ? failed : runs ? running : waiting) += count.count();
  }
  std::string text =
      StrCat("jobs: ", waiting, " waiting, ", running, " running, ", failed, " failed");
  if (snapshot.rates.has_value()) {
    absl::StrAppendFormat(&text, "   a second: %.1f made, %.1f succeeded, %.1f failed",
                          snapshot.rates->made, snapshot.rates->succeeded, snapshot.rates->failed);
  }
  return text;
}

Section Pipelines(const TopSnapshot& snapshot) {
  Section section;
  section.columns = {{"PIPELINE"}};
  for (const v1::JobState state : kStates) {
    std::string name = EnumName(*v1::JobState_descriptor(), state);
    std::transform(name.begin(), name.end(), name.begin(), [](char c) {
      return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    section.columns.push_back({name, true});
  }
  std::map<std::string, std::map<int, int64_t>> counts;
  for (const v1::JobCount& count : snapshot.overview.counts()) {
    counts[count.pipeline()][count.state()] += count.count();
  }
  for (auto& [pipeline, by_state] : counts) {
    std::vector<Cell> row = {{pipeline}};
    for (const v1::JobState state : kStates) {
      v1::Job job;
      job.set_state(state);
      const int64_t count = by_state[state];
      row.emplace_back(StrCat(count), count == 0 ? Color::kDim : StateCell(job).color);
    }
    section.rows.push_back(std::move(row));
  }
  return section;
}

// A row a volume.
Section Watchers(const TopSnapshot& snapshot) {
  Section section{{{"WATCHER"}, {"VOLUME"}, {"STATE"}, {"DIRS", true}, {"UNACKED", true}, {"WHY"}},
                  {}};
  for (const v1::WatcherStatus& watcher : snapshot.watchers) {
    for (const v1::VolumeStatus& volume : watcher.volumes()) {
      const Cell state =
          watcher.connected() ? VolumeStateCell(volume.state()) : PresenceCell(false, false);
      section.rows.push_back({{watcher.host()},
                              {volume.volume()},
                              state,
                              {StrCat(volume.watched_directories())},
                              {StrCat(volume.unacknowledged_events())},
                              {volume.message()}});
    }
  }
  return section;
}

Section Executors(const TopSnapshot& snapshot) {
  Section section{{{"EXECUTOR"}, {"HOST"}, {"STATE"}, {"SLOTS"}}, {}};
  for (const v1::ExecutorStatus& executor : snapshot.executors) {
    const Cell state = PresenceCell(executor.connected(), executor.draining());
    section.rows.push_back(
        {{executor.name()},
         {executor.host()},
         state,
         {RenderProgress({.done = executor.leases(), .total = executor.slots()}, kProgressWidth)}});
  }
  return section;
}

std::string InputText(const v1::Job& job) {
  return job.has_input() ? VolumePathText(job.input().volume(), job.input().path()) : "";
}

Section Running(const TopSnapshot& snapshot) {
  Section section{{{"RUNNING", true},
                   {"PIPELINE"},
                   {"HOST"},
                   {"PID", true},
                   {"FOR", true},
                   {"PROGRESS"},
                   {"INPUT"}},
                  {}};
  for (const v1::Job& job : snapshot.running) {
    const v1::Progress& progress = job.progress();
    section.rows.push_back(
        {{StrCat(job.id())},
         {job.pipeline()},
         {job.host()},
         {job.pid() == 0 ? "" : StrCat(job.pid())},
         {job.has_started_at() ? DurationText(snapshot.now - ToTime(job.started_at())) : ""},
         {progress.total() > 0
              ? RenderProgress(
                    {.done = progress.done(), .total = progress.total(), .unit = progress.unit()},
                    kProgressWidth)
              : ""},
         {InputText(job)}});
  }
  return section;
}

Section Locks(const TopSnapshot& snapshot) {
  Section section{{{"LOCK"}, {"HELD BY"}, {"HOST"}, {"FOR", true}}, {}};
  for (const v1::LockStatus& lock : snapshot.overview.locks()) {
    section.rows.push_back(
        {{lock.name()},
         {lock.job_id() == 0 ? lock.holder() : StrCat("job ", lock.job_id())},
         {lock.host()},
         {lock.has_since() ? AgeText(snapshot.now - ToTime(lock.since())) : ""}});
  }
  return section;
}

Section Failures(const TopSnapshot& snapshot) {
  Section section{{{"FAILED", true}, {"PIPELINE"}, {"AGO", true}, {"INPUT"}, {"WHY"}}, {}};
  for (const v1::Job& job : snapshot.failed) {
    section.rows.push_back(
        {{StrCat(job.id())},
         {job.pipeline()},
         {job.has_finished_at() ? AgeText(snapshot.now - ToTime(job.finished_at())) : ""},
         {InputText(job)},
         {WhyText(job), Color::kRed}});
  }
  return section;
}

// One line after the other, in turns, until there are no more or each has what it needs.
void Share(int lines, std::vector<Section>* sections) {
  for (bool some = true; some;) {
    some = false;
    for (Section& section : *sections) {
      if (lines == 0 || section.room == section.rows.size()) continue;
      ++section.room;
      --lines;
      some = true;
    }
  }
}

// Its headings and rows, each a line.
std::vector<std::string> Lines(const Section& section, const Style& style) {
  Table table(section.columns);
  const bool cut = section.room < section.rows.size();
  const size_t shown = cut ? section.room - std::min<size_t>(1, section.room) : section.room;
  for (size_t i = 0; i < shown; ++i) table.Add(section.rows[i]);
  std::ostringstream text;
  table.Print(text, style);
  std::vector<std::string> lines = absl::StrSplit(text.str(), '\n', absl::SkipEmpty());
  if (cut && section.room > 0) lines.push_back(StrCat("  ", section.rows.size() - shown, " more"));
  return lines;
}

}  // namespace

std::optional<TopRates> RatesBetween(const v1::GetOverviewResponse& before,
                                     const v1::GetOverviewResponse& after) {
  const double seconds = absl::ToDoubleSeconds(ToTime(after.at()) - ToTime(before.at()));
  const v1::JobTotals& old = before.totals();
  const v1::JobTotals& now = after.totals();
  const bool restarted =
      now.made() < old.made() || now.succeeded() < old.succeeded() || now.failed() < old.failed();
  if (!before.has_at() || !after.has_at() || seconds <= 0 || restarted) return std::nullopt;
  const auto rate = [seconds](int64_t from, int64_t to) {
    return static_cast<double>(to - from) / seconds;
  };
  return TopRates{rate(old.made(), now.made()), rate(old.succeeded(), now.succeeded()),
                  rate(old.failed(), now.failed())};
}

std::string FitLine(std::string_view line, int width) {
  std::string fit;
  bool painted = false;
  while (!line.empty()) {
    size_t bytes = 1;
    if (line.front() == '\x1b') {
      bytes = std::min(line.size(), line.find('m') + 1);
      if (bytes == 0) bytes = line.size();
      painted = true;
    } else {
      while (bytes < line.size() && (static_cast<uint8_t>(line[bytes]) & 0xC0) == 0x80) ++bytes;
      const int columns = TextWidth(line.substr(0, bytes));
      if (columns > width) return painted ? StrCat(fit, "\x1b[0m") : fit;
      width -= columns;
    }
    StrAppend(&fit, line.substr(0, bytes));
    line.remove_prefix(bytes);
  }
  return fit;
}

std::vector<std::string> RenderTop(const TopSnapshot& snapshot, ScreenSize size, bool color) {
  std::vector<std::string> lines = {Header(snapshot, color), Totals(snapshot)};
  std::vector<Section> sections;
  for (Section& section :
       std::vector<Section>{Pipelines(snapshot), Watchers(snapshot), Executors(snapshot),
                            Running(snapshot), Locks(snapshot), Failures(snapshot)}) {
    if (!section.rows.empty()) sections.push_back(std::move(section));
  }
  // Each section has a blank line and its headings above it.
  const int taken = static_cast<int>(lines.size() + 2 * sections.size());
  Share(size.lines == 0 ? -1 : std::max(0, size.lines - taken), &sections);
  for (const Section& section : sections) {
    lines.emplace_back();
    for (std::string& line : Lines(section, {.color = color, .width_max = size.columns})) {
      lines.push_back(std::move(line));
    }
  }
  if (size.lines > 0 && lines.size() > static_cast<size_t>(size.lines)) lines.resize(size.lines);
  for (std::string& line : lines) line = FitLine(line, size.columns);
  return lines;
}

Json TopJson(const TopSnapshot& snapshot) {
  Json json = {{"coordinator", snapshot.coordinator},
               {"version", ToJson(snapshot.version)},
               {"overview", ToJson(snapshot.overview)},
               {"watchers", Json::array()},
               {"executors", Json::array()},
               {"running", Json::array()},
               {"failed", Json::array()}};
  for (const auto& watcher : snapshot.watchers) json["watchers"].push_back(ToJson(watcher));
  for (const auto& executor : snapshot.executors) json["executors"].push_back(ToJson(executor));
  for (const auto& job : snapshot.running) json["running"].push_back(ToJson(job));
  for (const auto& job : snapshot.failed) json["failed"].push_back(ToJson(job));
  return json;
}

}  // namespace closewrite::cli
