#include "services/cli/doctor_checks.h"

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;
constexpr int64_t kNow = 1795345200;

// A fleet where all is well.
class DoctorChecksTest : public testing::Test {
 protected:
  DoctorChecksTest() {
    facts_.coordinator = "vm-a:7400";
    facts_.our_version = "0.1.0";
    facts_.now = absl::FromUnixSeconds(kNow);
    facts_.version.set_version("0.1.0");
    facts_.version.set_durability("sqlite, WAL, synchronous=FULL");
    facts_.version.mutable_started_at()->set_seconds(kNow - 7200);
    v1::WatcherStatus& watcher = facts_.watchers.emplace_back();
    watcher.set_host("vm-b");
    watcher.set_connected(true);
    watcher.set_version("0.1.0");
    watcher.mutable_health()->set_inotify_watches_max(65536);
    watcher.mutable_health()->set_inotify_queue_max(16384);
    watcher.mutable_health()->mutable_sent_at()->set_seconds(kNow);
    for (const char* name : {"unenriched", "enriched"}) {
      v1::VolumeStatus* volume = watcher.add_volumes();
      volume->set_volume(name);
      volume->set_root(StrCat("/srv/", name));
      volume->set_state(v1::VOLUME_STATE_LIVE);
      volume->set_backend(v1::WATCH_BACKEND_INOTIFY);
      volume->set_watched_directories(12);
      volume->set_file_system("ext4");
      AddHealth(name, StrCat("/srv/", name), watcher.mutable_health());
    }
    v1::ExecutorStatus& executor = facts_.executors.emplace_back();
    executor.set_name("vm-c-1");
    executor.set_host("vm-c");
    executor.set_connected(true);
    executor.set_version("0.1.0");
    executor.set_slots(4);
    executor.add_labels("internet");
    executor.mutable_health()->mutable_sent_at()->set_seconds(kNow);
    for (const char* name : {"unenriched", "enriched"}) {
      (*executor.mutable_volume_roots())[name] = StrCat("/mnt/", name);
      AddHealth(name, StrCat("/mnt/", name), executor.mutable_health());
    }
    v1::Pipeline* pipeline = facts_.pipelines.emplace_back().mutable_pipeline();
    pipeline->set_name("enrich");
    pipeline->mutable_on()->set_volume("unenriched");
    pipeline->mutable_publish()->set_volume("enriched");
    pipeline->mutable_run()->add_labels("internet");
    facts_.flushes.push_back({"vm-b", "unenriched", absl::OkStatus(), absl::Milliseconds(12)});
  }

  static void AddHealth(const std::string& name, const std::string& root, v1::HostHealth* health) {
    v1::VolumeHealth* volume = health->add_volumes();
    volume->set_volume(name);
    volume->set_root(root);
    volume->set_free_bytes(40 * kGiB);
    volume->set_total_bytes(100 * kGiB);
    volume->mutable_checked_at()->set_seconds(kNow - 2);
  }

  v1::WatcherStatus& watcher() { return facts_.watchers[0]; }
  v1::VolumeStatus& volume() { return *facts_.watchers[0].mutable_volumes(0); }
  v1::ExecutorStatus& executor() { return facts_.executors[0]; }
  v1::VolumeHealth& mount() { return *executor().mutable_health()->mutable_volumes(0); }
  v1::Pipeline& pipeline() { return *facts_.pipelines[0].mutable_pipeline(); }

  // `LEVEL HOST SUBJECT check: message -> cure` of all that is not ok.
  std::string Problems() const {
    std::string text;
    for (const Finding& finding : CheckFleet(facts_)) {
      if (finding.level == Level::kOk) continue;
      StrAppend(&text, LevelName(finding.level), " ", finding.host, " ", finding.subject, " ",
                finding.check, ": ", finding.message,
                finding.cure.empty() ? "" : StrCat(" -> ", finding.cure), "\n");
    }
    return text;
  }

  FleetFacts facts_;
};

