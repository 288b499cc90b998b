#include "services/config/config.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "closewrite/v1/config.pb.h"
#include "closewrite/v1/file.pb.h"
#include "closewrite/v1/pipeline.pb.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "services/config/enum_name.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

using google::protobuf::util::MessageDifferencer;
using std::string_literals::operator""s;

std::string Error(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  const std::string message(status.message());
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  return message;
}

template <class Message>
std::string ParseError(const std::string& text) {
  Message message;
  const std::string error = Error(ParseYaml("f.yaml", text, &message));
  EXPECT_TRUE(MessageDifferencer::Equals(message, Message())) << "changed in spite of an error";
  return error;
}

TEST(ParseYamlTest, Watcher) {
  v1::WatcherConfig config;
  const absl::Status status = ParseYaml("watcher.yaml", R"(
# a comment
host: vm-b
listen: 0.0.0.0:7401
coordinator: vm-a:7400,vm-b:7400
state: /var/lib/closewrite/watcher
volumes:
  unenriched: {path: /srv/unenriched}
  "other one":
    path: '/srv/o'
    read_only: true
    ignore: ["*.part", '*~']
reflection: false
)",
                                        &config);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(config.host(), "vm-b");
  EXPECT_EQ(config.coordinator(), "vm-a:7400,vm-b:7400");
  EXPECT_EQ(config.volumes().at("unenriched").path(), "/srv/unenriched");
  const v1::WatchedVolume& other = config.volumes().at("other one");
  EXPECT_TRUE(other.read_only());
  ASSERT_EQ(other.ignore_size(), 2);
  EXPECT_EQ(other.ignore(0), "*.part");
  EXPECT_TRUE(config.has_reflection());
  EXPECT_FALSE(config.reflection());
}

TEST(ParseYamlTest, Pipelines) {
  v1::PipelineFile file;
  const absl::Status status = ParseYaml("p.yaml", R"(
pipelines:
  - name: enrich
    on: {volume: unenriched, match: ["**/*.csv"], when: close_write, settle: 1.5s,
         evidence: moved_in, on_new_version: supersede}
    run:
      command: [Rscript, enrich.R, "{input}", 7, 1.10, true, no, null_is_text]
      timeout: 1h
      env: {A: 1, B: yes, C: 0x10, D: ""}
    publish: {volume: enriched}
    retry: {attempts: 3, backoff: 100ms, backoff_max: 2d, on_lost: FAIL}
    priority: -5
)",
                                        &file);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_EQ(file.pipelines_size(), 1);
  const v1::Pipeline& p = file.pipelines(0);
  EXPECT_EQ(p.on().when(), v1::WHEN_CLOSE_WRITE);
  EXPECT_EQ(p.on().evidence(), v1::EVIDENCE_MOVED_IN);
  EXPECT_EQ(p.on().on_new_version(), v1::ON_NEW_VERSION_SUPERSEDE);
  EXPECT_EQ(FromProto(p.on().settle()), absl::Milliseconds(1500));
  ASSERT_EQ(p.run().command_size(), 8);
  EXPECT_EQ(p.run().command(3), "7");
  EXPECT_EQ(p.run().command(4), "1.10");
  EXPECT_EQ(p.run().command(5), "true");
  EXPECT_EQ(p.run().command(6), "no");
  EXPECT_EQ(FromProto(p.run().timeout()), absl::Hours(1));
  EXPECT_EQ(p.run().env().at("A"), "1");
  EXPECT_EQ(p.run().env().at("B"), "yes");
  EXPECT_EQ(p.run().env().at("C"), "0x10");
  EXPECT_EQ(p.run().env().at("D"), "");
  EXPECT_EQ(FromProto(p.retry().backoff_max()), absl::Hours(48));
  EXPECT_EQ(p.retry().on_lost(), v1::ON_LOST_FAIL);
  EXPECT_EQ(p.priority(), -5);
}

