#include "services/coordinator/api/run_codec.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "services/config/config.h"
#include "services/config/size.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {

using google::protobuf::RepeatedPtrField;

std::string RunDecoder::Name(std::string_view field, std::string_view what,
                             const std::string& name) {
  Check(field, CheckName(what, name));
  return name;
}

std::vector<std::string> RunDecoder::Names(std::string_view field, std::string_view what,
                                           RepeatedPtrField<std::string>* names, int names_max) {
  for (int i = 0; i < names->size(); ++i) {
    Name(StrCat(field, "[", i, "]"), what, names->Get(i));
  }
  const std::set<std::string> sorted(names->begin(), names->end());
  if (sorted.size() > static_cast<size_t>(names_max)) {
    Wrong(field, StrCat("names ", sorted.size(), "; at most ", names_max));
  }
  names->Assign(sorted.begin(), sorted.end());
  return {sorted.begin(), sorted.end()};
}

std::string RunDecoder::HostPath(std::string_view field, const std::string& path) {
  if (path.empty()) return path;
  if (path.front() != '/') {
    Wrong(field, StrCat("is ", Display(path),
                        ", and executors run anywhere: give an absolute path of their host"));
  }
  if (path.find('\0') != std::string::npos || path.size() > kHostPathBytesMax) {
    Wrong(field,
          StrCat("holds a NUL byte or more than ", kHostPathBytesMax, " bytes, which no path can"));
  }
  return path;
}

int RunDecoder::Number(std::string_view field, int value, int fallback, int low, int high) {
  if (value == 0) return fallback;
  if (value < low || value > high) {
    Wrong(field, StrCat("is ", value, "; give ", low, " to ", high));
  }
  return value;
}

absl::Duration RunDecoder::Range(std::string_view field, const google::protobuf::Duration& value,
                                 absl::Duration low, absl::Duration high) {
  const absl::Duration duration = FromProto(value);
  if (duration < low || duration > high) {
    Wrong(field, StrCat("is ", absl::FormatDuration(duration), "; give ", absl::FormatDuration(low),
                        " to ", absl::FormatDuration(high)));
  }
  return duration;
}

void RunDecoder::DecodeRun(v1::Run* run, Pipeline* pipeline) {
  DecodeCommand(*run, pipeline);
  pipeline->labels = Names("run.labels", "label", run->mutable_labels(), kPipelineLabelsMax);
  if (run->has_timeout()) {
    pipeline->timeout = Range("run.timeout", run->timeout(), absl::Milliseconds(1), kTimeoutMax);
  }
  DecodeEnvironment(*run, pipeline);
  if (!run->has_visible_within()) {
    *run->mutable_visible_within() = ToProto(pipeline->visible_within);
  }
  pipeline->visible_within =
      Range("run.visible_within", run->visible_within(), absl::ZeroDuration(), kVisibleWithinMax);
  if (!run->has_kill_after()) *run->mutable_kill_after() = ToProto(pipeline->kill_after);
  pipeline->kill_after =
      Range("run.kill_after", run->kill_after(), absl::ZeroDuration(), kKillAfterMax);
  DecodeSurroundings(*run, pipeline);
}

void RunDecoder::DecodeSurroundings(const v1::Run& run, Pipeline* pipeline) {
  pipeline->wd = HostPath("run.wd", run.wd());
  pipeline->secrets_from = HostPath("run.secrets_from", run.secrets_from());
  pipeline->run_as = run.run_as();
  const bool is_odd = std::any_of(run.run_as().begin(), run.run_as().end(), [](char each) {
    return !absl::ascii_isgraph(static_cast<unsigned char>(each)) || each == ':' || each == '/';
  });
  if (is_odd || run.run_as().size() > kUserBytesMax) {
    Wrong("run.run_as", "is no user's name; give one that the executor's host knows, as `id` does");
  }
  pipeline->nice = Number("run.nice", run.nice(), 0, 0, kNiceMax);
  DecodeLimits(run.limits(), pipeline);
}

void RunDecoder::DecodeLimits(const v1::Limits& limits, Pipeline* pipeline) {
  pipeline->nofile = limits.nofile();
  const bool is_limited = pipeline->nofile != 0;
  if (is_limited && (pipeline->nofile < kOpenFilesMin || pipeline->nofile > kOpenFilesMax)) {
    Wrong("run.limits.nofile", StrCat("is ", pipeline->nofile, "; give ", kOpenFilesMin, " to ",
                                      kOpenFilesMax, ", or leave it out"));
  }
  if (!limits.memory().empty()) {
    const auto bytes = ParseSize(limits.memory());
    Check("run.limits.memory", bytes.status());
    pipeline->memory_bytes = bytes.value_or(kMemoryBytesMin);
    if (pipeline->memory_bytes < kMemoryBytesMin || pipeline->memory_bytes > kMemoryBytesMax) {
      Wrong("run.limits.memory", StrCat("is ", limits.memory(), "; give 4MiB to 16TiB"));
    }
  }
  // Not a number is no more than another.
  if (limits.cpu() != 0 && !(limits.cpu() >= kCpuMin && limits.cpu() <= kCpuMax)) {
    Wrong("run.limits.cpu", StrCat("is ", limits.cpu(), "; give ", kCpuMin, " to ", kCpuMax,
                                   " processors, or leave it out"));
    return;
  }
  pipeline->cpu_millis = std::lround(limits.cpu() * 1000);
}

