// What watchers and executors say about their hosts.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "services/cli/doctor_notes.h"
#include "services/cli/json.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// Where sysctls stay over a restart of the host.
constexpr std::string_view kSysctlFile = "/etc/sysctl.d/60-closewrite.conf";
// Of the watches that a user may have.
constexpr double kWatchesPartWarn = 0.8;
// What the kernel takes when nobody has said anything (inotify(7)).
constexpr int64_t kQueueDefault = 16384;

// File systems that other hosts write to, as /proc/self/mountinfo names them.
constexpr std::string_view kShared[] = {"nfs",  "nfs4", "cifs",   "smb2",   "smb3",     "smbfs",
                                        "9p",   "ceph", "afs",    "gpfs",   "lustre",   "ocfs2",
                                        "gfs2", "coda", "beegfs", "vboxsf", "glusterfs"};

bool IsShared(const std::string& file_system) {
  return absl::StartsWith(file_system, "fuse.") ||
         std::find(std::begin(kShared), std::end(kShared), file_system) != std::end(kShared);
}

std::string SysctlCure(std::string_view name, int64_t value) {
  const std::string setting = StrCat(name, "=", value);
  return StrCat("sysctl -w ", setting, "   # and write ", setting, " into ", kSysctlFile);
}

int64_t PowerOfTwoFrom(int64_t value) {
  int64_t power = 1;
  while (power < value && power < (int64_t{1} << 62)) power *= 2;
  return power;
}

std::string WatchesCure(int64_t need) {
  return SysctlCure("fs.inotify.max_user_watches", PowerOfTwoFrom(2 * need));
}

std::string ClockText(const google::protobuf::Duration& ahead) {
  const absl::Duration off = ToDuration(ahead);
  return StrCat("clock ", DurationText(absl::AbsDuration(off)),
                off < absl::ZeroDuration() ? " behind" : " ahead");
}

void CheckState(const std::string& host, const v1::VolumeStatus& volume, DoctorNotes* notes) {
  const std::string why = volume.message().empty() ? "" : StrCat(": ", volume.message());
  if (volume.state() == v1::VOLUME_STATE_LOST) {
    notes->Fail("state", StrCat("it is lost, and nothing in it is seen", why),
                StrCat("mount it at ", volume.root(), " on ", host, " again"));
  } else if (volume.state() == v1::VOLUME_STATE_DEGRADED) {
    notes->Warn(
        "state", StrCat("not all that happens in it is seen at once", why),
        volume.unwatched_directories() > 0 ? "" : StrCat("see the log of the watcher on ", host));
  } else if (volume.state() == v1::VOLUME_STATE_UNSPECIFIED) {
    notes->Warn("state",
                StrCat("its watcher has not said yet whether its events can be trusted", why));
  }
}

void CheckEvents(const v1::WatcherStatus& watcher, const v1::VolumeStatus& volume,
                 DoctorNotes* notes) {
  const bool polled = volume.backend() == v1::WATCH_BACKEND_POLL;
  if (volume.unwatched_directories() > 0 && !polled) {
    notes->Warn("watches",
                StrCat(volume.unwatched_directories(), " of its directories are not watched; ",
                       "they are looked through now and then"),
                WatchesCure(volume.watched_directories() + volume.unwatched_directories()));
  }
  if (volume.overflows() > 0) {
    const int64_t now = watcher.health().inotify_queue_max();
    notes->Warn("overflows",
                StrCat("the kernel's event queue has overflowed ", volume.overflows(),
                       " times; each time the volume was scanned, which takes longer"),
                SysctlCure("fs.inotify.max_queued_events",
                           PowerOfTwoFrom(2 * (now > 0 ? now : kQueueDefault))));
  }
  if (IsShared(volume.file_system()) && !polled) {
    notes->Warn(
        "file_system",
        StrCat("it lies on ", volume.file_system(), ", where nobody tells what other hosts write"),
        "run the watcher on the host where the files lie, or give the volume `poll: 5s`");
  }
  if (volume.canary_misses() > 0) {
    notes->Warn("canary",
                StrCat(volume.canary_misses(), " of the watcher's own test files were not told by ",
                       "the kernel: events get lost there"),
                "give the volume `poll: 5s`, or another file system");
  }
}

const v1::VolumeHealth* HealthOf(const v1::HostHealth& health, const std::string& volume) {
  const auto found =
      std::find_if(health.volumes().begin(), health.volumes().end(),
                   [&](const v1::VolumeHealth& each) { return each.volume() == volume; });
  return found == health.volumes().end() ? nullptr : &*found;
}

std::string SpaceText(const v1::VolumeHealth* health) {
  if (health == nullptr || health->total_bytes() <= 0) return "";
  return StrCat(", ", BytesText(health->free_bytes()), " free");
}

