#include "services/coordinator/api/pipeline_codec.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "services/config/config.h"
#include "services/coordinator/api/violations.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

using google::protobuf::RepeatedPtrField;

// Decodes one definition: each step reads one part of the message, completes it in place, and fills
// the same part of the result.
class Decoder {
 public:
  Decoder(v1::Pipeline* definition, std::string prefix, Violations* violations)
      : definition_(*definition), prefix_(std::move(prefix)), violations_(*violations) {}

  Pipeline Decode() {
    pipeline_.name = Name("name", "pipeline", definition_.name());
    DecodeTrigger(definition_.mutable_on());
    DecodeRun(definition_.mutable_run());
    if (definition_.has_publish()) DecodePublish(definition_.publish());
    DecodeRetry(definition_.mutable_retry());
    pipeline_.locks = Names("locks", "lock", definition_.mutable_locks(), kLocksMax);
    pipeline_.priority = Number("priority", definition_.priority(), 0, -kPriorityMax, kPriorityMax);
    pipeline_.weight = Number("weight", definition_.weight(), 1, 1, kWeightMax);
    definition_.set_weight(pipeline_.weight);
    pipeline_.definition = Serialize();
    return std::move(pipeline_);
  }

 private:
  void DecodeTrigger(v1::Trigger* on);
  void DecodeWhen(v1::Trigger* on);
  void DecodeMarker(const v1::Trigger& on);
  void DecodeEvidence(v1::Trigger* on);
  void DecodeRun(v1::Run* run);
  void DecodeCommand(const v1::Run& run);
  void DecodeEnvironment(const v1::Run& run);
  void DecodeSurroundings(const v1::Run& run);
  void DecodePublish(const v1::Publish& publish);
  void DecodeRetry(v1::Retry* retry);
  std::string Serialize() const;

  void Wrong(std::string_view field, std::string_view description) {
    violations_.Add(StrCat(prefix_, field), description);
  }

  std::string Name(std::string_view field, std::string_view what, const std::string& name) {
    violations_.AddUnlessOk(StrCat(prefix_, field), CheckName(what, name));
    return name;
  }

