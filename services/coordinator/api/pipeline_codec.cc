#include "services/coordinator/api/pipeline_codec.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "services/config/config.h"
#include "services/coordinator/api/alert_codec.h"
#include "services/coordinator/api/placeholder_check.h"
#include "services/coordinator/api/run_codec.h"
#include "services/coordinator/api/upload_codec.h"
#include "services/coordinator/api/violations.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

using google::protobuf::RepeatedPtrField;

// Decodes one definition: each step reads one part of the message, completes it in place, and fills
// the same part of the result.
class Decoder : private RunDecoder {
 public:
  Decoder(v1::Pipeline* definition, std::string prefix, Violations* violations)
      : RunDecoder(std::move(prefix), violations), definition_(*definition) {}

  Pipeline Decode() {
    pipeline_.name = Name("name", "pipeline", definition_.name());
    DecodeTrigger(definition_.mutable_on());
    DecodeRun(definition_.mutable_run(), &pipeline_);
    if (definition_.has_publish()) DecodePublish(definition_.publish());
    DecodeRetry(definition_.mutable_retry(), &pipeline_.retry);
    pipeline_.locks = Names("locks", "lock", definition_.mutable_locks(), kLocksMax);
    if (definition_.has_rate()) pipeline_.rate = DecodeRate(definition_.rate());
    pipeline_.priority = Number("priority", definition_.priority(), 0, -kPriorityMax, kPriorityMax);
    pipeline_.weight = Number("weight", definition_.weight(), 1, 1, kWeightMax);
    definition_.set_weight(pipeline_.weight);
    if (definition_.has_alerts()) pipeline_.alerts = DecodeAlerts(definition_.alerts(), this);
    if (definition_.has_notify()) pipeline_.notify = DecodeNotify(definition_.notify(), this);
    if (definition_.has_portal()) {
      pipeline_.uploads = DecodeUpload(definition_.mutable_portal(), pipeline_, this);
    }
    pipeline_.definition = Serialize(definition_);
    return std::move(pipeline_);
  }

 private:
  void DecodeTrigger(v1::Trigger* on);
  void DecodeWhen(v1::Trigger* on);
  void DecodeMarker(const v1::Trigger& on);
  void DecodeEvents(const v1::Trigger& on);
  void DecodeEvidence(v1::Trigger* on);
  void DecodePublish(const v1::Publish& publish);

  std::vector<Glob> Globs(std::string_view field, const RepeatedPtrField<std::string>& patterns) {
    if (patterns.size() > kGlobsMax) {
      Wrong(field, StrCat("has ", patterns.size(), " globs; at most ", kGlobsMax));
      return {};
    }
    std::vector<Glob> globs;
    for (int i = 0; i < patterns.size(); ++i) {
      absl::StatusOr<Glob> glob = Glob::Parse(patterns[i]);
      Check(StrCat(field, "[", i, "]"), glob.status());
      if (glob.ok()) globs.push_back(*std::move(glob));
    }
    return globs;
  }

  v1::Pipeline& definition_;
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
  if (!on->events().empty() && on->when() == v1::WHEN_UNSPECIFIED) on->set_when(v1::WHEN_NAMES);
  if (has_marker && on->has_quiet()) {
    Wrong("on.quiet", "stands beside marker, which is another contract; leave one of them out");
  }
  if (on->when() == v1::WHEN_UNSPECIFIED) {
    on->set_when(has_marker        ? v1::WHEN_MARKER
                 : on->has_quiet() ? v1::WHEN_QUIET
                                   : v1::WHEN_CLOSE_WRITE);
  }
  if (!v1::When_IsValid(on->when())) {
    Wrong("on.when", "is unknown; use close_write, rename, marker, quiet, create, delete or names");
    return;
  }
  pipeline_.when = static_cast<When>(on->when());
  const std::string when = absl::AsciiStrToLower(v1::When_Name(on->when()).substr(5));
  if (pipeline_.when == When::kNames) {
    DecodeEvents(*on);
  } else if (!on->events().empty()) {
    Wrong("on.events",
          StrCat("means `when: names`, not `when: ", when, "`; leave one of them out"));
  }
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

void Decoder::DecodeEvents(const v1::Trigger& on) {
  for (int i = 0; i < on.events_size(); ++i) {
    if (on.events(i) == v1::EVENT_KIND_CREATE) {
      pipeline_.on_create = true;
    } else if (on.events(i) == v1::EVENT_KIND_DELETE) {
      pipeline_.on_delete = true;
    } else {
      Wrong(StrCat("on.events[", i, "]"),
            "is none that makes a job by itself; use CREATE and DELETE, or `when: close_write` for "
            "files that are finished");
    }
  }
  if (on.events().empty()) Wrong("on.events", "is empty; give CREATE, DELETE or both");
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

void Decoder::DecodePublish(const v1::Publish& publish) {
  pipeline_.output_volume = Name("publish.volume", "volume", publish.volume());
  if (!publish.volume().empty() && publish.volume() == definition_.on().volume()) {
    Wrong("publish.volume", StrCat("is ", publish.volume(),
                                   ", the volume that is watched: its results would be taken for "
                                   "new files there; publish into another volume"));
  }
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
    CheckPlaceholders(definitions[i].run(), field + ".", &violations);
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