void RunDecoder::DecodeCommand(const v1::Run& run, Pipeline* pipeline) {
  if (run.command().empty()) {
    Wrong("run.command", "is empty; give the program and its arguments as a list");
  }
  if (run.command_size() > kCommandArgumentsMax) {
    Wrong("run.command",
          StrCat("has ", run.command_size(), " arguments; at most ", kCommandArgumentsMax));
    return;
  }
  size_t bytes = 0;
  for (int i = 0; i < run.command_size(); ++i) {
    const std::string& argument = run.command(i);
    const std::string field = StrCat("run.command[", i, "]");
    if (argument.empty()) Wrong(field, "is empty; leave it out, or say what it should be");
    if (absl::StrContains(argument, absl::string_view("\0", 1))) {
      Wrong(field, "holds a NUL byte, which no program can be given; leave it out");
    }
    bytes += argument.size();
  }
  if (bytes > kCommandBytesMax) {
    Wrong("run.command", StrCat("has ", bytes, " bytes; at most ", kCommandBytesMax));
  }
  pipeline->command = {run.command().begin(), run.command().end()};
}

void RunDecoder::DecodeEnvironment(const v1::Run& run, Pipeline* pipeline) {
  if (run.env_size() > kEnvironmentMax) {
    Wrong("run.env", StrCat("has ", run.env_size(), " entries; at most ", kEnvironmentMax));
    return;
  }
  size_t bytes = 0;
  const std::string nul(1, '\0');
  for (const auto& [name, value] : run.env()) {
    const std::string field = StrCat("run.env[", Display(name), "]");
    if (name.empty() || absl::StrContains(name, "=") || absl::StrContains(name, nul)) {
      Wrong(field, "is no name for a variable; it must not be empty or hold '=' or NUL");
    }
    if (absl::StartsWith(name, "CLOSEWRITE_")) {
      Wrong(field, "begins with CLOSEWRITE_, which the executor sets itself; choose another name");
    }
    if (absl::StrContains(value, nul)) Wrong(field, "holds a NUL byte; leave it out");
    bytes += name.size() + value.size();
  }
  if (bytes > kCommandBytesMax) {
    Wrong("run.env", StrCat("has ", bytes, " bytes; at most ", kCommandBytesMax));
  }
  pipeline->env = {run.env().begin(), run.env().end()};
}

NamedRate RunDecoder::DecodeRate(const v1::Rate& rate) {
  NamedRate named{.name = Name("rate.name", "rate", rate.name()), .rate = {.limit = rate.limit()}};
  if (rate.limit() < 1 || rate.limit() > kRateLimitMax) {
    Wrong("rate.limit", StrCat("is ", rate.limit(), "; give 1 to ", kRateLimitMax, " calls"));
  }
  if (rate.has_per()) {
    named.rate.period = Range("rate.per", rate.per(), kRatePeriodMin, kRatePeriodMax);
  } else {
    Wrong("rate.per", "is missing: in which time, such as `1m`");
  }
  return named;
}

void RunDecoder::DecodeRetry(v1::Retry* retry, RetryPolicy* policy) {
  policy->attempts = Number("retry.attempts", retry->attempts(), policy->attempts, 1, kAttemptsMax);
  policy->crash_attempts = Number("retry.crash_attempts", retry->crash_attempts(),
                                  policy->crash_attempts, 1, kAttemptsMax);
  retry->set_attempts(policy->attempts);
  retry->set_crash_attempts(policy->crash_attempts);
  if (!retry->has_backoff()) *retry->mutable_backoff() = ToProto(policy->backoff);
  policy->backoff = Range("retry.backoff", retry->backoff(), kBackoffMin, kBackoffMax);
  if (!retry->has_backoff_max()) {
    *retry->mutable_backoff_max() = ToProto(std::max(policy->backoff, policy->backoff_max));
  }
  policy->backoff_max = Range("retry.backoff_max", retry->backoff_max(), kBackoffMin, kBackoffMax);
  if (policy->backoff > policy->backoff_max) {
    Wrong("retry.backoff_max", "is shorter than backoff; give at least as long");
  }
  if (retry->on_lost() == v1::ON_LOST_UNSPECIFIED) retry->set_on_lost(v1::ON_LOST_RETRY);
  if (!v1::OnLost_IsValid(retry->on_lost())) {
    Wrong("retry.on_lost", "is unknown; use retry or fail");
  }
  policy->on_lost = retry->on_lost() == v1::ON_LOST_FAIL ? OnLost::kFail : OnLost::kRetry;
}

std::string RunDecoder::Serialize(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

}  // namespace closewrite
