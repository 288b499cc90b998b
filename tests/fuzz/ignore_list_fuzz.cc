// Lists of globs, one a line; the last line is a path.
#include <string>
#include <string_view>
#include <vector>

#include "services/volume/ignore_list.h"
#include "services/volume/path.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using closewrite::IgnoreList;
  using closewrite::Require;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> globs;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    globs.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  const auto list = IgnoreList::Parse(globs);
  if (!list.ok()) {
    Require(absl::IsInvalidArgument(list.status()), "a wrong list is an invalid argument");
    return 0;
  }
  const bool file = list->IgnoresFile(text);
  const bool directory = list->IgnoresDirectory(text);
  Require(directory || !file, "what is ignored as a file is ignored as a directory");
  Require(file || !closewrite::IsPrivate(text), "what is ours is ignored");
  globs.emplace_back("**");
  if (globs.size() <= closewrite::kIgnoreGlobsMax && !text.empty()) {
    Require(IgnoreList::Parse(globs)->IgnoresFile(text), "`**` ignores all");
  }
  return 0;
}