TEST_F(DoctorChecksTest, SaysWhatIsWell) {
  EXPECT_EQ(Problems(), "");
  std::string text;
  for (const Finding& finding : CheckFleet(facts_)) {
    StrAppend(&text, finding.host, " ", finding.subject, ": ", finding.message, "\n");
  }
  EXPECT_EQ(text,
            "vm-a:7400 coordinator: answers; version 0.1.0, up 2h, sqlite, WAL, synchronous=FULL\n"
            "vm-b watcher: connected, version 0.1.0, clock 0ms ahead\n"
            "vm-b volume unenriched: live by inotify, 12 directories watched, /srv/unenriched on "
            "ext4, 40 GiB free\n"
            "vm-b volume enriched: live by inotify, 12 directories watched, /srv/enriched on ext4, "
            "40 GiB free\n"
            "vm-b volume unenriched: what happens in it is known here after 12ms\n"
            "vm-c executor vm-c-1: connected, version 0.1.0, 0 of 4 slots used, clock 0ms ahead\n"
            "vm-c volume unenriched of executor vm-c-1: can be read and written, /mnt/unenriched, "
            "40 GiB free\n"
            "vm-c volume enriched of executor vm-c-1: can be read and written, /mnt/enriched, 40 "
            "GiB free\n"
            " pipeline enrich: 1 executor can run it\n");
}

TEST_F(DoctorChecksTest, TheWorstComesFirst) {
  executor().set_draining(true);
  mount().set_problem("can't write there");
  const std::vector<Finding> findings = CheckFleet(facts_);
  EXPECT_EQ(findings[0].level, Level::kFail);
  EXPECT_EQ(findings[1].level, Level::kWarn);
  EXPECT_EQ(findings.back().level, Level::kOk);
}

TEST_F(DoctorChecksTest, VersionsAndDurability) {
  facts_.version.set_version("0.2.0");
  facts_.version.set_durability("postgresql 15, synchronous_commit=off");
  EXPECT_EQ(Problems(),
            "warn vm-a:7400 coordinator durability: a power cut may lose what was acknowledged: "
            "postgresql 15, synchronous_commit=off -> take the weaker setting out of the store's "
            "configuration\n"
            "warn vm-a:7400 coordinator version: its version is 0.2.0, and this program's 0.1.0 -> "
            "install the same version everywhere\n"
            "warn vm-b watcher version: its version is 0.1.0, and the coordinator's 0.2.0 -> "
            "install the same version everywhere\n"
            "warn vm-c executor vm-c-1 version: its version is 0.1.0, and the coordinator's 0.2.0 "
            "-> install the same version everywhere\n");
}

TEST_F(DoctorChecksTest, Certificates) {
  constexpr int64_t kDay = 24 * 60 * 60;
  facts_.version.mutable_certificate_expires_at()->set_seconds(kNow + 90 * kDay);
  watcher().mutable_health()->mutable_certificate_expires_at()->set_seconds(kNow + 14 * kDay + 1);
  EXPECT_EQ(Problems(), "");
  facts_.version.mutable_certificate_expires_at()->set_seconds(kNow + 2 * kDay);
  watcher().mutable_health()->mutable_certificate_expires_at()->set_seconds(kNow + 14 * kDay);
  executor().mutable_health()->mutable_certificate_expires_at()->set_seconds(kNow);
  const std::string cure =
      " -> closewrite certs renew FOLDER, and its tls.crt to that host; it is read within "
      "seconds\n";
  EXPECT_EQ(Problems(),
            StrCat("fail vm-c executor vm-c-1 certificate: its certificate has expired at "
                   "2026-11-22T11:00:00.000Z: when its connection breaks it makes no other",
                   cure,
                   "warn vm-a:7400 coordinator certificate: its certificate expires in 2d, at "
                   "2026-11-24T11:00:00.000Z",
                   cure,
                   "warn vm-b watcher certificate: its certificate expires in 14d, at "
                   "2026-12-06T11:00:00.000Z",
                   cure));
}

TEST_F(DoctorChecksTest, Clocks) {
  watcher().mutable_clock_ahead()->set_seconds(2);
  EXPECT_EQ(Problems(), "");
  watcher().mutable_clock_ahead()->set_seconds(-3);
  executor().mutable_clock_ahead()->set_seconds(31);
  EXPECT_EQ(Problems(),
            "fail vm-c executor vm-c-1 clock: its clock is 31.0s ahead of the coordinator's -> "
            "timedatectl set-ntp true   # on both hosts\n"
            "warn vm-b watcher clock: its clock is 3.0s behind the coordinator's -> timedatectl "
            "set-ntp true   # on both hosts\n");
}

