#include "services/coordinator/api/pipeline_codec.h"

#include <cmath>
#include <functional>
#include <string>

#include "gtest/gtest.h"
#include "services/config/config.h"

namespace closewrite {
namespace {

v1::Pipeline Smallest() {
  v1::Pipeline pipeline;
  pipeline.set_name("enrich");
  pipeline.mutable_on()->set_volume("unenriched");
  pipeline.mutable_on()->add_match("**/*.csv");
  pipeline.mutable_run()->add_command("true");
  return pipeline;
}

TEST(PipelineCodecTest, FillsInDefaults) {
  absl::StatusOr<Pipeline> pipeline = DecodePipeline(Smallest());
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  EXPECT_EQ(pipeline->name, "enrich");
  EXPECT_EQ(pipeline->volume, "unenriched");
  EXPECT_EQ(pipeline->match.at(0).pattern(), "**/*.csv");
  EXPECT_EQ(pipeline->when, When::kCloseWrite);
  EXPECT_EQ(pipeline->settle, absl::ZeroDuration());
  EXPECT_EQ(pipeline->evidence, Evidence::kUnchecked);
  EXPECT_EQ(pipeline->on_new_version, OnNewVersion::kQueue);
  EXPECT_EQ(pipeline->timeout, absl::InfiniteDuration());
  EXPECT_EQ(pipeline->visible_within, absl::Seconds(30));
  EXPECT_EQ(pipeline->kill_after, absl::Seconds(5));
  EXPECT_EQ(pipeline->output_volume, "");
  EXPECT_EQ(pipeline->retry.attempts, 5);
  EXPECT_EQ(pipeline->retry.backoff, absl::Seconds(1));
  EXPECT_EQ(pipeline->retry.backoff_max, absl::Minutes(5));
  EXPECT_EQ(pipeline->retry.on_lost, OnLost::kRetry);
  EXPECT_EQ(pipeline->retry.crash_attempts, 3);
  EXPECT_EQ(pipeline->priority, 0);
}

TEST(PipelineCodecTest, TakesEverythingThatCanBeSaid) {
  v1::Pipeline message = Smallest();
  ASSERT_TRUE(ParseYaml("p.yaml", R"(
name: enrich
on: {volume: in, match: ["*.csv"], ignore: ["x*"], when: rename, settle: 2s, evidence: linked,
     on_new_version: supersede}
run: {command: [Rscript, "{input}"], labels: [net, internet, net], timeout: 1h, env: {A: b},
      visible_within: 5s, kill_after: 1s, wd: /srv/r, run_as: enrich, nice: 10,
      secrets_from: /etc/closewrite/api.env, limits: {nofile: 4096, memory: 1.5GiB, cpu: 0.25}}
publish: {volume: out}
retry: {attempts: 2, backoff: 10m, on_lost: fail, crash_attempts: 1}
locks: [b, a]
priority: -3
)",
                        &message)
                  .ok());
  absl::StatusOr<Pipeline> pipeline = DecodePipeline(message);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  EXPECT_EQ(pipeline->wd, "/srv/r");
  EXPECT_EQ(pipeline->run_as, "enrich");
  EXPECT_EQ(pipeline->secrets_from, "/etc/closewrite/api.env");
  EXPECT_EQ(pipeline->nice, 10);
  EXPECT_EQ(pipeline->nofile, 4096);
  EXPECT_EQ(pipeline->memory_bytes, int64_t{3} << 29);
  EXPECT_EQ(pipeline->cpu_millis, 250);
  EXPECT_EQ(pipeline->when, When::kRename);
  EXPECT_EQ(pipeline->settle, absl::Seconds(2));
  EXPECT_EQ(pipeline->evidence, Evidence::kLinked);
  EXPECT_EQ(pipeline->on_new_version, OnNewVersion::kSupersede);
  EXPECT_EQ(pipeline->labels, (std::vector<std::string>{"internet", "net"}));
  EXPECT_EQ(pipeline->locks, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(pipeline->timeout, absl::Hours(1));
  EXPECT_EQ(pipeline->env.at("A"), "b");
  EXPECT_EQ(pipeline->output_volume, "out");
  EXPECT_EQ(pipeline->retry.backoff_max, absl::Minutes(10));  // never shorter than the first pause
  EXPECT_EQ(pipeline->retry.on_lost, OnLost::kFail);
  EXPECT_EQ(pipeline->priority, -3);
}

// A trigger as YAML, read, decoded, kept and decoded again.
absl::StatusOr<Pipeline> DecodeTrigger(const std::string& trigger) {
  v1::Pipeline message;
  absl::Status parsed = ParseYaml("p.yaml",
                                  "name: enrich\non: {volume: in, match: [\"*.csv\"], " + trigger +
                                      "}\nrun: {command: [\"true\"]}\n",
                                  &message);
  if (!parsed.ok()) return parsed;
  absl::StatusOr<Pipeline> pipeline = DecodePipeline(message);
  return pipeline.ok() ? DecodeStoredPipeline(pipeline->definition) : pipeline;
}

TEST(PipelineCodecTest, ContractsAreNamedByWhenOrByWhatOnlyTheyHave) {
  struct Row {
    std::string trigger;
    When when;
    Evidence evidence = Evidence::kUnchecked;
    absl::Duration quiet = absl::ZeroDuration();
  };
  const Row rows[] = {
      {"when: close_write", When::kCloseWrite},
      {"evidence: quiet", When::kCloseWrite, Evidence::kQuiet, absl::Seconds(2)},
      {"when: rename", When::kRename},
      {"when: marker, marker: \"{name}.done\"", When::kMarker},
      {"marker: \"{name}.done\"", When::kMarker},
      {"when: quiet", When::kQuiet, Evidence::kUnchecked, absl::Seconds(2)},
      {"when: quiet, evidence: quiet", When::kQuiet, Evidence::kQuiet, absl::Seconds(2)},
      {"quiet: 100ms", When::kQuiet, Evidence::kUnchecked, absl::Milliseconds(100)},
      {"quiet: 1h", When::kQuiet, Evidence::kUnchecked, absl::Hours(1)},
      {"when: create", When::kCreate},
      {"when: delete", When::kDelete},
      {"events: [CREATE, DELETE]", When::kNames},
  };
  for (const Row& row : rows) {
    absl::StatusOr<Pipeline> pipeline = DecodeTrigger(row.trigger);
    ASSERT_TRUE(pipeline.ok()) << row.trigger << ": " << pipeline.status();
    EXPECT_EQ(pipeline->when, row.when) << row.trigger;
    EXPECT_EQ(pipeline->evidence, row.evidence) << row.trigger;
    EXPECT_EQ(pipeline->quiet, row.quiet) << row.trigger;
    EXPECT_EQ(pipeline->marker.suffix, row.when == When::kMarker ? ".done" : "") << row.trigger;
  }
  EXPECT_EQ(DecodeTrigger("marker: \".{name}\"")->marker.prefix, ".");
}

TEST(PipelineCodecTest, ContradictionsSayWhatToDo) {
  EXPECT_EQ(DecodeTrigger("marker: done").status().message(),
            "on.marker: must hold {name}, the file's own name, once, such as \"{name}.done\"");
  EXPECT_EQ(DecodeTrigger("marker: \"{name}.done\", when: rename").status().message(),
            "on.marker: means `when: marker`, not `when: rename`; leave one of them out");
  EXPECT_EQ(DecodeTrigger("quiet: 2h").status().message(), "on.quiet: is 2h; give 100ms to 1h");
}

TEST(PipelineCodecTest, TheDefinitionIsTheSameBytesForTheSameMeaning) {
  v1::Pipeline implicit = Smallest();
  for (int i = 0; i < 20; ++i) {
    (*implicit.mutable_run()->mutable_env())["V" + std::to_string(i)] = "x";
  }
  implicit.add_locks("b");
  implicit.add_locks("a");
  const std::string definition = DecodePipeline(implicit)->definition;

  v1::Pipeline explicit_one = implicit;
  explicit_one.mutable_run()->clear_env();
  for (int i = 19; i >= 0; --i) {
    (*explicit_one.mutable_run()->mutable_env())["V" + std::to_string(i)] = "x";
  }
  explicit_one.mutable_on()->set_when(v1::WHEN_CLOSE_WRITE);
  explicit_one.mutable_retry()->set_attempts(5);
  explicit_one.clear_locks();
  explicit_one.add_locks("a");
  explicit_one.add_locks("b");
  explicit_one.add_locks("a");
  EXPECT_EQ(DecodePipeline(explicit_one)->definition, definition);

  EXPECT_EQ(DecodeStoredPipeline(definition)->definition, definition);
  EXPECT_EQ(ParseDefinition(definition)->retry().attempts(), 5);
}

TEST(PipelineCodecTest, ADamagedDefinitionIsAnInternalError) {
  EXPECT_EQ(DecodeStoredPipeline("\xff\xff\xff").status().code(), absl::StatusCode::kInternal);
}

// A way to spoil the smallest pipeline, and the field that is to be named.
struct Mistake {
  std::string field;
  std::function<void(v1::Pipeline&)> spoil;
};

void ExpectNamed(const Mistake& mistake) {
  v1::Pipeline message = Smallest();
  mistake.spoil(message);
  const absl::Status status = DecodePipeline(message).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << mistake.field;
  EXPECT_EQ(std::string(status.message()).rfind(mistake.field + ": ", 0), 0u)
      << mistake.field << " / " << status.message();
}

TEST(PipelineCodecTest, EveryMistakeNamesItsField) {
  const auto set = [](google::protobuf::Duration* field, absl::Duration value) {
    *field = ToProto(value);
  };
  const auto limit = [&](v1::Pipeline& p, const std::string& name, int64_t calls,
                         absl::Duration per) {
    p.mutable_rate()->set_name(name);
    p.mutable_rate()->set_limit(calls);
    set(p.mutable_rate()->mutable_per(), per);
  };
  const Mistake kMistakes[] = {
      {"name", [](auto& p) { p.clear_name(); }},
      {"name", [](auto& p) { p.set_name("with blank"); }},
      {"on.volume", [](auto& p) { p.mutable_on()->clear_volume(); }},
      {"on.match", [](auto& p) { p.mutable_on()->clear_match(); }},
      {"on.match[1]", [](auto& p) { p.mutable_on()->add_match("[a"); }},
      {"on.match",
       [](auto& p) {
         for (int i = 0; i < 64; ++i) p.mutable_on()->add_match("*");
       }},
      {"on.ignore[0]", [](auto& p) { p.mutable_on()->add_ignore("{a"); }},
      {"on.when", [](auto& p) { p.mutable_on()->set_when(static_cast<v1::When>(99)); }},
      {"on.events", [](auto& p) { p.mutable_on()->set_when(v1::WHEN_NAMES); }},
      {"on.events",
       [](auto& p) {
         p.mutable_on()->set_when(v1::WHEN_CREATE);
         p.mutable_on()->add_events(v1::EVENT_KIND_DELETE);
       }},
      {"on.events[0]", [](auto& p) { p.mutable_on()->add_events(v1::EVENT_KIND_CLOSE_WRITE); }},
      {"rate.name", [&](auto& p) { limit(p, "", 1, absl::Seconds(1)); }},
      {"rate.limit", [&](auto& p) { limit(p, "x", 0, absl::Seconds(1)); }},
      {"rate.per", [&](auto& p) { limit(p, "x", 1, absl::ZeroDuration()); }},
      {"on.settle", [&](auto& p) { set(p.mutable_on()->mutable_settle(), absl::Seconds(-1)); }},
      {"on.settle", [&](auto& p) { set(p.mutable_on()->mutable_settle(), absl::Hours(25)); }},
      {"on.evidence", [](auto& p) { p.mutable_on()->set_evidence(static_cast<v1::Evidence>(99)); }},
      {"on.evidence",
       [](auto& p) {
         p.mutable_on()->set_when(v1::WHEN_CREATE);
         p.mutable_on()->set_evidence(v1::EVIDENCE_CLOSED);
       }},
      {"on.evidence",
       [](auto& p) {
         p.mutable_on()->set_when(v1::WHEN_QUIET);
         p.mutable_on()->set_evidence(v1::EVIDENCE_CLOSED);
       }},
      {"on.marker", [](auto& p) { p.mutable_on()->set_when(v1::WHEN_MARKER); }},
      {"on.marker", [](auto& p) { p.mutable_on()->set_marker("done"); }},
      {"on.marker", [](auto& p) { p.mutable_on()->set_marker("{name}"); }},
      {"on.marker", [](auto& p) { p.mutable_on()->set_marker("{name}.{name}"); }},
      {"on.marker", [](auto& p) { p.mutable_on()->set_marker("ready/{name}"); }},
      {"on.marker", [](auto& p) { p.mutable_on()->set_marker(std::string("{name}\0", 7)); }},
      {"on.marker", [](auto& p) { p.mutable_on()->set_marker("{name}" + std::string(255, 'x')); }},
      {"on.marker",
       [](auto& p) {
         p.mutable_on()->set_marker("{name}.done");
         p.mutable_on()->set_when(v1::WHEN_RENAME);
       }},
      {"on.quiet", [&](auto& p) { set(p.mutable_on()->mutable_quiet(), absl::Milliseconds(99)); }},
      {"on.quiet", [&](auto& p) { set(p.mutable_on()->mutable_quiet(), absl::Hours(2)); }},
      {"on.quiet",
       [&](auto& p) {
         set(p.mutable_on()->mutable_quiet(), absl::Seconds(2));
         p.mutable_on()->set_when(v1::WHEN_CLOSE_WRITE);
       }},
      {"on.quiet",
       [&](auto& p) {
         set(p.mutable_on()->mutable_quiet(), absl::Seconds(2));
         p.mutable_on()->set_marker("{name}.done");
       }},
      {"on.on_new_version",
       [](auto& p) { p.mutable_on()->set_on_new_version(static_cast<v1::OnNewVersion>(99)); }},
      {"run.command", [](auto& p) { p.mutable_run()->clear_command(); }},
      {"run.command[1]", [](auto& p) { p.mutable_run()->add_command(""); }},
      {"run.command[1]", [](auto& p) { p.mutable_run()->add_command(std::string("a\0b", 3)); }},
      {"run.command",
       [](auto& p) {
         for (int i = 0; i < 1024; ++i) p.mutable_run()->add_command("x");
       }},
      {"run.command", [](auto& p) { p.mutable_run()->add_command(std::string(300 << 10, 'x')); }},
      {"run.labels[0]", [](auto& p) { p.mutable_run()->add_labels("no/slash"); }},
      {"run.timeout",
       [&](auto& p) { set(p.mutable_run()->mutable_timeout(), absl::ZeroDuration()); }},
      {"run.env[A=B]", [](auto& p) { (*p.mutable_run()->mutable_env())["A=B"] = ""; }},
      {"run.env[A]",
       [](auto& p) { (*p.mutable_run()->mutable_env())["A"] = std::string(1, '\0'); }},
      {"run.env[CLOSEWRITE_JOB]",
       [](auto& p) { (*p.mutable_run()->mutable_env())["CLOSEWRITE_JOB"] = "1"; }},
      {"run.visible_within",
       [&](auto& p) { set(p.mutable_run()->mutable_visible_within(), absl::Hours(2)); }},
      {"run.kill_after",
       [&](auto& p) { set(p.mutable_run()->mutable_kill_after(), absl::Seconds(-1)); }},
      {"run.wd", [](auto& p) { p.mutable_run()->set_wd("srv/r"); }},
      {"run.wd", [](auto& p) { p.mutable_run()->set_wd("/" + std::string(5000, 'x')); }},
      {"run.secrets_from", [](auto& p) { p.mutable_run()->set_secrets_from("~/api.env"); }},
      {"run.run_as", [](auto& p) { p.mutable_run()->set_run_as("two users"); }},
      {"run.run_as", [](auto& p) { p.mutable_run()->set_run_as("1:1"); }},
      {"run.nice", [](auto& p) { p.mutable_run()->set_nice(-1); }},
      {"run.nice", [](auto& p) { p.mutable_run()->set_nice(20); }},
      {"run.limits.nofile", [](auto& p) { p.mutable_run()->mutable_limits()->set_nofile(3); }},
      {"run.limits.memory", [](auto& p) { p.mutable_run()->mutable_limits()->set_memory("2G"); }},
      {"run.limits.memory", [](auto& p) { p.mutable_run()->mutable_limits()->set_memory("3MiB"); }},
      {"run.limits.cpu", [](auto& p) { p.mutable_run()->mutable_limits()->set_cpu(-1); }},
      {"run.limits.cpu", [](auto& p) { p.mutable_run()->mutable_limits()->set_cpu(2000); }},
      {"run.limits.cpu", [](auto& p) { p.mutable_run()->mutable_limits()->set_cpu(std::nan("")); }},
      {"publish.volume", [](auto& p) { p.mutable_publish(); }},
      {"publish.volume", [](auto& p) { p.mutable_publish()->set_volume("unenriched"); }},
      {"retry.attempts", [](auto& p) { p.mutable_retry()->set_attempts(-1); }},
      {"retry.attempts", [](auto& p) { p.mutable_retry()->set_attempts(1001); }},
      {"retry.crash_attempts", [](auto& p) { p.mutable_retry()->set_crash_attempts(1001); }},
      {"retry.backoff",
       [&](auto& p) { set(p.mutable_retry()->mutable_backoff(), absl::ZeroDuration()); }},
      {"retry.backoff_max",
       [&](auto& p) { set(p.mutable_retry()->mutable_backoff_max(), absl::Milliseconds(500)); }},
      {"retry.on_lost",
       [](auto& p) { p.mutable_retry()->set_on_lost(static_cast<v1::OnLost>(9)); }},
      {"locks[0]", [](auto& p) { p.add_locks(""); }},
      {"locks",
       [](auto& p) {
         for (int i = 0; i < 17; ++i) p.add_locks("lock-" + std::to_string(i));
       }},
      {"priority", [](auto& p) { p.set_priority(1001); }},
  };
  for (const Mistake& mistake : kMistakes) ExpectNamed(mistake);
}

TEST(PipelineCodecTest, AllMistakesOfAFileAreNamedTogether) {
  google::protobuf::RepeatedPtrField<v1::Pipeline> file;
  *file.Add() = Smallest();
  *file.Add() = Smallest();
  file[1].mutable_run()->clear_command();
  const absl::Status status = DecodePipelines(file).status();
  EXPECT_NE(status.message().find("pipelines[1].run.command: is empty"), absl::string_view::npos);
  EXPECT_NE(status.message().find("pipelines[1].name: \"enrich\" is there twice"),
            absl::string_view::npos);
  EXPECT_EQ(status.message().find("pipelines[0]"), absl::string_view::npos);
}

TEST(PipelineCodecTest, AFileHasOneToAThousandPipelines) {
  google::protobuf::RepeatedPtrField<v1::Pipeline> file;
  EXPECT_EQ(DecodePipelines(file).status().code(), absl::StatusCode::kInvalidArgument);
  for (int i = 0; i < 1000; ++i) {
    *file.Add() = Smallest();
    file[i].set_name("p" + std::to_string(i));
  }
  EXPECT_EQ(DecodePipelines(file)->size(), 1000u);
  *file.Add() = Smallest();
  EXPECT_EQ(DecodePipelines(file).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace closewrite