  // Sorted and unique, so that the same meaning has the same bytes.
  std::vector<std::string> Names(std::string_view field, std::string_view what,
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

  std::vector<Glob> Globs(std::string_view field, const RepeatedPtrField<std::string>& patterns) {
    if (patterns.size() > kGlobsMax) {
      Wrong(field, StrCat("has ", patterns.size(), " globs; at most ", kGlobsMax));
      return {};
    }
    std::vector<Glob> globs;
    for (int i = 0; i < patterns.size(); ++i) {
      absl::StatusOr<Glob> glob = Glob::Parse(patterns[i]);
      violations_.AddUnlessOk(StrCat(prefix_, field, "[", i, "]"), glob.status());
      if (glob.ok()) globs.push_back(*std::move(glob));
    }
    return globs;
  }

  // An absolute path on an executor's host, or nothing.
  std::string HostPath(std::string_view field, const std::string& path) {
    if (path.empty()) return path;
    if (path.front() != '/') {
      Wrong(field, StrCat("is ", Display(path),
                          ", and executors run anywhere: give an absolute path of their host"));
    }
    if (path.find('\0') != std::string::npos || path.size() > kHostPathBytesMax) {
      Wrong(field, StrCat("holds a NUL byte or more than ", kHostPathBytesMax,
                          " bytes, which no path can"));
    }
    return path;
  }

  int Number(std::string_view field, int value, int fallback, int low, int high) {
    if (value == 0) return fallback;
    if (value < low || value > high) {
      Wrong(field, StrCat("is ", value, "; give ", low, " to ", high));
    }
    return value;
  }

  absl::Duration Range(std::string_view field, const google::protobuf::Duration& value,
                       absl::Duration low, absl::Duration high) {
    const absl::Duration duration = FromProto(value);
    if (duration < low || duration > high) {
      Wrong(field, StrCat("is ", absl::FormatDuration(duration), "; give ",
                          absl::FormatDuration(low), " to ", absl::FormatDuration(high)));
    }
    return duration;
  }

  v1::Pipeline& definition_;
  const std::string prefix_;
  Violations& violations_;
  Pipeline pipeline_;
};

void Decoder::DecodeTrigger(v1::Trigger* on) {
  pipeline_.volume = Name("on.volume", "volume", on->volume());
  if (on->match().empty()) {
    Wrong("on.match", "is empty; give one glob at least, such as \"**/*.csv\"");
  }
  pipeline_.match = Globs("on.match", on->match());
  pipeline_.ignore = Globs("on.ignore", on->ignore());
  DecodeWhen(on);
  if (!on->has_settle()) *on->mutable_settle() = ToProto(absl::ZeroDuration());
  pipeline_.settle = Range("on.settle", on->settle(), absl::ZeroDuration(), kSettleMax);
  DecodeEvidence(on);
  if (on->on_new_version() == v1::ON_NEW_VERSION_UNSPECIFIED) {
    on->set_on_new_version(v1::ON_NEW_VERSION_QUEUE);
  }
  switch (on->on_new_version()) {
    case v1::ON_NEW_VERSION_QUEUE:
      pipeline_.on_new_version = OnNewVersion::kQueue;
      break;
    case v1::ON_NEW_VERSION_SUPERSEDE:
      pipeline_.on_new_version = OnNewVersion::kSupersede;
      break;
    case v1::ON_NEW_VERSION_IGNORE:
      pipeline_.on_new_version = OnNewVersion::kIgnore;
      break;
    default:
      Wrong("on.on_new_version", "is unknown; use queue, supersede or ignore");
  }
}

// `marker` and `quiet` mean their own contract; what they contradict is refused.
void Decoder::DecodeWhen(v1::Trigger* on) {
  const bool has_marker = !on->marker().empty();
  if (has_marker && on->has_quiet()) {
    Wrong("on.quiet", "stands beside marker, which is another contract; leave one of them out");
  }
  if (on->when() == v1::WHEN_UNSPECIFIED) {
    on->set_when(has_marker        ? v1::WHEN_MARKER
                 : on->has_quiet() ? v1::WHEN_QUIET
                                   : v1::WHEN_CLOSE_WRITE);
  }
  if (!v1::When_IsValid(on->when())) {
    Wrong("on.when", "is unknown; use close_write, rename, marker, quiet, create or delete");
    return;
  }
  pipeline_.when = static_cast<When>(on->when());
  const std::string when = absl::AsciiStrToLower(v1::When_Name(on->when()).substr(5));
  if (has_marker && pipeline_.when != When::kMarker) {
    Wrong("on.marker",
          StrCat("means `when: marker`, not `when: ", when, "`; leave one of them out"));
  } else if (pipeline_.when == When::kMarker) {
    DecodeMarker(*on);
  }
  if (on->has_quiet() && pipeline_.when != When::kQuiet) {
    if (has_marker) return;  // said above
    Wrong("on.quiet", StrCat("means `when: quiet`, not `when: ", when, "`; leave one of them out"));
  } else if (pipeline_.when == When::kQuiet) {
    if (!on->has_quiet()) *on->mutable_quiet() = ToProto(kQuietDefault);
    pipeline_.quiet = Range("on.quiet", on->quiet(), kQuietMin, kQuietMax);
  }
}

void Decoder::DecodeMarker(const v1::Trigger& on) {
  constexpr absl::string_view kName = "{name}";
  const std::string& marker = on.marker();
  const size_t at = marker.find(ToStd(kName));
  if (marker.empty()) {
    Wrong("on.marker",
          "is missing; say how the marker of a file is named, such as \"{name}.done\"");
  } else if (at == std::string::npos || marker.find(ToStd(kName), at + 1) != std::string::npos) {
    Wrong("on.marker", "must hold {name}, the file's own name, once, such as \"{name}.done\"");
  } else if (marker.find('/') != std::string::npos) {
    Wrong("on.marker",
          "holds a '/', but a marker lies in the directory of its file; give a name, such as "
          "\"{name}.done\"");
  } else if (marker.find('\0') != std::string::npos) {
    Wrong("on.marker", "holds a NUL byte, which no name can; leave it out");
  } else if (marker.size() == kName.size()) {
    Wrong("on.marker", "is the file itself; add something to its name, such as \"{name}.done\"");
  } else if (marker.size() - kName.size() >= kMarkerBytesMax) {
    Wrong("on.marker",
          StrCat("leaves no room for a name of ", kMarkerBytesMax, " bytes; shorten it"));
  } else {
    pipeline_.marker = {marker.substr(0, at), marker.substr(at + kName.size())};
  }
}

void Decoder::DecodeEvidence(v1::Trigger* on) {
  if (!v1::Evidence_IsValid(on->evidence())) {
    Wrong("on.evidence", "is unknown; use closed, moved_in, linked, found, quiet or unchecked");
    return;
  }
  const bool is_said = on->evidence() != v1::EVIDENCE_UNSPECIFIED;
  if (!ReadsInput(pipeline_)) {
    if (is_said) {
      Wrong("on.evidence",
            "tells of finished content, and this contract asks for none; leave it out");
    }
    return;
  }
  if (is_said && pipeline_.when == When::kQuiet && on->evidence() < v1::EVIDENCE_QUIET) {
    Wrong(
        "on.evidence",
        "excludes files that are only quiet, and `when: quiet` takes them; leave one of them out");
  }
  if (!is_said) on->set_evidence(v1::EVIDENCE_UNCHECKED);
  pipeline_.evidence = static_cast<Evidence>(on->evidence());
  if (pipeline_.evidence == Evidence::kQuiet && pipeline_.when != When::kQuiet) {
    pipeline_.quiet = kQuietDefault;
  }
}

void Decoder::DecodeRun(v1::Run* run) {
  DecodeCommand(*run);
  pipeline_.labels = Names("run.labels", "label", run->mutable_labels(), kPipelineLabelsMax);
  if (run->has_timeout()) {
    pipeline_.timeout = Range("run.timeout", run->timeout(), absl::Milliseconds(1), kTimeoutMax);
  }
  DecodeEnvironment(*run);
  if (!run->has_visible_within()) {
    *run->mutable_visible_within() = ToProto(pipeline_.visible_within);
  }
  pipeline_.visible_within =
      Range("run.visible_within", run->visible_within(), absl::ZeroDuration(), kVisibleWithinMax);
  if (!run->has_kill_after()) *run->mutable_kill_after() = ToProto(pipeline_.kill_after);
  pipeline_.kill_after =
      Range("run.kill_after", run->kill_after(), absl::ZeroDuration(), kKillAfterMax);
  DecodeSurroundings(*run);
}

void Decoder::DecodeSurroundings(const v1::Run& run) {
  pipeline_.wd = HostPath("run.wd", run.wd());
  pipeline_.secrets_from = HostPath("run.secrets_from", run.secrets_from());
  pipeline_.run_as = run.run_as();
  const bool is_odd = std::any_of(run.run_as().begin(), run.run_as().end(), [](char each) {
    return !absl::ascii_isgraph(static_cast<unsigned char>(each)) || each == ':' || each == '/';
  });
  if (is_odd || run.run_as().size() > kUserBytesMax) {
    Wrong("run.run_as", "is no user's name; give one that the executor's host knows, as `id` does");
  }
  pipeline_.nice = Number("run.nice", run.nice(), 0, 0, kNiceMax);
  pipeline_.nofile = run.limits().nofile();
  const bool is_limited = pipeline_.nofile != 0;
  if (is_limited && (pipeline_.nofile < kOpenFilesMin || pipeline_.nofile > kOpenFilesMax)) {
    Wrong("run.limits.nofile", StrCat("is ", pipeline_.nofile, "; give ", kOpenFilesMin, " to ",
                                      kOpenFilesMax, ", or leave it out"));
  }
}

void Decoder::DecodeCommand(const v1::Run& run) {
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
  pipeline_.command = {run.command().begin(), run.command().end()};
}

void Decoder::DecodeEnvironment(const v1::Run& run) {
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
  pipeline_.env = {run.env().begin(), run.env().end()};
}

void Decoder::DecodePublish(const v1::Publish& publish) {
  pipeline_.output_volume = Name("publish.volume", "volume", publish.volume());
  if (!publish.volume().empty() && publish.volume() == definition_.on().volume()) {
    Wrong("publish.volume", StrCat("is ", publish.volume(),
                                   ", the volume that is watched: its results would be taken for "
                                   "new files there; publish into another volume"));
  }
}

void Decoder::DecodeRetry(v1::Retry* retry) {
  RetryPolicy& policy = pipeline_.retry;
  policy.attempts = Number("retry.attempts", retry->attempts(), policy.attempts, 1, kAttemptsMax);
  policy.crash_attempts = Number("retry.crash_attempts", retry->crash_attempts(),
                                 policy.crash_attempts, 1, kAttemptsMax);
  retry->set_attempts(policy.attempts);
  retry->set_crash_attempts(policy.crash_attempts);
  if (!retry->has_backoff()) *retry->mutable_backoff() = ToProto(policy.backoff);
  policy.backoff = Range("retry.backoff", retry->backoff(), kBackoffMin, kBackoffMax);
  if (!retry->has_backoff_max()) {
    *retry->mutable_backoff_max() = ToProto(std::max(policy.backoff, policy.backoff_max));
  }
  policy.backoff_max = Range("retry.backoff_max", retry->backoff_max(), kBackoffMin, kBackoffMax);
  if (policy.backoff > policy.backoff_max) {
    Wrong("retry.backoff_max", "is shorter than backoff; give at least as long");
  }
  if (retry->on_lost() == v1::ON_LOST_UNSPECIFIED) retry->set_on_lost(v1::ON_LOST_RETRY);
  if (!v1::OnLost_IsValid(retry->on_lost())) {
    Wrong("retry.on_lost", "is unknown; use retry or fail");
  }
  policy.on_lost = retry->on_lost() == v1::ON_LOST_FAIL ? OnLost::kFail : OnLost::kRetry;
}

// Deterministic: entries of maps are written in the order of their keys.
std::string Decoder::Serialize() const {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    definition_.SerializeToCodedStream(&coded);
  }
  return bytes;
}

