#include "services/cli/file_argument.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

constexpr size_t kListedRootsMax = 20;

// Absolute, without `.` and `..`, without a slash at its end.
std::string Normal(const std::string& path) {
  std::string text = std::filesystem::path(path).lexically_normal().native();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

// The same directory without symbolic links; as it is where that can't be told.
std::string Real(const std::string& path) {
  std::error_code error;
  const auto real = std::filesystem::weakly_canonical(path, error);
  return error ? Normal(path) : Normal(real.native());
}

// The file's absolute names. Its own last part is left alone: a link is not what it points to.
std::vector<std::string> Spellings(const std::string& argument) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(argument, error);
  std::vector<std::string> spellings = {Normal(absolute.native())};
  if (absolute.has_filename()) {
    std::string real = Join(Real(absolute.parent_path().native()), absolute.filename().native());
    spellings.push_back(Normal(real));
  }
  return spellings;
}

// The part of `path` below `root`; "" when it is not below.
std::string_view Below(std::string_view path, std::string_view root) {
  if (root == "/") return path.substr(1);
  if (path.size() <= root.size() + 1 || !absl::StartsWith(ToAbsl(path), ToAbsl(root))) return "";
  return path[root.size()] == '/' ? path.substr(root.size() + 1) : "";
}

bool SameHost(std::string_view a, std::string_view b) {
  return a == b || a.substr(0, a.find('.')) == b.substr(0, b.find('.'));
}

struct Match {
  std::string volume;
  std::string path;
  bool operator<(const Match& other) const {
    return std::tie(volume, path) < std::tie(other.volume, other.path);
  }
};

// For each host the matches of its deepest root.
std::set<Match> Matches(const std::vector<std::string>& spellings,
                        const std::vector<VolumeRoot>& roots) {
  std::map<std::string, std::pair<size_t, std::set<Match>>> by_host;
  for (const VolumeRoot& root : roots) {
    const std::string names[] = {Normal(root.root), Real(root.root)};
    for (const std::string& spelling : spellings) {
      for (const std::string& name : names) {
        const std::string_view path = Below(spelling, name);
        if (path.empty()) continue;
        // The less is left, the deeper is the root, however it is spelled.
        auto [best, is_new] = by_host.try_emplace(root.host, path.size(), std::set<Match>());
        auto& [length, matches] = best->second;
        if (path.size() > length) continue;
        if (path.size() < length) matches.clear();
        length = path.size();
        matches.insert({root.volume, std::string(path)});
      }
    }
  }
  std::set<Match> all;
  for (const auto& [host, best] : by_host) all.insert(best.second.begin(), best.second.end());
  return all;
}

std::string ListRoots(const std::vector<VolumeRoot>& roots) {
  if (roots.empty()) return "no watcher or executor has reported a volume yet";
  std::set<std::string> lines;
  for (const VolumeRoot& root : roots) {
    lines.insert(StrCat(root.volume, " at ", Display(root.root), " on ", root.host));
  }
  const size_t left_out = lines.size() - std::min(lines.size(), kListedRootsMax);
  const auto end = std::next(lines.begin(), static_cast<std::ptrdiff_t>(lines.size() - left_out));
  std::string text = absl::StrJoin(lines.begin(), end, "; ");
  if (left_out > 0) StrAppend(&text, "; and ", left_out, " more");
  return text;
}

absl::StatusOr<v1::VolumePath> ToVolumePath(const Match& match) {
  const absl::Status status = CheckRelativePath(match.path);
  if (!status.ok()) return UsageError(ToStd(status.message()));
  if (IsPrivate(match.path)) {
    return UsageError(StrCat(VolumePathText(match.volume, match.path),
                             " lies in Closewrite's own folder, which makes no jobs"));
  }
  v1::VolumePath file;
  file.set_volume(match.volume);
  file.set_path(match.path);
  return file;
}

}  // namespace

std::string VolumePathText(std::string_view volume, std::string_view path) {
  return StrCat(volume, ":", Display(path));
}

absl::StatusOr<std::optional<v1::VolumePath>> ParseVolumeArgument(std::string_view argument) {
  const size_t colon = argument.find(':');
  if (colon == std::string_view::npos || argument.front() == '/' || argument.front() == '.' ||
      !CheckName("volume", argument.substr(0, colon)).ok()) {
    return std::optional<v1::VolumePath>();
  }
  auto file = ToVolumePath(
      {std::string(argument.substr(0, colon)), std::string(argument.substr(colon + 1))});
  if (!file.ok()) return file.status();
  return *std::move(file);
}

absl::StatusOr<v1::VolumePath> FindVolume(const std::vector<std::string>& spellings,
                                          const std::vector<VolumeRoot>& roots,
                                          std::string_view host) {
  std::vector<VolumeRoot> here;
  std::copy_if(roots.begin(), roots.end(), std::back_inserter(here),
               [&](const VolumeRoot& root) { return SameHost(root.host, host); });
  std::set<Match> matches = Matches(spellings, here);
  if (matches.empty()) matches = Matches(spellings, roots);
  if (matches.size() == 1) return ToVolumePath(*matches.begin());
  const std::string name = Display(spellings.front());
  if (matches.empty()) {
    return UsageError(StrCat(name, " lies in no volume (this host is ", host, "; ",
                             ListRoots(roots), "); name it as volume:relative/path"));
  }
  std::vector<std::string> names;
  for (const Match& match : matches) names.push_back(VolumePathText(match.volume, match.path));
  return UsageError(StrCat(name, " may be ", absl::StrJoin(names, " or "),
                           "; name it so, or say with --host which host this is"));
}

absl::StatusOr<v1::VolumePath> FileArguments::Map(const std::string& argument) {
  if (argument.empty()) return UsageError("a file's name is empty");
  auto parsed = ParseVolumeArgument(argument);
  if (!parsed.ok()) return parsed.status();
  if (parsed->has_value()) return **std::move(parsed);
  std::error_code error;
  if (std::filesystem::is_directory(argument, error)) {
    return UsageError(StrCat(Display(argument), " is a directory; name the files in it"));
  }
  if (!roots_.has_value()) {
    const absl::Status status = FetchRoots();
    if (!status.ok()) return status;
  }
  return FindVolume(Spellings(argument), *roots_, invocation_->host());
}

absl::Status FileArguments::FetchRoots() {
  std::vector<VolumeRoot> roots;
  Client& client = invocation_->client();
  PageLoop pages;
  absl::Status status = pages.Run<v1::ListWatchersRequest, v1::ListWatchersResponse>(
      client, {},
      [&](auto* context, const auto& request, auto* response) {
        return client.fleet().ListWatchers(context, request, response);
      },
      [&](const v1::ListWatchersResponse& response) {
        for (const auto& watcher : response.watchers()) {
          for (const auto& volume : watcher.volumes()) {
            roots.push_back({watcher.host(), volume.volume(), volume.root()});
          }
        }
        return response.watchers_size();
      });
  if (!status.ok()) return status;
  status = pages.Run<v1::ListExecutorsRequest, v1::ListExecutorsResponse>(
      client, {},
      [&](auto* context, const auto& request, auto* response) {
        return client.fleet().ListExecutors(context, request, response);
      },
      [&](const v1::ListExecutorsResponse& response) {
        for (const auto& executor : response.executors()) {
          for (const auto& [volume, root] : executor.volume_roots()) {
            roots.push_back({executor.host(), volume, root});
          }
        }
        return response.executors_size();
      });
  if (status.ok()) roots_ = std::move(roots);
  return status;
}

}  // namespace closewrite::cli
