#include "services/coordinator/api/placeholder_check.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "services/config/nearest.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

const std::vector<std::string>& Known() {
  static const std::vector<std::string>& words =
      *new std::vector<std::string>{"input",  "output", "output_dir", "name", "stem",    "ext",
                                    "volume", "path",   "event",      "job",  "attempt", "token"};
  return words;
}

bool IsKnown(std::string_view word) {
  return std::find(Known().begin(), Known().end(), word) != Known().end();
}

bool IsWord(std::string_view text) {
  const auto is_letter = [](char c) { return absl::ascii_isalpha(static_cast<unsigned char>(c)); };
  return !text.empty() && is_letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-';
         });
}

// Whether braces behind `before` belong to something else than us.
bool BelongsToOthers(char before) {
  return absl::ascii_isalnum(static_cast<unsigned char>(before)) ||
         std::string_view("@\\)]}").find(before) != std::string_view::npos;
}

struct Found {
  std::string word;
  std::string nearest;  // placeholder that was probably meant; the word itself when it is one
};

// What looks like a placeholder in `text`.
std::vector<Found> FindPlaceholders(std::string_view text) {
  std::vector<Found> found;
  for (size_t at = text.find('{'); at != std::string_view::npos; at = text.find('{', at)) {
    const bool twice = text.substr(at, 2) == "{{";
    const size_t begin = at + (twice ? 2 : 1);
    const size_t end = text.find('}', begin);
    if (end == std::string_view::npos) break;
    const std::string word(text.substr(begin, end - begin));
    const char before = at == 0 ? ' ' : text[at - 1];
    if (!IsWord(word) || (twice && text.substr(end, 2) == "}}")) {
      at = IsWord(word) ? end : at + 1;
      continue;
    }
    at = end;
    if (before == '$' && !twice) continue;
    const std::string nearest = IsKnown(word) ? word : Nearest(word, Known());
    if (nearest.empty() && BelongsToOthers(before)) continue;
    found.push_back({word, nearest});
  }
  return found;
}

std::string Unknown(const Found& found) {
  return StrCat("holds {", found.word, "}, which is no placeholder",
                found.nearest.empty() ? "" : StrCat(": did you mean {", found.nearest, "}?"),
                found.nearest.empty() ? "; known" : " Known", " are {",
                absl::StrJoin(Known(), "} {"),
                "}; braces that are meant as they stand have room in them: `{ ", found.word, " }`");
}

}  // namespace

void CheckPlaceholders(const v1::Run& run, std::string_view prefix, Violations* violations) {
  for (int i = 0; i < run.command_size(); ++i) {
    for (const Found& found : FindPlaceholders(run.command(i))) {
      if (IsKnown(found.word)) continue;
      violations->Add(StrCat(prefix, "run.command[", i, "]"), Unknown(found));
    }
  }
  const std::pair<std::string_view, const std::string&> paths[] = {
      {"run.wd", run.wd()}, {"run.secrets_from", run.secrets_from()}};
  for (const auto& [field, path] : paths) {
    for (const Found& found : FindPlaceholders(path)) {
      violations->Add(StrCat(prefix, field),
                      StrCat("holds {", found.word,
                             "}, and placeholders are filled in in run.command alone; give the "
                             "path as it is on the executor's host"));
    }
  }
}

std::vector<std::string> PlaceholdersInEnvironment(const std::map<std::string, std::string>& env) {
  std::vector<std::string> sentences;
  for (const auto& [name, value] : env) {
    for (const Found& found : FindPlaceholders(value)) {
      if (found.nearest.empty()) continue;
      sentences.push_back(
          StrCat("run.env[", Display(name), "] holds {", found.word,
                 "}, and placeholders are filled in in run.command alone: commands find it as ",
                 "CLOSEWRITE_", absl::AsciiStrToUpper(found.nearest)));
    }
  }
  return sentences;
}

}  // namespace closewrite