Pipeline Decode(const v1::Pipeline& definition, std::string prefix, Violations* violations) {
  v1::Pipeline completed = definition;
  // What a newer client may say beyond this version is not kept in silence.
  completed.DiscardUnknownFields();
  return Decoder(&completed, std::move(prefix), violations).Decode();
}

}  // namespace

absl::StatusOr<Pipeline> DecodePipeline(const v1::Pipeline& definition) {
  Violations violations;
  Pipeline pipeline = Decode(definition, "", &violations);
  if (absl::Status s = violations.ToStatus(); !s.ok()) return s;
  return pipeline;
}

absl::StatusOr<std::vector<Pipeline>> DecodePipelines(
    const RepeatedPtrField<v1::Pipeline>& definitions) {
  if (definitions.empty() || definitions.size() > kPipelinesPerRequestMax) {
    return WrongField("pipelines", StrCat("has ", definitions.size(), " definitions; give 1 to ",
                                          kPipelinesPerRequestMax));
  }
  Violations violations;
  std::vector<Pipeline> pipelines;
  std::set<std::string> names;
  for (int i = 0; i < definitions.size(); ++i) {
    const std::string field = StrCat("pipelines[", i, "]");
    pipelines.push_back(Decode(definitions[i], field + ".", &violations));
    if (!names.insert(definitions[i].name()).second) {
      violations.Add(field + ".name", StrCat("\"", Display(definitions[i].name()),
                                             "\" is there twice; give each pipeline its own name"));
    }
  }
  if (absl::Status s = violations.ToStatus(); !s.ok()) return s;
  return pipelines;
}

absl::StatusOr<v1::Pipeline> ParseDefinition(std::string_view definition) {
  v1::Pipeline message;
  if (!message.ParseFromArray(definition.data(), static_cast<int>(definition.size()))) {
    return absl::InternalError("the stored definition can't be read: apply the pipeline again");
  }
  return message;
}

absl::StatusOr<Pipeline> DecodeStoredPipeline(std::string_view definition) {
  absl::StatusOr<v1::Pipeline> message = ParseDefinition(definition);
  if (!message.ok()) return message.status();
  return DecodePipeline(*message);
}

}  // namespace closewrite