void CheckWatchedVolume(const v1::WatcherStatus& watcher, const v1::VolumeStatus& volume,
                        std::vector<Finding>* findings) {
  DoctorNotes notes(watcher.host(), StrCat("volume ", volume.volume()), findings);
  CheckState(watcher.host(), volume, &notes);
  CheckEvents(watcher, volume, &notes);
  const v1::VolumeHealth* health = HealthOf(watcher.health(), volume.volume());
  if (health != nullptr) CheckVolumeHealth(watcher.health(), *health, &notes);
  if (!notes.sound()) return;
  notes.Add(
      Level::kOk, "state",
      StrCat(EnumName(*v1::VolumeState_descriptor(), volume.state()), " by ",
             EnumName(*v1::WatchBackend_descriptor(), volume.backend()), ", ",
             volume.watched_directories(), " directories watched, ", volume.root(),
             volume.file_system().empty() ? "" : " on ", volume.file_system(), SpaceText(health)));
}

// All volumes of a host share the limit.
void CheckWatches(const v1::WatcherStatus& watcher, DoctorNotes* notes) {
  int64_t watches = 0;
  for (const v1::VolumeStatus& volume : watcher.volumes()) {
    if (volume.backend() != v1::WATCH_BACKEND_INOTIFY) continue;
    watches += volume.watched_directories();
  }
  const int64_t limit = watcher.health().inotify_watches_max();
  if (limit <= 0 || static_cast<double>(watches) <= kWatchesPartWarn * static_cast<double>(limit)) {
    return;
  }
  notes->Warn("watches",
              StrCat("it watches ", watches, " directories, and ", limit, " are allowed"),
              WatchesCure(watches));
}

void CheckHealth(const v1::HostHealth& health, absl::Duration clock_ahead, DoctorNotes* notes) {
  CheckClock(clock_ahead, notes);
  CheckCertificate(health.has_certificate_expires_at() ? &health.certificate_expires_at() : nullptr,
                   ToTime(health.sent_at()), notes);
}

void NoteNoHealth(DoctorNotes* notes) {
  notes->Add(Level::kNote, "health",
             "another coordinator has its stream; ask that one how its host does");
}

}  // namespace

void CheckWatcher(const v1::WatcherStatus& watcher, const std::string& version,
                  std::vector<Finding>* findings) {
  DoctorNotes notes(watcher.host(), "watcher", findings);
  if (!watcher.connected()) {
    notes.Fail("connected",
               StrCat("it is not connected",
                      watcher.has_heartbeat_at()
                          ? StrCat("; last heard of at ", Rfc3339(ToTime(watcher.heartbeat_at())))
                          : ""),
               StrCat("systemctl start closewrite-watcher   # on ", watcher.host()));
    return;  // what it said before says nothing about now
  }
  CheckVersion(watcher.version(), version, &notes);
  if (watcher.has_health()) {
    CheckHealth(watcher.health(), ToDuration(watcher.clock_ahead()), &notes);
    CheckWatches(watcher, &notes);
  } else {
    NoteNoHealth(&notes);
  }
  if (notes.sound()) {
    notes.Add(Level::kOk, "connected",
              StrCat("connected, version ", watcher.version(), watcher.has_health() ? ", " : "",
                     watcher.has_health() ? ClockText(watcher.clock_ahead()) : ""));
  }
  for (const v1::VolumeStatus& volume : watcher.volumes()) {
    CheckWatchedVolume(watcher, volume, findings);
  }
}

void CheckExecutor(const v1::ExecutorStatus& executor, const std::string& version,
                   std::vector<Finding>* findings) {
  DoctorNotes notes(executor.host(), StrCat("executor ", executor.name()), findings);
  if (!executor.connected()) {
    notes.Fail("connected", "it is not connected; its jobs go to others when its session ends",
               StrCat("systemctl start closewrite-executor   # on ", executor.host()));
    return;
  }
  if (executor.draining()) {
    notes.Warn(
        "draining",
        StrCat("it takes nothing more and ends when its ", executor.leases(), " commands have"),
        StrCat("systemctl start closewrite-executor   # on ", executor.host(),
               ", once it has ended"));
  }
  CheckVersion(executor.version(), version, &notes);
  if (executor.has_health()) {
    CheckHealth(executor.health(), ToDuration(executor.clock_ahead()), &notes);
  } else {
    NoteNoHealth(&notes);
  }
  if (notes.sound()) {
    notes.Add(Level::kOk, "connected",
              StrCat("connected, version ", executor.version(), ", ", executor.leases(), " of ",
                     executor.slots(), " slots used", executor.has_health() ? ", " : "",
                     executor.has_health() ? ClockText(executor.clock_ahead()) : ""));
  }
  for (const v1::VolumeHealth& volume : executor.health().volumes()) {
    DoctorNotes mount(executor.host(),
                      StrCat("volume ", volume.volume(), " of executor ", executor.name()),
                      findings);
    CheckVolumeHealth(executor.health(), volume, &mount);
    if (!mount.sound()) continue;
    mount.Add(Level::kOk, "access",
              StrCat(volume.read_only() ? "can be read" : "can be read and written", ", ",
                     volume.root(), volume.file_system().empty() ? "" : " on ",
                     volume.file_system(), SpaceText(&volume)));
  }
}

}  // namespace closewrite::cli
