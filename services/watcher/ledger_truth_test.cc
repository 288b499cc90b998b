// The engine under random changes, with real backends and with the fake one.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/random/random.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/watcher/engine_fixture.h"
#include "services/watcher/fake_backend.h"

namespace closewrite::watcher {
namespace {

enum class Backend { kInotify, kFanotify, kFake };

// Whatever the events say, in whatever order: in the end the ledger knows what is there.
class LedgerTruthTest : public ::testing::TestWithParam<Backend>, protected EngineFixture {
 protected:
  void SetUp() override {
    options.backend =
        GetParam() == Backend::kFanotify ? BackendKind::kFanotify : BackendKind::kInotify;
    if (GetParam() == Backend::kFake) {
      options.make_backend =
          [](EventQueue* queue) -> absl::StatusOr<std::unique_ptr<WatchBackend>> {
        return std::make_unique<FakeBackend>(queue);
      };
    }
    if (const absl::Status usable = CheckBackend(); !usable.ok()) GTEST_SKIP() << usable;
  }
  std::string AnyPath() {
    const std::string name = StrCat(absl::Uniform(random_, 0, 6));
    return absl::Bernoulli(random_, 0.4) ? name : StrCat(name, "d/", absl::Uniform(random_, 0, 4));
  }
  void DoSomething() {
    const std::string path = volume.Absolute(AnyPath());
    const std::string other = volume.Absolute(AnyPath());
    switch (absl::Uniform(random_, 0, 8)) {
      case 0:
        rename(path.c_str(), other.c_str());
        break;
      case 1:
        unlink(path.c_str());
        break;
      case 2:
        link(path.c_str(), other.c_str());
        break;
      case 3:
        rename(volume.Absolute(StrCat(absl::Uniform(random_, 0, 6), "d")).c_str(),
               volume.Absolute(StrCat(absl::Uniform(random_, 0, 6), "d")).c_str());
        break;
      case 4:
        mkdir(volume.Absolute(StrCat(absl::Uniform(random_, 0, 6), "d")).c_str(), 0700);
        break;
      default: {
        const Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600));
        if (file.ok()) ASSERT_EQ(write(file.get(), "x", 1), 1);
      }
    }
  }
  std::map<std::string, ContentVersion> Truth() {
    std::map<std::string, ContentVersion> truth;
    for (int d = -1; d < 6; ++d) {
      for (int f = 0; f < 6; ++f) {
        const std::string path = d < 0 ? StrCat(f) : StrCat(d, "d/", f);
        struct stat st;
        const bool there = lstat(volume.Absolute(path).c_str(), &st) == 0 && S_ISREG(st.st_mode);
        if (there) truth[path] = ContentVersion::Of(st);
      }
    }
    return truth;
  }
  std::map<std::string, ContentVersion> Believed() {
    std::map<std::string, ContentVersion> believed;
    const int64_t key = ledger->FindVolume("v")->key;
    for (const char* directory : {"", "0d", "1d", "2d", "3d", "4d", "5d"}) {
      const std::vector<FileRecord> records = *ledger->List(key, directory);
      for (const FileRecord& record : records) {
        if (!record.gone()) believed[record.path] = record.version;
      }
    }
    return believed;
  }

  std::mt19937_64 random_{0};
};

TEST_P(LedgerTruthTest, TheLedgerEndsInTheTruth) {
  options.audit = absl::Milliseconds(100);  // writes through the other name of a link have no event
  Start();
  const uint64_t seed = std::random_device()();
  random_.seed(seed);
  for (int round = 0; round < 30; ++round) {
    const int operations = absl::Uniform(random_, 1, 40);
    for (int i = 0; i < operations; ++i) DoSomething();
    News();
  }
  const absl::Time until = clock.Now() + absl::Seconds(60);
  while (Believed() != Truth() && clock.Now() < until) News();
  const std::map<std::string, ContentVersion> truth = Truth();
  const std::map<std::string, ContentVersion> believed = Believed();
  for (const auto& [path, version] : truth) {
    ASSERT_TRUE(believed.contains(path)) << path << ", seed " << seed;
    EXPECT_EQ(believed.at(path), version) << path << ", seed " << seed;
  }
  EXPECT_EQ(believed.size(), truth.size()) << "seed " << seed;
}

std::string NameOf(const ::testing::TestParamInfo<Backend>& info) {
  constexpr const char* kNames[] = {"inotify", "fanotify", "fake"};
  return kNames[static_cast<int>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Backends, LedgerTruthTest,
                         ::testing::Values(Backend::kInotify, Backend::kFanotify, Backend::kFake),
                         NameOf);

}  // namespace
}  // namespace closewrite::watcher