TEST_F(DoctorChecksTest, WhoIsAway) {
  watcher().set_connected(false);
  executor().set_connected(false);
  facts_.flushes.clear();
  EXPECT_EQ(Problems(),
            "fail vm-b watcher connected: it is not connected -> systemctl start "
            "closewrite-watcher   # on vm-b\n"
            "fail vm-c executor vm-c-1 connected: it is not connected; its jobs go to others when "
            "its session ends -> systemctl start closewrite-executor   # on vm-c\n"
            "warn  pipeline enrich executor: only executors that take nothing now could run it: "
            "vm-c-1 -> start them again\n");
}

TEST_F(DoctorChecksTest, NobodyIsThere) {
  facts_.watchers.clear();
  facts_.executors.clear();
  facts_.pipelines.clear();
  facts_.flushes.clear();
  EXPECT_EQ(Problems(),
            "fail  watchers presence: there is no watcher, so no file is seen -> start "
            "closewrite-watcher on the hosts where the volumes lie\n"
            "fail  executors presence: there is no executor, so no command runs -> start "
            "closewrite-executor on the hosts where commands are to run\n"
            "note  pipelines presence: there is no pipeline, so no file becomes a job -> "
            "closewrite pipeline apply -f FILE\n");
}

TEST_F(DoctorChecksTest, HealthThatIsNotKnownIsNoProblem) {
  watcher().clear_health();
  executor().clear_health();
  for (const Finding& finding : CheckFleet(facts_)) {
    EXPECT_TRUE(finding.level == Level::kOk || finding.level == Level::kNote) << finding.message;
  }
  EXPECT_TRUE(absl::StrContains(Problems(), "note vm-b watcher health: another coordinator"));
}

TEST_F(DoctorChecksTest, VolumesThatAreNotLive) {
  volume().set_state(v1::VOLUME_STATE_LOST);
  volume().set_message("the root is gone");
  EXPECT_EQ(Problems(),
            "fail vm-b volume unenriched state: it is lost, and nothing in it is seen: the root is "
            "gone -> mount it at /srv/unenriched on vm-b again\n");
  volume().set_state(v1::VOLUME_STATE_DEGRADED);
  EXPECT_EQ(Problems(),
            "warn vm-b volume unenriched state: not all that happens in it is seen at once: the "
            "root is gone -> see the log of the watcher on vm-b\n");
  volume().set_state(v1::VOLUME_STATE_SCANNING);
  EXPECT_EQ(Problems(), "");
}

TEST_F(DoctorChecksTest, LimitsOfInotify) {
  volume().set_watched_directories(60000);
  EXPECT_EQ(Problems(),
            "warn vm-b watcher watches: it watches 60012 directories, and 65536 are allowed -> "
            "sysctl -w fs.inotify.max_user_watches=131072   # and write "
            "fs.inotify.max_user_watches=131072 into /etc/sysctl.d/60-closewrite.conf\n");
  volume().set_watched_directories(52000);  // below 80 %
  volume().set_unwatched_directories(100);
  volume().set_overflows(2);
  EXPECT_EQ(Problems(),
            "warn vm-b volume unenriched watches: 100 of its directories are not watched; they are "
            "looked through now and then -> sysctl -w fs.inotify.max_user_watches=131072   # and "
            "write fs.inotify.max_user_watches=131072 into /etc/sysctl.d/60-closewrite.conf\n"
            "warn vm-b volume unenriched overflows: the kernel's event queue has overflowed 2 "
            "times; each time the volume was scanned, which takes longer -> sysctl -w "
            "fs.inotify.max_queued_events=32768   # and write fs.inotify.max_queued_events=32768 "
            "into /etc/sysctl.d/60-closewrite.conf\n");
  volume().set_backend(v1::WATCH_BACKEND_FANOTIFY);
  volume().set_watched_directories(1'000'000);
  volume().set_unwatched_directories(0);
  volume().set_overflows(0);
  EXPECT_EQ(Problems(), "");
}

TEST_F(DoctorChecksTest, FileSystemsThatTellNothing) {
  for (const char* type : {"nfs4", "cifs", "9p", "fuse.sshfs", "ceph"}) {
    volume().set_file_system(type);
    EXPECT_TRUE(absl::StrContains(Problems(), StrCat("file_system: it lies on ", type))) << type;
  }
  volume().set_backend(v1::WATCH_BACKEND_POLL);
  EXPECT_EQ(Problems(), "");
  volume().set_canary_misses(3);
  EXPECT_TRUE(absl::StrContains(Problems(), "canary: 3 of the watcher's own test files"));
}

