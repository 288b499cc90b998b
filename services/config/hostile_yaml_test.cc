// Text that was never meant to be a configuration: it is refused in one line, in little time and
// memory. yaml-cpp 0.7 alone uses up the machine's memory on `, a` (YAML::LoadAll).
#include <sys/resource.h>

#include <random>
#include <string>
#include <vector>

#include "closewrite/v1/config.pb.h"
#include "closewrite/v1/pipeline.pb.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "services/config/config.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

using google::protobuf::util::MessageDifferencer;

// More memory than a test needs, and less than a machine has: a parser that runs wild fails its
// test and leaves its neighbours alone. (Sanitizers reserve far more than they use.)
constexpr rlim_t kAddressSpaceBytesMax = rlim_t{4} << 30;

void LimitMemory() {
#ifndef CLOSEWRITE_SANITIZED
  const rlimit limit = {kAddressSpaceBytesMax, kAddressSpaceBytesMax};
  ASSERT_EQ(setrlimit(RLIMIT_AS, &limit), 0);
#endif
}

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

TEST(HostileYamlTest, BombsAreRefusedInLittleTime) {
  LimitMemory();
  // Nine levels of nine aliases each would be 387 million values.
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  std::string list;
  for (int i = 1; i < 9; ++i) {
    list = StrCat("[*a", i - 1);
    for (int j = 1; j < 9; ++j) StrAppend(&list, ", *a", i - 1);
    StrAppend(&laughs, "a", i, ": &a", i, " ", list, "]\n");
  }
  ParseError<v1::WatcherConfig>(laughs);
  std::string volumes = "volumes:\n  v0: &v0 {ignore: &i [";
  for (int i = 0; i < 2000; ++i) volumes += "x,";
  volumes += "]}\n";
  for (int i = 1; i < 1000; ++i) StrAppend(&volumes, "  v", i, ": *v0\n");
  EXPECT_NE(ParseError<v1::WatcherConfig>(volumes).find("more than 250000 values"),
            std::string::npos);
  EXPECT_NE(ParseError<v1::PipelineFile>("pipelines: &p\n  - *p").find("f.yaml:"),
            std::string::npos);
  ParseError<v1::WatcherConfig>("host: " + std::string(10'000, '['));
  ParseError<v1::WatcherConfig>("host: " + std::string(100'000, '{'));
  EXPECT_NE(ParseError<v1::WatcherConfig>("# " + std::string(kConfigBytesMax, 'x'))
                .find("more than 4194304 bytes"),
            std::string::npos);
}

TEST(HostileYamlTest, RandomTextNeverCrashes) {
  LimitMemory();
  const std::vector<std::string> kPieces = {"host",        ": ",
                                            ":",           "\n",
                                            "\n  ",        "\n    ",
                                            "- ",          "[",
                                            "]",           "{",
                                            "}",           ", ",
                                            "volumes",     "a",
                                            "path",        "&a ",
                                            "*a",          "'",
                                            "\"",          "\\",
                                            "|",           ">",
                                            "|\n",         "# ",
                                            "!!str ",      "!",
                                            "~",           "on",
                                            "when",        "\t",
                                            "---\n",       "...\n",
                                            "? ",          "<<",
                                            "%YAML 1.2\n", "\xc3\xbc",
                                            "\xff",        "\xef\xbb\xbf",
                                            "settle: 2s",  "pipelines",
                                            "name: x",     "created",
                                            "\r\n",        "\xe2\x80\xa8",
                                            "0",           "-1",
                                            "1e999",       std::string(1, '\0')};
  std::mt19937 random(20261122);
  int ok = 0;
  for (int i = 0; i < 40'000; ++i) {
    std::string text;
    const int length = static_cast<int>(random() % 14);
    for (int j = 0; j < length; ++j) text += kPieces[random() % kPieces.size()];
    v1::WatcherConfig watcher;
    v1::PipelineFile pipelines;
    for (google::protobuf::Message* message :
         std::vector<google::protobuf::Message*>{&watcher, &pipelines}) {
      const absl::Status status = ParseYaml("f.yaml", text, message);
      ok += status.ok() ? 1 : 0;
      if (status.ok()) continue;
      const std::string error = Error(status);
      ASSERT_TRUE(IsUtf8(error)) << Display(text);
      ASSERT_EQ(error.rfind("f.yaml:", 0), 0u) << error;
    }
  }
  EXPECT_GT(ok, 1000);
}

TEST(HostileYamlTest, DamagedFilesNeverCrash) {
  LimitMemory();
  const std::string good = R"(pipelines:
  - name: enrich
    on: {volume: unenriched, match: ["**/*.csv"], when: close_write, settle: 2s}
    run: &r
      command: [Rscript, enrich.R, "{input}"]
      env: {A: 1}
  - name: two
    run: *r
)";
  v1::PipelineFile whole;
  ASSERT_TRUE(ParseYaml("f.yaml", good, &whole).ok());
  std::mt19937 random(5);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = good;
    const int changes = 1 + static_cast<int>(random() % 4);
    for (int j = 0; j < changes && !text.empty(); ++j) {
      const size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, 1 + random() % 8);
          break;
        case 2:
          text.insert(at, text.substr(random() % text.size(), random() % 12));
          break;
        default:
          text.resize(at + 1);
      }
    }
    v1::PipelineFile file;
    const absl::Status status = ParseYaml("f.yaml", text, &file);
    if (!status.ok()) Error(status);
  }
}

}  // namespace
}  // namespace closewrite
