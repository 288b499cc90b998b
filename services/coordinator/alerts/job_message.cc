#include "services/coordinator/alerts/job_message.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "absl/strings/str_replace.h"
#include "services/coordinator/api/log_end.h"
#include "services/coordinator/api/story_words.h"
#include "services/coordinator/core/alert_rules.h"
#include "services/coordinator/core/attempts.h"
#include "services/coordinator/core/task.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

// A longer one stands in the text alone.
constexpr size_t kSubjectInputBytesMax = 200;

std::string Ended(const Job& job) {
  switch (job.state) {
    case JobState::kSucceeded:
      return "has succeeded";
    case JobState::kFailed:
      return "has failed";
    case JobState::kCancelled:
      return "was cancelled";
    default:
      return "is tried again";
  }
}

std::string Link(const Job& job, const std::string& job_url, const std::string& own) {
  if (!own.empty()) return StrCat("More: ", own, "\n");
  if (job_url.empty()) return StrCat("More: closewrite job ", job.id.value, "\n");
  const std::string id = StrCat(job.id.value);
  return StrCat("More: ", ToStd(absl::StrReplaceAll(job_url, {{"{job}", id}})), "\n");
}

std::string Results(const Job& job) {
  if (job.state != JobState::kSucceeded || job.outputs.empty()) return "";
  std::string text = "\nResults:\n";
  for (size_t i = 0; i < std::min(job.outputs.size(), kMessageResultsMax); ++i) {
    StrAppend(&text, "  ", OutputWords(job.output_volume, job.outputs[i]), "\n");
  }
  if (job.outputs.size() > kMessageResultsMax) {
    StrAppend(&text, "  and ", job.outputs.size() - kMessageResultsMax, " more\n");
  }
  return text;
}

std::string LogTail(const Job& job, int lines, StoreReader& reader) {
  const std::optional<Attempt> attempt = AttemptOf(reader, job, job.token);
  if (lines <= 0 || !attempt.has_value()) return "";
  const LogEnd end = ReadLogEnd(reader, *attempt, static_cast<size_t>(lines), kMessageLogBytesMax);
  if (end.lines.empty()) return "";
  std::string text = "\nThe end of its log:\n";
  for (const std::string& line : end.lines) StrAppend(&text, "  ", line, "\n");
  return text;
}

}  // namespace

OutboxMessage WithJobText(OutboxMessage message, const std::optional<Job>& job,
                          const std::string& job_url, StoreReader& reader) {
  if (!job.has_value()) {
    message.subject = StrCat("[closewrite] job ", message.job.value, " has ended");
    message.text = "It is kept no longer, so there is nothing more to say about it.\n";
    return message;
  }
  const std::string owner = OwnerName(job->pipeline);
  const bool is_task = TaskOfRuns(job->pipeline).has_value();
  const std::string input = is_task ? "" : FileWords(job->input.volume, job->input.path);
  message.subject = StrCat("[closewrite] ", owner, ": job ", job->id.value, " ", Ended(*job),
                           input.empty() || input.size() > kSubjectInputBytesMax ? "" : ": ",
                           input.size() > kSubjectInputBytesMax ? "" : input);
  std::string text = StrCat("Job ", job->id.value, " of ", owner, " ", Ended(*job), ".\n\n");
  if (!input.empty()) StrAppend(&text, "Input: ", input, "\n");
  if (!job->message.empty()) StrAppend(&text, "Why: ", job->message, "\n");
  StrAppend(&text, "Attempts: ", job->attempts, "\n");
  if (!job->host.empty()) StrAppend(&text, "Host: ", job->host, "\n");
  if (job->finished_at > job->started_at && job->pid != 0) {
    StrAppend(&text, "It took ", DurationWords(job->finished_at - job->started_at), ", until ",
              TimeWords(job->finished_at), "\n");
  }
  StrAppend(&text, Link(*job, job_url, message.link), Results(*job),
            LogTail(*job, message.log_lines, reader));
  message.text = text;
  message.details = {OwnerDetail(job->pipeline),
                     {"job", StrCat(job->id.value)},
                     {"state", job->state == JobState::kSucceeded ? "succeeded" : "failed"},
                     {"message", job->message}};
  if (!input.empty()) message.details.emplace_back("input", input);
  return message;
}

}  // namespace closewrite
