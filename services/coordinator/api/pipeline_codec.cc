#include "services/coordinator/api/pipeline_codec.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

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
    pipeline_.definition = Serialize();
    return std::move(pipeline_);
  }

 private:
  void DecodeTrigger(v1::Trigger* on);
  void DecodeRun(v1::Run* run);
  void DecodeCommand(const v1::Run& run);
  void DecodeEnvironment(const v1::Run& run);
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
  if (on->when() == v1::WHEN_UNSPECIFIED) on->set_when(v1::WHEN_CLOSE_WRITE);
  if (!v1::When_IsValid(on->when())) Wrong("on.when", "is unknown; use close_write or rename");
  pipeline_.when = on->when() == v1::WHEN_RENAME ? When::kRename : When::kCloseWrite;
  if (!on->has_settle()) *on->mutable_settle() = ToProto(absl::ZeroDuration());
  pipeline_.settle = Range("on.settle", on->settle(), absl::ZeroDuration(), kSettleMax);
  if (on->evidence() == v1::EVIDENCE_UNSPECIFIED) on->set_evidence(v1::EVIDENCE_UNCHECKED);
  if (!v1::Evidence_IsValid(on->evidence())) {
    Wrong("on.evidence", "is unknown; use closed, moved_in, linked, found, quiet or unchecked");
  }
  pipeline_.evidence = static_cast<Evidence>(on->evidence());
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
