// Commands: placeholders are filled in once, and what they bring in breaks out of nothing.
#include <fuzzer/FuzzedDataProvider.h>

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "services/executor/placeholders.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"
#include "tests/fuzz/require.h"

namespace closewrite::executor {
namespace {

constexpr int kArgumentsMax = 5;

std::map<std::string, std::string> ValuesOf(const AttemptFacts& facts) {
  const std::string name(BaseName(facts.path));
  return {{"input", facts.input},
          {"output", facts.output},
          {"output_dir", facts.output_dir},
          {"name", name},
          {"stem", std::string(Stem(name))},
          {"ext", std::string(Extension(name))},
          {"volume", facts.volume},
          {"path", facts.path},
          {"event", facts.event},
          {"job", StrCat(facts.job)},
          {"attempt", StrCat(facts.attempt)},
          {"token", StrCat(facts.token)}};
}

// In other words than placeholders.cc has: every word is tried at every place.
std::string Model(std::string_view text, const std::map<std::string, std::string>& values) {
  std::string out;
  while (!text.empty()) {
    bool found = false;
    for (const auto& [word, value] : values) {
      const std::string plain = StrCat("{", word, "}");
      const std::string quoted = StrCat("{", plain, "}");
      if (text.starts_with(plain) || text.starts_with(quoted)) {
        const bool is_plain = text.starts_with(plain);
        out += is_plain ? value : plain;
        text.remove_prefix(is_plain ? plain.size() : quoted.size());
        found = true;
        break;
      }
    }
    if (found) continue;
    out += text.front();
    text.remove_prefix(1);
  }
  return out;
}

bool HasNul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

void CheckCommand(const std::vector<std::string>& command, const AttemptFacts& facts) {
  const auto values = ValuesOf(facts);
  const auto arguments = ExpandCommand(command, facts);
  std::vector<std::string> expected;
  bool wrong = command.empty();
  for (const std::string& part : command) {
    expected.push_back(Model(part, values));
    Require(Expand(part, facts) == expected.back(), "each is filled in once", part);
    wrong |= HasNul(expected.back());
  }
  wrong |= wrong || expected.front().empty();
  Require(arguments.ok() == !wrong, "a command is one that can be run");
  if (!arguments.ok()) {
    Require(absl::IsInvalidArgument(arguments.status()), "a wrong one is an invalid argument");
    return;
  }
  Require(*arguments == expected, "an argument stays one argument");
}

void CheckEnvironment(FuzzedDataProvider* input, const AttemptFacts& facts) {
  EnvironmentOptions options{.base = {{"PATH", "/bin"}}, .coordinator = "vm-a:7400"};
  for (auto* more : {&options.host, &options.added, &options.secrets}) {
    (*more)[input->ConsumeRandomLengthString(30)] = input->ConsumeRandomLengthString(30);
  }
  const auto environment = BuildEnvironment(options, facts);
  if (!environment.ok()) {
    Require(IsUtf8(ToStd(environment.status().message())), "an error is text");
    return;
  }
  std::set<std::string> names;
  for (const std::string& entry : *environment) {
    const size_t sign = entry.find('=');
    Require(sign != std::string::npos && sign > 0, "an entry has a name", entry);
    Require(names.insert(entry.substr(0, sign)).second, "a name is there once", entry);
  }
  // Whatever a definition says, these are true.
  Require(std::find(environment->begin(), environment->end(),
                    StrCat("CLOSEWRITE_JOB=", facts.job)) != environment->end(),
          "the job's number is the job's");
}

}  // namespace
}  // namespace closewrite::executor

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace executor = closewrite::executor;
  FuzzedDataProvider input(data, size);
  executor::AttemptFacts facts{.input = input.ConsumeRandomLengthString(60),
                               .output = input.ConsumeRandomLengthString(60),
                               .output_dir = "/s",
                               .volume = "v",
                               .path = input.ConsumeRandomLengthString(60),
                               .event = "CREATE",
                               .job = input.ConsumeIntegral<int64_t>(),
                               .attempt = 2,
                               .token = 3};
  // Values come from paths, which hold no NUL; what else came would be the pipeline's doing.
  std::erase(facts.path, '\0');
  std::vector<std::string> command;
  for (int i = input.ConsumeIntegralInRange(0, executor::kArgumentsMax); i > 0; --i) {
    command.push_back(input.ConsumeRandomLengthString(200));
  }
  executor::CheckCommand(command, facts);
  executor::CheckEnvironment(&input, facts);
  const std::string name(closewrite::BaseName(facts.path));
  closewrite::Require(closewrite::StrCat(executor::Stem(name), executor::Extension(name)) == name,
                      "stem and extension make the name", name);
  return 0;
}
