#include "services/volume/ignore_list.h"

#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

bool AnyMatches(const std::vector<Glob>& globs, std::string_view path) {
  for (const Glob& glob : globs) {
    if (glob.Matches(path)) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> DefaultIgnoreGlobs() {
  const std::string rsync_suffix = [] {
    std::string suffix;
    for (int i = 0; i < 6; ++i) suffix += "[a-zA-Z0-9]";
    return suffix;
  }();
  return {
      "**/.*.sw[a-z]",                 // vim
      "**/.*.swpx",                    // vim
      "**/.#*",                        // Emacs' locks
      "**/*~",                         // backups of editors
      "**/*.part",                     // browsers, many uploaders
      "**/*.partial",                  //
      "**/*.filepart",                 // WinSCP
      "**/*.crdownload",               // Chromium
      "**/*.tmp",                      //
      "**/.~tmp~/",                    // rsync --delay-updates
      StrCat("**/.*.", rsync_suffix),  // rsync
      "**/.fuse_hidden*",              // FUSE: removed while open
      "**/.nfs*",                      // NFS: removed while open
      "**/.goutputstream-*",           // GLib
      "lost+found/",                   // ext4
  };
}

absl::StatusOr<IgnoreList> IgnoreList::Parse(const std::vector<std::string>& globs) {
  if (globs.size() > kIgnoreGlobsMax) {
    return absl::InvalidArgumentError(
        StrCat("ignore: ", globs.size(), " globs; at most ", kIgnoreGlobsMax));
  }
  IgnoreList list;
  for (const std::string& text : globs) {
    const bool directory = text.size() > 1 && text.back() == '/';
    absl::StatusOr<Glob> glob =
        Glob::Parse(directory ? std::string_view(text).substr(0, text.size() - 1) : text);
    if (!glob.ok()) {
      return absl::InvalidArgumentError(StrCat("ignore: ", glob.status().message()));
    }
    (directory ? list.directories_ : list.any_).push_back(*std::move(glob));
  }
  return list;
}

bool IgnoreList::IgnoresFile(std::string_view path) const {
  return IsPrivate(path) || AnyMatches(any_, path);
}

bool IgnoreList::IgnoresDirectory(std::string_view path) const {
  return IgnoresFile(path) || AnyMatches(directories_, path);
}

std::string IgnoreList::WhyIgnored(std::string_view path) const {
  for (size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    const std::string_view directory = path.substr(0, slash);
    if (!IgnoresDirectory(directory)) continue;
    return StrCat("it lies below ", Display(directory), ", which its volume ignores");
  }
  if (!IgnoresFile(path)) return "";
  return "its name is one that its volume ignores, as temporary files have them";
}

}  // namespace closewrite
