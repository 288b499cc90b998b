// Whole command lines as people see them: what each verb prints, word by word.
//
// transcripts/*.txt are the golden files. Each begins with a comment, and goes on with commands:
//
//   $ closewrite jobs -o name          run with its outputs piped
//   % NO_COLOR=1 closewrite jobs       run at a terminal of 100 columns; variables come first
//   43                                 what it prints on stdout
//   ! closewrite: there is more        what it prints on stderr
//   [exit 2]                           unless it is 0
//
// and an empty line after each. Words are split as a shell would, with both kinds of quotes. The
// commands of one file share a fleet, which is that of transcript_world.h, and an empty folder that
// has but pipelines.yaml, tasks.yaml and broken.yaml.
//
// For a new verb: write its command lines into a file, at least `$ closewrite VERB --help`, put
// what it needs into transcript_world.cc, build, let the test write what is printed, and read it:
//
//   CLOSEWRITE_UPDATE_TRANSCRIPTS=services/cli/transcripts bazel-bin/services/cli/transcript_test
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "services/cli/all_commands.h"
#include "services/cli/cli_fixture.h"
#include "services/cli/transcript_world.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kTerminalWidth = 100;
// As long as the real one, of a port that the kernel gives.
constexpr char kAddress[] = "127.0.0.1:12345";
constexpr char kUpdate[] = "CLOSEWRITE_UPDATE_TRANSCRIPTS";

// The test goes elsewhere, so that the files of commands have short names.
const fs::path& TranscriptFolder() {
  static const fs::path folder = fs::absolute("services/cli/transcripts");
  return folder;
}

std::vector<std::string> TranscriptNames() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(TranscriptFolder())) {
    if (entry.path().extension() == ".txt") names.push_back(entry.path().stem().native());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream.good()) << path;
  return {std::istreambuf_iterator<char>(stream), {}};
}

struct Step {
  std::string line;  // with its prompt
  std::string expected;
};

struct Transcript {
  std::string comment;
  std::vector<Step> steps;
};

bool IsCommand(absl::string_view line) {
  return absl::StartsWith(line, "$ ") || absl::StartsWith(line, "% ");
}

Transcript ReadTranscript(const std::string& name) {
  Transcript transcript;
  std::vector<std::string> lines =
      absl::StrSplit(ReadFile(TranscriptFolder() / (name + ".txt")), '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  for (const std::string& line : lines) {
    if (IsCommand(line)) {
      transcript.steps.push_back({line, ""});
    } else {
      StrAppend(transcript.steps.empty() ? &transcript.comment : &transcript.steps.back().expected,
                line, "\n");
    }
  }
  for (Step& step : transcript.steps) {  // the empty line between two
    if (absl::EndsWith(StrCat("\n", step.expected), "\n\n")) step.expected.pop_back();
  }
  return transcript;
}

std::vector<std::string> SplitWords(const std::string& line) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  for (const char c : line) {
    if (quote == 0 && c == ' ') {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else {
      words.back() += c;
    }
  }
  return words;
}

void WriteFiles(const fs::path& folder) {
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::ofstream(folder / "pipelines.yaml")
      << "pipelines:\n  - name: fresh\n    on: {volume: unenriched, match: [\"**\"]}\n"
         "    run: {command: [cat, \"{input}\"]}\n";
  std::ofstream(folder / "tasks.yaml") << "tasks:\n  - name: nightly\n    period: day\n"
                                          "    run: {command: [/opt/nightly]}\n";
  std::ofstream(folder / "broken.yaml") << "pipelines:\n  - nam: fresh\n";
}

class TranscriptTest : public CliFixture, public testing::WithParamInterface<std::string> {
 protected:
  TranscriptTest() {
    FillTranscriptWorld(&coordinator_);
    const fs::path folder = fs::path(testing::TempDir()) / "transcript_test";
    WriteFiles(folder);
    fs::current_path(folder);
    surroundings_.width = kTerminalWidth;
    surroundings_.environment = {{"CLOSEWRITE_CONFIG", "config.yaml"}, {"CLOSEWRITE_HOST", "vm-b"}};
  }

  // What a command prints, in the form of the files.
  std::string Print(const std::string& line) {
    std::vector<std::string> words = SplitWords(line.substr(2));
    const TranscriptClock clock;
    const Surroundings before = surroundings_;
    surroundings_.clock = &clock;
    surroundings_.terminal = line.front() == '%';
    while (!words.empty() && words.front() != "closewrite") {
      const std::pair<std::string, std::string> variable =
          absl::StrSplit(words.front(), absl::MaxSplits('=', 1));
      surroundings_.environment[variable.first] = variable.second;
      words.erase(words.begin());
    }
    if (words.empty()) return "[a command line without closewrite]\n";
    const bool of_tasks = words.size() > 1 && words[1] == "task";
    surroundings_.coordinator = of_tasks ? tasks_.address() : coordinator_.address();
    const CliResult result = Run({words.begin() + 1, words.end()});
    surroundings_ = before;
    std::string text = result.out;
    if (!text.empty() && text.back() != '\n') text += '\n';
    std::vector<std::string> errors = absl::StrSplit(result.err, '\n');
    errors.pop_back();  // what stands after the last newline: nothing
    for (const std::string& error : errors) {
      StrAppend(&text, "!", error.empty() ? "" : " ", error, "\n");
    }
    if (result.code != 0) StrAppend(&text, "[exit ", result.code, "]\n");
    // How long an answer took is nobody's promise.
    static const std::regex* const took = new std::regex("known here after [0-9.]+m?s");
    text = std::regex_replace(text, *took, "known here after 0ms");
    return absl::StrReplaceAll(
        text, {{coordinator_.address(), kAddress}, {tasks_.address(), kAddress}, {"\x1b", "^["}});
  }

  TranscriptTasks tasks_;
};

TEST_P(TranscriptTest, IsWhatIsPrinted) {
  const Transcript transcript = ReadTranscript(GetParam());
  const bool update = std::getenv(kUpdate) != nullptr;
  std::string text = transcript.comment;
  for (const Step& step : transcript.steps) {
    const std::string printed = Print(step.line);
    StrAppend(&text, &step == transcript.steps.data() ? "" : "\n", step.line, "\n", printed);
    if (!update) {
      EXPECT_EQ(printed, step.expected) << step.line;
    }
  }
  if (update) std::ofstream(TranscriptFolder() / (GetParam() + ".txt")) << text;
}

INSTANTIATE_TEST_SUITE_P(All, TranscriptTest, testing::ValuesIn(TranscriptNames()),
                         [](const auto& info) { return info.param; });

TEST(Transcripts, EveryVerbHasItsHelp) {
  std::set<std::string> lines;
  for (const std::string& name : TranscriptNames()) {
    for (const Step& step : ReadTranscript(name).steps) lines.insert(step.line);
  }
  for (const Command& command : AllCommands()) {
    EXPECT_EQ(lines.count(StrCat("$ closewrite ", command.name, " --help")), 1u)
        << command.name << " has no transcript: see the head of transcript_test.cc";
  }
}

}  // namespace
}  // namespace closewrite::cli

int main(int argc, char** argv) {
  setenv("TZ", "UTC", 1);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
