// Files below a volume's root: whatever lies there, and whatever is asked for, what is opened is
// the tree's own; and with openat2(2) and without it all answers are the same.
#include <fcntl.h>
#include <fuzzer/FuzzedDataProvider.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"
#include "tests/fuzz/require.h"

namespace closewrite {
namespace {

constexpr int kEntriesMax = 12;
constexpr int kPartsMax = 5;
constexpr int kAsksMax = 6;
constexpr const char* kNames[] = {"a", "b", "c", "d"};
constexpr const char* kParts[] = {"a",    "b",  "c", "d", "outside",
                                  "file", "..", ".", "",  ".closewrite"};
// Nothing that a mistake of ours could harm.
constexpr const char* kTargets[] = {"a",       "b/c",     "..",    "../outside", "../../outside",
                                    "nowhere", "../..",   "/proc", "a/../b",     ".",
                                    "c",       "/nowhere"};
constexpr int kFlags[] = {O_RDONLY,
                          O_WRONLY,
                          O_RDWR,
                          O_WRONLY | O_TRUNC,
                          O_WRONLY | O_CREAT,
                          O_RDWR | O_CREAT | O_EXCL,
                          O_RDONLY | O_NOFOLLOW,
                          O_RDONLY | O_DIRECTORY,
                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                          O_PATH,
                          O_PATH | O_NOFOLLOW,
                          O_PATH | O_DIRECTORY};
constexpr mode_t kMode = 0600;

enum class Kind { kDirectory, kFile, kPipe, kLink, kAbsoluteLink, kMaxValue = kAbsoluteLink };

struct Entry {
  Kind kind = Kind::kFile;
  std::string path;  // relative to the volume
  std::string target;
};

enum class Call { kOpen, kOpenFile, kStat, kMaxValue = kStat };

struct Ask {
  Call call = Call::kOpen;
  std::string path;
  int flags = 0;
};

std::vector<Entry> ChooseEntries(FuzzedDataProvider& input) {
  std::vector<std::string> directories = {""};
  // The first of a name stays, so that what lies above an entry is a directory and no link.
  std::set<std::string> taken;
  std::vector<Entry> entries;
  for (int i = input.ConsumeIntegralInRange(0, kEntriesMax); i > 0; --i) {
    const size_t above = input.ConsumeIntegralInRange<size_t>(0, directories.size() - 1);
    Entry entry{.kind = input.ConsumeEnum<Kind>(),
                .path = Join(directories[above], input.PickValueInArray(kNames))};
    if (entry.kind == Kind::kLink) entry.target = input.PickValueInArray(kTargets);
    if (!taken.insert(entry.path).second) continue;
    if (entry.kind == Kind::kDirectory) directories.push_back(entry.path);
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::string ChoosePath(FuzzedDataProvider& input) {
  if (input.ConsumeIntegralInRange(0, 9) == 0) return input.ConsumeRandomLengthString();
  std::string path;
  for (int i = input.ConsumeIntegralInRange(0, kPartsMax); i > 0; --i) {
    StrAppend(&path, input.PickValueInArray(kParts), i > 1 ? "/" : "");
  }
  return path;
}

// A volume and what lies beside it, in a folder of their own.
class Tree {
 public:
  explicit Tree(const std::vector<Entry>& entries) {
    base_ = (std::filesystem::temp_directory_path() / "beneath-XXXXXX").string();
    Require(mkdtemp(base_.data()) != nullptr, "a folder can be made");
    std::filesystem::create_directory(StrCat(base_, "/volume"));
    std::filesystem::create_directory(StrCat(base_, "/outside"));
    for (const char* name : kNames) std::ofstream(StrCat(base_, "/outside/", name)) << "outside";
    std::ofstream(StrCat(base_, "/outside/file")) << "outside";
    for (const Entry& entry : entries) Make(entry);
    absl::StatusOr<Fd> root = OpenRoot(StrCat(base_, "/volume"));
    Require(root.ok(), "a root can be opened", ToStd(root.status().message()));
    root_ = *std::move(root);
  }
  ~Tree() { std::filesystem::remove_all(base_); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  int root() const { return root_.get(); }

  // Which of the tree's own this is, by its path; the tree may have become larger meanwhile.
  std::string NameOf(const struct stat& st) const {
    const std::filesystem::path volume = StrCat(base_, "/volume");
    if (IsSame(st, volume)) return ".";
    // Does not follow links.
    for (const auto& entry : std::filesystem::recursive_directory_iterator(volume)) {
      if (IsSame(st, entry.path())) return entry.path().lexically_relative(volume).string();
    }
    Require(false, "what was opened lies in the tree");
    return "";
  }

  void RequireUntouchedOutside() const {
    size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(StrCat(base_, "/outside"))) {
      Require(entry.file_size() == std::string_view("outside").size(),
              "what lies outside is as it was", entry.path().string());
      ++files;
    }
    Require(files == std::size(kNames) + 1, "nothing is made or removed outside");
    size_t beside = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(base_)) ++beside;
    Require(beside == 2, "nothing is made beside the volume");
  }

 private:
  void Make(const Entry& entry) const {
    const std::string path = StrCat(base_, "/volume/", entry.path);
    int failed = 0;
    switch (entry.kind) {
      case Kind::kDirectory:
        failed = mkdir(path.c_str(), 0700);
        break;
      case Kind::kFile: {
        const Fd made(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode));
        failed = made.ok() ? 0 : -1;
        break;
      }
      case Kind::kPipe:
        failed = mkfifo(path.c_str(), kMode);
        break;
      case Kind::kLink:
        failed = symlink(entry.target.c_str(), path.c_str());
        break;
      case Kind::kAbsoluteLink:
        failed = symlink(StrCat(base_, "/outside").c_str(), path.c_str());
        break;
    }
    Require(failed == 0, "a tree can be made", entry.path);
  }

  static bool IsSame(const struct stat& st, const std::filesystem::path& path) {
    struct stat found;
    return lstat(path.c_str(), &found) == 0 && found.st_dev == st.st_dev &&
           found.st_ino == st.st_ino;
  }

  std::string base_;
  Fd root_;
};

struct Answer {
  absl::StatusCode code = absl::StatusCode::kOk;
  std::string name;  // of what was opened
  mode_t kind = 0;
  bool operator==(const Answer&) const = default;
};

Answer AnswerOf(const Tree& tree, const struct stat& st) {
  return {.name = tree.NameOf(st), .kind = st.st_mode & S_IFMT};
}

Answer AnswerOf(const Tree& tree, const absl::StatusOr<Fd>& fd) {
  if (!fd.ok()) return {.code = fd.status().code()};
  struct stat st;
  Require(fstat(fd->get(), &st) == 0, "what was opened can be looked at");
  Require((fcntl(fd->get(), F_GETFD) & FD_CLOEXEC) != 0, "no program inherits it");
  return AnswerOf(tree, st);
}

Answer Try(const Tree& tree, const Ask& ask) {
  switch (ask.call) {
    case Call::kOpen:
      return AnswerOf(tree, OpenBeneath(tree.root(), ask.path, ask.flags, kMode));
    case Call::kOpenFile: {
      const Answer answer =
          AnswerOf(tree, OpenFileBeneath(tree.root(), ask.path, ask.flags, kMode));
      Require(answer.code != absl::StatusCode::kOk || S_ISREG(answer.kind),
              "only files are opened as files");
      return answer;
    }
    case Call::kStat: {
      const absl::StatusOr<struct stat> st = StatBeneath(tree.root(), ask.path);
      return st.ok() ? AnswerOf(tree, *st) : Answer{.code = st.status().code()};
    }
  }
  return {};
}

// A name that can be none is refused as such; one that can be leads to what it names.
void CheckAnswer(const Ask& ask, const Answer& answer) {
  const bool may_be =
      CheckRelativePath(ask.path).ok() || (ask.path.empty() && ask.call != Call::kOpenFile);
  Require(may_be || answer.code == absl::StatusCode::kInvalidArgument, "a wrong path is refused",
          ask.path);
  if (answer.code != absl::StatusCode::kOk) return;
  Require(answer.name == (ask.path.empty() ? "." : ask.path), "it is what was asked for",
          StrCat(ask.path, " and not ", answer.name));
}

std::string Shown(const Answer& answer) {
  return StrCat(absl::StatusCodeToString(answer.code), " ", Display(answer.name));
}

void CheckTrees(FuzzedDataProvider& input) {
  const std::vector<Entry> entries = ChooseEntries(input);
  // One for each way: what is asked for may be made.
  const Tree at_once(entries);
  const Tree by_parts(entries);
  for (int i = input.ConsumeIntegralInRange(1, kAsksMax); i > 0; --i) {
    const Call call = input.ConsumeEnum<Call>();
    const int flags = input.PickValueInArray(kFlags);
    const Ask ask{.call = call, .path = ChoosePath(input), .flags = flags};
    ForceResolving(Resolving::kAsItCan);
    const Answer answer = Try(at_once, ask);
    ForceResolving(Resolving::kByComponents);
    const Answer other = Try(by_parts, ask);
    CheckAnswer(ask, answer);
    Require(
        answer == other, "both ways agree",
        StrCat(Display(ask.path), " with ", ask.flags, ": ", Shown(answer), " and ", Shown(other)));
  }
  at_once.RequireUntouchedOutside();
  by_parts.RequireUntouchedOutside();
}

}  // namespace
}  // namespace closewrite

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  closewrite::CheckTrees(input);
  return 0;
}