TEST_F(DoctorChecksTest, FreeSpace) {
  const auto level = [&](int64_t free, int64_t total) {
    mount().set_free_bytes(free);
    mount().set_total_bytes(total);
    return Problems().substr(0, 4);
  };
  EXPECT_EQ(level(5 * kGiB, 100 * kGiB), "");
  EXPECT_EQ(level(4 * kGiB, 100 * kGiB), "warn");
  EXPECT_EQ(level(kGiB - 1, 2 * kGiB), "warn");
  EXPECT_EQ(level(kGiB / 2, 100 * kGiB), "fail");
  EXPECT_EQ(level(50 << 20, 60 << 20), "fail");
  EXPECT_EQ(level(0, 0), "");  // not known
  mount().set_read_only(true);
  EXPECT_EQ(level(0, 100 * kGiB), "");
}

TEST_F(DoctorChecksTest, MountsThatFail) {
  mount().set_problem("the staging directory can't be written: Permission denied");
  EXPECT_EQ(Problems(),
            "fail vm-c volume unenriched of executor vm-c-1 access: the staging directory can't be "
            "written: Permission denied -> look at /mnt/unenriched: is it mounted, and may the "
            "service's user write there?\n");
  mount().clear_problem();
  mount().mutable_checked_at()->set_seconds(kNow - 61);
  EXPECT_EQ(Problems(),
            "fail vm-c volume unenriched of executor vm-c-1 mount: the mount does not answer: "
            "/mnt/unenriched could not be looked at for 61s -> umount -l /mnt/unenriched && mount "
            "/mnt/unenriched   # if its server is back\n");
}

TEST_F(DoctorChecksTest, LiveTests) {
  facts_.flushes[0].status = absl::DeadlineExceededError("");
  facts_.flushes[0].took = absl::Seconds(1);
  EXPECT_EQ(Problems(),
            "fail vm-b volume unenriched live: what happens in it is not known here after 1.0s -> "
            "see the log of the watcher on vm-b\n");
  facts_.flushes[0].slow_by_nature = true;
  EXPECT_EQ(Problems().substr(0, 4), "warn");
  facts_.flushes[0].status = absl::FailedPreconditionError("it is LOST");
  EXPECT_EQ(Problems().substr(0, 4), "fail");
  facts_.flushes[0].status = absl::ResourceExhaustedError("too many calls wait");
  EXPECT_EQ(Problems().substr(0, 4), "warn");
}

TEST_F(DoctorChecksTest, PipelinesWithoutAPlace) {
  pipeline().mutable_on()->set_volume("elsewhere");
  pipeline().mutable_run()->add_labels("r");
  EXPECT_EQ(Problems(),
            "fail  pipeline enrich volume: no watcher announces volume elsewhere -> add volume "
            "elsewhere to the watcher on the host where it lies\n"
            "fail  pipeline enrich executor: no executor can run it: none has label r, volume "
            "elsewhere -> add that to an executor's configuration (labels:, volumes:)\n");
}

TEST_F(DoctorChecksTest, NoExecutorHasAll) {
  v1::ExecutorStatus other = executor();
  other.set_name("vm-d-1");
  other.clear_labels();
  executor().mutable_volume_roots()->erase("enriched");
  facts_.executors.push_back(other);
  EXPECT_EQ(Problems(),
            "fail  pipeline enrich executor: no executor can run it alone: vm-c-1 lacks volume "
            "enriched; vm-d-1 lacks label internet -> add what is missing to one of them\n");
}

TEST_F(DoctorChecksTest, ResultsNeedAVolumeThatCanBeWritten) {
  watcher().mutable_volumes(1)->set_read_only(true);
  EXPECT_TRUE(absl::StrContains(Problems(), "volume enriched is read-only on its home"));
  watcher().mutable_volumes(1)->set_read_only(false);
  executor().mutable_health()->mutable_volumes(1)->set_read_only(true);
  EXPECT_TRUE(absl::StrContains(Problems(), "none has write access to volume enriched"));
}

}  // namespace
}  // namespace closewrite::cli
