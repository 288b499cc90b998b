// What an executor finds in its state directory when it starts: commands that outlived it, or files
// that a power cut has damaged. It takes up what it can, and the rest stands in nobody's way.
#include <fuzzer/FuzzedDataProvider.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "services/executor/journal.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "tests/fuzz/messages.h"
#include "tests/fuzz/require.h"

namespace closewrite::executor {
namespace {

constexpr int kAttemptsMax = 4;

// The files of one attempt: right ones, with as many bytes replaced as the input says.
class Files {
 public:
  Files(FuzzedDataProvider* input, std::string directory)
      : input_(*input), directory_(std::move(directory)) {}

  void Write(const v1::LeaseRef& lease) {
    v1::Assignment assignment;
    *assignment.mutable_lease() = lease;
    assignment.set_pipeline("enrich");
    assignment.add_command("cp");
    v1::AttemptResult result;
    *result.mutable_lease() = lease;
    result.set_message("it failed");
    SupervisorState state{.ended = 1, .supervisor = 7, .command = 8, .lease_ns = 9};
    const std::string name = StrCat(lease.job_id(), "-", lease.token());
    Write(name + ".start", assignment.SerializeAsString());
    if (input_.ConsumeBool()) Write(name + ".result", result.SerializeAsString());
    if (input_.ConsumeBool()) {
      Write(name + ".state", {reinterpret_cast<const char*>(&state), sizeof state});
    }
  }

 private:
  void Write(const std::string& name, std::string bytes) {
    for (int i = input_.ConsumeIntegralInRange(0, 3); i > 0; --i) {
      const size_t at = input_.ConsumeIntegralInRange<size_t>(0, bytes.size());
      bytes.replace(at, input_.ConsumeIntegralInRange<size_t>(0, 8),
                    input_.ConsumeRandomLengthString(8));
    }
    std::ofstream(directory_ + "/attempts/" + name, std::ios::binary) << bytes;
  }

  FuzzedDataProvider& input_;
  const std::string directory_;
};

void CheckEntry(const JournalEntry& entry) {
  Require(entry.assignment.has_lease(), "an attempt has a lease");
  Require(!entry.result.has_value() || entry.result->has_lease(), "a result has one, too");
  if (!entry.state.has_value()) return;
  Require(entry.state->version > 0, "a state can be understood");
  Require(std::string_view(entry.state->boot, sizeof entry.state->boot).find('\0') !=
              std::string_view::npos,
          "the name of a boot has an end");
}

void CheckJournal(FuzzedDataProvider* input, const std::string& directory) {
  const absl::StatusOr<Journal> journal = Journal::Open(directory, absl::ZeroDuration());
  Require(journal.ok(), "a journal can be opened", journal.status().ToString());
  Files files(input, directory);
  const int attempts = input->ConsumeIntegralInRange(1, kAttemptsMax);
  for (int i = 1; i <= attempts; ++i) {
    v1::LeaseRef lease;
    lease.set_job_id(i);
    lease.set_token(i + 1);
    files.Write(lease);
  }
  const std::vector<JournalEntry> left = journal->TakeUp();
  Require(left.size() <= static_cast<size_t>(attempts), "nothing comes of nothing");
  for (const JournalEntry& entry : left) {
    CheckEntry(entry);
    journal->Forget(entry.assignment.lease());
  }
  Require(journal->Left().empty(), "what is settled is forgotten");
}

}  // namespace
}  // namespace closewrite::executor

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  setenv("CLOSEWRITE_LOG", "error", 1);
  closewrite::InitLog("fuzz");
  closewrite::QuietProtobuf();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  std::string directory = (std::filesystem::temp_directory_path() / "journal-XXXXXX").string();
  closewrite::Require(mkdtemp(directory.data()) != nullptr, "a folder can be made");
  closewrite::executor::CheckJournal(&input, directory);
  std::filesystem::remove_all(directory);
  return 0;
}
