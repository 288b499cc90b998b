// Files of secrets: every line becomes a variable, or an error that gives nothing away.
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "services/executor/secrets.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"
#include "tests/fuzz/require.h"

namespace {

// The file, which is written anew for each input.
const std::string& File() {
  static const std::string& file = *new std::string([] {
    std::string folder = (std::filesystem::temp_directory_path() / "secrets-XXXXXX").string();
    closewrite::Require(mkdtemp(folder.data()) != nullptr, "a folder can be made");
    return folder + "/file";
  }());
  return file;
}

void Write(std::string_view text) {
  std::ofstream(File(), std::ios::binary | std::ios::trunc) << text;
  closewrite::Require(chmod(File().c_str(), 0600) == 0, "a file can be closed to others");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using closewrite::Require;
  const std::string text(reinterpret_cast<const char*>(data), size);
  Write(text);
  const auto secrets = closewrite::executor::ReadSecrets(File());
  if (!secrets.ok()) {
    const std::string_view said = closewrite::ToStd(secrets.status().message());
    Require(absl::IsInvalidArgument(secrets.status()), "a wrong file is an invalid argument", said);
    Require(closewrite::IsUtf8(said) && said.find('\n') == std::string_view::npos,
            "an error is one line", said);
    return 0;
  }
  std::string written;
  for (const auto& [name, value] : *secrets) {
    Require(!name.empty() && name.find('=') == std::string::npos, "a variable has a name", name);
    Require(!name.starts_with("CLOSEWRITE_"), "what is ours stays ours", name);
    Require(closewrite::StrCat(name, value).find_first_of(std::string_view("\n\0", 2)) ==
                std::string::npos,
            "a variable is one line", name);
    closewrite::StrAppend(&written, name, "=", value, "\n");
  }
  Write(written);
  const auto again = closewrite::executor::ReadSecrets(File());
  Require(again.ok() && *again == *secrets, "what was read can be written");
  return 0;
}