TEST(ParseYamlTest, OtherKindsOfFields) {
  v1::FileEvent event;
  const absl::Status status = ParseYaml("e.yaml", R"(
sequence: 9223372036854775807
kind: CLOSE_WRITE
evidence: 4
source: EVENT_SOURCE_RESCAN
file: {volume: v, path: "M\u00fcnchen\0x", inode: 18446744073709551615, size: "12", mtime_ns: -1}
observed_at: 2026-11-22T10:55:03.5Z
)",
                                        &event);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(event.sequence(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(event.kind(), v1::EVENT_KIND_CLOSE_WRITE);
  EXPECT_EQ(event.evidence(), v1::EVIDENCE_FOUND);
  EXPECT_EQ(event.source(), v1::EVENT_SOURCE_RESCAN);
  EXPECT_EQ(event.file().path(), "M\xc3\xbcnchen\0x"s);
  EXPECT_EQ(event.file().inode(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(event.file().size(), 12);
  EXPECT_EQ(event.file().mtime_ns(), -1);
  EXPECT_EQ(event.observed_at().nanos(), 500'000'000);
}

TEST(ParseYamlTest, EmptyFilesAndEmptyValues) {
  for (const char* text : {"", "\n", "# only a comment\n", "---\n", "{}", "~", "volumes:\n",
                           "volumes: {}\n", "volumes:\n  # a: {path: /a}\n"}) {
    v1::WatcherConfig config;
    config.set_host("replaced");
    const absl::Status status = ParseYaml("f.yaml", text, &config);
    EXPECT_TRUE(status.ok()) << text << status;
    EXPECT_TRUE(MessageDifferencer::Equals(config, v1::WatcherConfig())) << text;
  }
}

TEST(ParseYamlTest, AnchorsAndAliases) {
  v1::WatcherConfig config;
  const absl::Status status =
      ParseYaml("f.yaml", "volumes:\n  a: &a {path: /x}\n  b: *a\n", &config);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(config.volumes().at("b").path(), "/x");
}

TEST(ParseYamlTest, WrongWatchers) {
  const struct {
    std::string text, error;
  } kCases[] = {
      {"lisen: x", "f.yaml:1: unknown key \"lisen\"; did you mean \"listen\"?"},
      {"a: 1\nzzzzzz: x",
       "f.yaml:1: unknown key \"a\"; known are host, listen, coordinator, state, "
       "volumes, reflection, metrics, tls, probes"},
      {"Host: x", "f.yaml:1: unknown key \"Host\"; did you mean \"host\"?"},
      {"\n\nvolumes:\n  a: {pth: /x}",
       "f.yaml:4: unknown key \"pth\" in volumes.a; did you mean \"path\"?"},
      {"volumes:\n  a: {readOnly: true}",
       "f.yaml:2: unknown key \"readOnly\" in volumes.a; did you mean \"read_only\"?"},
      {"host: a\nlisten: b\nhost: c",
       "f.yaml:3: key \"host\" is repeated; it stands in line 1 too, keep one of them"},
      {"volumes:\n  a: {path: /x}\n  b: {path: /y}\n  a: {path: /z}",
       "f.yaml:4: key \"a\" in volumes is repeated; it stands in line 2 too, keep one of them"},
      {"host:", "f.yaml:1: host has no value; give it one, or remove the line"},
      {"host: null", "f.yaml:1: host has no value; give it one, or remove the line"},
      {"host: [a]",
       "f.yaml:1: host: expected a single value, not a list; quote it if it is meant as "
       "text"},
      {"host: {a: b}",
       "f.yaml:1: host: expected a single value, not a map; quote it if it is meant "
       "as text"},
      {"reflection: yes", "f.yaml:1: reflection: expected true or false, not \"yes\""},
      {"reflection: 1", "f.yaml:1: reflection: expected true or false, not \"1\""},
      {"volumes: [a, b]",
       "f.yaml:1: volumes: expected names and values, not a list; write `name: "
       "...` below it"},
      {"volumes: /srv",
       "f.yaml:1: volumes: expected names and values, not \"/srv\"; write `name: "
       "...` below it"},
      {"volumes:\n  a: /srv",
       "f.yaml:2: volumes.a: expected keys and values, not \"/srv\"; known "
       "are path, read_only, ignore, backend, poll, poll_unchanged, "
       "audit, nfs_exported, writer_check"},
      {"volumes:\n  a:",
       "f.yaml:2: volumes.a: expected keys and values, not nothing; known are "
       "path, read_only, ignore, backend, poll, poll_unchanged, "
       "audit, nfs_exported, writer_check"},
      {"volumes:\n  a:\n    ignore: '*.part'",
       "f.yaml:3: volumes.a.ignore: expected a list, not \"*.part\"; write ignore: [\"*.part\"]"},
      {"volumes:\n  a:\n    ignore: {x: y}",
       "f.yaml:3: volumes.a.ignore: expected a list, not a map; "
       "put `- ` before each of its entries"},
      {"volumes:\n  a:\n    ignore: [a, [b]]",
       "f.yaml:3: volumes.a.ignore[1]: expected a single value, not a list; quote it if it is "
       "meant "
       "as text"},
      {"volumes:\n  a:\n    ignore: [a, ]\n    ignore: []",
       "f.yaml:4: key \"ignore\" in volumes.a is repeated; it stands in line 3 too, keep one of "
       "them"},
      {"- host: a",
       "f.yaml:1: expected keys and values, not a list; known are host, listen, "
       "coordinator, state, volumes, reflection, metrics, tls, probes"},
      {"just text",
       "f.yaml:1: expected keys and values, not \"just text\"; known are host, listen, "
       "coordinator, state, volumes, reflection, metrics, tls, probes"},
      {"? [a]\n: b", "f.yaml:1: expected a key, not a list; write `name: value`"},
      {"host: a\n---\nhost: b",
       "f.yaml:2: here starts a second document, or something that belongs "
       "to nothing; keep one document a file, and look for a stray ',' or "
       "'---'"},
      {", a",
       "f.yaml:1: here starts a second document, or something that belongs to nothing; keep "
       "one document a file, and look for a stray ',' or '---'"},
      {"host: a\nlisten: \xff", "f.yaml:2: is not UTF-8; save the file as UTF-8"},
      {"a\nb\tc: \xff", "f.yaml:2: is not UTF-8; save the file as UTF-8"},
      {"host: 'a\n'b", ""},
      {"host: \"a", ""},
      {"host: {a", ""},
      {"host: [a", ""},
      {"host: a: b", ""},
      {"host: a\n  listen: b", ""},
      {"host: *nowhere", ""},
      {"host: @x", ""},
      {"\thost: x", ""},
  };
  for (const auto& c : kCases) {
    const std::string error = ParseError<v1::WatcherConfig>(c.text);
    if (!c.error.empty()) {
      EXPECT_EQ(error, c.error);
    } else {
      EXPECT_NE(error.find(": cannot be read as YAML: "), std::string::npos) << error;
    }
    EXPECT_EQ(error.rfind("f.yaml:", 0), 0u) << error;
  }
}

TEST(ParseYamlTest, WrongPipelines) {
  const auto on = [](const std::string& text) {
    return StrCat("pipelines:\n  - name: x\n    on:\n      volume: v\n      ", text, "\n");
  };
  const std::string whens = absl::StrJoin(ShortNames(*v1::When_descriptor()), ", ");
  const struct {
    std::string text, error;
  } kCases[] = {
      {on("setle: 2s"),
       "f.yaml:5: unknown key \"setle\" in pipelines[0].on; did you mean \"settle\"?"},
      {on("settle: 2"),
       "f.yaml:5: pipelines[0].on.settle: \"2\" is not a duration: it has no unit; "
       "write a number and a unit, such as 100ms, 2s, 5m, 1h, 2d"},
      {on("settle: -2s"),
       "f.yaml:5: pipelines[0].on.settle: \"-2s\" is not a duration that can be "
       "waited for: it is negative; write a number and a unit, such as 100ms, 2s, "
       "5m, 1h, 2d"},
      {on("settle: 2 weeks"),
       "f.yaml:5: pipelines[0].on.settle: \"2 weeks\" is not a duration: unit "
       "\" weeks\"; write a number and a unit, such as 100ms, 2s, 5m, 1h, 2d"},
      {on("when: IN_CREATED"),
       "f.yaml:5: pipelines[0].on.when: \"IN_CREATED\" is not possible here; did you mean "
       "\"create\"? (the kernel's name is IN_CREATE, which comes before the data is there; "
       "close_write waits for it)"},
      {on("when: created"),
       "f.yaml:5: pipelines[0].on.when: \"created\" is not possible here; did you mean "
       "\"create\"? (the kernel's name is IN_CREATE, which comes before the data is there; "
       "close_write waits for it)"},
      {on("when: IN_CLOSE_WRITE"),
       "f.yaml:5: pipelines[0].on.when: \"IN_CLOSE_WRITE\" is not "
       "possible here; did you mean \"close_write\"?"},
      {on("when: close-write"),
       "f.yaml:5: pipelines[0].on.when: \"close-write\" is not possible "
       "here; did you mean \"close_write\"?"},
      {on("when: clos_write"),
       "f.yaml:5: pipelines[0].on.when: \"clos_write\" is not possible here; "
       "did you mean \"close_write\"?"},
      {on("when: modified"),
       "f.yaml:5: pipelines[0].on.when: \"modified\" is not possible here; did "
       "you mean \"close_write\"? (the kernel's name is IN_MODIFY)"},
      {on("when: IN_MOVED_TO"),
       "f.yaml:5: pipelines[0].on.when: \"IN_MOVED_TO\" is not possible "
       "here; did you mean \"rename\"? (the kernel's name is IN_MOVED_TO)"},
      {on("when: unspecified"), StrCat("f.yaml:5: pipelines[0].on.when: \"unspecified\" is not "
                                       "possible here; known are ",
                                       whens)},
      {on("when: 0"),
       StrCat("f.yaml:5: pipelines[0].on.when: \"0\" is not possible here; known are ", whens)},
      {on("when: [close_write]"),
       "f.yaml:5: pipelines[0].on.when: expected a single value, not a "
       "list; quote it if it is meant as text"},
      {on("match: '*.csv'"),
       "f.yaml:5: pipelines[0].on.match: expected a list, not \"*.csv\"; write "
       "match: [\"*.csv\"]"},
      {on("match: [a, ~]"),
       "f.yaml:5: pipelines[0].on.match[1]: expected a single value, not "
       "nothing; quote it if it is meant as text"},
      {"pipelines:\n  name: x",
       "f.yaml:2: pipelines: expected a list, not a map; put `- ` before "
       "each of its entries"},
      {"pipelines:\n  - priority: high",
       "f.yaml:2: pipelines[0].priority: expected a whole number from -2147483648 to 2147483647, "
       "not "
       "\"high\""},
      {"pipelines:\n  - priority: 2147483648",
       "f.yaml:2: pipelines[0].priority: expected a whole number from -2147483648 to 2147483647, "
       "not "
       "\"2147483648\""},
      {"pipelines:\n  - priority: 1.0",
       "f.yaml:2: pipelines[0].priority: expected a whole number from -2147483648 to 2147483647, "
       "not "
       "\"1.0\""},
      {"pipelines:\n  - run: {command: Rscript x.R}",
       "f.yaml:2: pipelines[0].run.command: expected a list, not \"Rscript x.R\"; write command: "
       "[\"Rscript\", \"x.R\"]"},
      {"pipelines:\n  - run:\n      env:\n        - A=1",
       "f.yaml:4: pipelines[0].run.env: expected names and values, not a list; write `name: ...` "
       "below it"},
      {"pipelines:\n  - run: {env: {A: }}",
       "f.yaml:2: pipelines[0].run.env.A: expected a single value, not nothing; quote it if it is "
       "meant as text"},
      {"pipelines: [{name: a}, {nam: b}]",
       "f.yaml:1: unknown key \"nam\" in pipelines[1]; did you mean \"name\"?"},
  };
  for (const auto& c : kCases) EXPECT_EQ(ParseError<v1::PipelineFile>(c.text), c.error);
}

TEST(ParseYamlTest, BadTimestampsAreRefusedWithThePlaceOfTheFile) {
  const std::string error = ParseError<v1::FileEvent>("observed_at: yesterday");
  EXPECT_EQ(error.rfind("f.yaml:", 0), 0u) << error;
  EXPECT_NE(error.find("yesterday"), std::string::npos) << error;
}

TEST(ParseYamlTest, MessagesShowBytesEscapedAndCut) {
  EXPECT_EQ(
      ParseError<v1::WatcherConfig>("\"a\\nb\": 1").rfind("f.yaml:1: unknown key \"a\\nb\"", 0),
      0u);
  const std::string error = ParseError<v1::WatcherConfig>("reflection: " + std::string(5000, 'x'));
  EXPECT_LT(error.size(), 300u);
  v1::WatcherConfig config;
  EXPECT_EQ(Error(ParseYaml("a\nb", "x: 1", &config)).rfind("a\\nb:1: ", 0), 0u);
}

TEST(LoadYamlTest, FilesThatCannotBeRead) {
  v1::WatcherConfig config;
  const absl::Status missing = LoadYaml("/no/such.yaml", &config);
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(std::string(missing.message()).find("/no/such.yaml"), std::string::npos);
  EXPECT_EQ(LoadYaml("/", &config).code(), absl::StatusCode::kInvalidArgument);
  const std::string file = StrCat(testing::TempDir(), "/load_yaml_test.yaml");
  std::ofstream(file) << "host: vm-b\nlisten: [\n";
  EXPECT_EQ(Error(LoadYaml(file, &config)).rfind(file + ":", 0), 0u);
  std::ofstream(file) << "host: vm-b\n";
  ASSERT_TRUE(LoadYaml(file, &config).ok());
  EXPECT_EQ(config.host(), "vm-b");
  if (geteuid() != 0) {
    ASSERT_EQ(chmod(file.c_str(), 0), 0);
    EXPECT_EQ(LoadYaml(file, &config).code(), absl::StatusCode::kPermissionDenied);
  }
}

TEST(SetFieldTest, Overrides) {
  v1::ExecutorConfig config;
  config.set_slots(9);
  config.set_listen("old");
  EXPECT_TRUE(SetField("CLOSEWRITE_LISTEN", "listen", "0.0.0.0:1 # a: [b", &config).ok());
  EXPECT_TRUE(SetField("CLOSEWRITE_SLOTS", "slots", "0", &config).ok());
  EXPECT_TRUE(SetField("--reflection", "reflection", "false", &config).ok());
  EXPECT_TRUE(SetField("--drain_timeout", "drain_timeout", "1m", &config).ok());
  EXPECT_TRUE(SetField("--labels", "labels", "internet, gpu", &config).ok());
  EXPECT_EQ(config.listen(), "0.0.0.0:1 # a: [b");
  EXPECT_EQ(config.slots(), 0);
  EXPECT_TRUE(config.has_reflection());
  EXPECT_EQ(config.drain_timeout().seconds(), 60);
  ASSERT_EQ(config.labels_size(), 2);
  EXPECT_EQ(config.labels(1), "gpu");
  EXPECT_TRUE(SetField("--labels", "labels", "x", &config).ok());
  EXPECT_EQ(config.labels_size(), 1);
}

TEST(SetFieldTest, Refuses) {
  v1::ExecutorConfig config;
  config.set_slots(9);
  EXPECT_EQ(Error(SetField("--slots", "slots", "many", &config)),
            "--slots: expected a whole number from -2147483648 to 2147483647, not \"many\"");
  EXPECT_EQ(Error(SetField("CLOSEWRITE_SLOT", "slot", "1", &config)),
            "CLOSEWRITE_SLOT: unknown field \"slot\"; did you mean \"slots\"?");
  EXPECT_EQ(
      Error(SetField("CLOSEWRITE_VOLUMES", "volumes", "x", &config)),
      "CLOSEWRITE_VOLUMES: \"volumes\" is not a single value; set it in the configuration file");
  EXPECT_EQ(Error(SetField("--host", "host", "\xff", &config)),
            "--host: \"\\xff\" is not UTF-8; save it as UTF-8");
  EXPECT_EQ(config.slots(), 9);
}

}  // namespace
}  // namespace closewrite
