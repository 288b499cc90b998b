#include "services/cli/doctor_checks.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "services/cli/doctor_notes.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// Clocks that differ by more make times in stories, and `--since`, wrong.
constexpr absl::Duration kClockWarn = absl::Seconds(2);
constexpr absl::Duration kClockFail = absl::Seconds(30);
// A mount that was looked at so long before its host spoke does not answer.
constexpr absl::Duration kMountSilenceMax = absl::Seconds(60);
// Who renews by hand has a fortnight for it; cert-manager has long done so by then.
constexpr absl::Duration kCertificateWarn = absl::Hours(14 * 24);
constexpr double kFreePartWarn = 0.05;
constexpr double kFreePartFail = 0.01;
constexpr int64_t kFreeBytesWarn = int64_t{1} << 30;
constexpr int64_t kFreeBytesFail = int64_t{100} << 20;

// What a store says of itself when it answers before data is safe on disk.
bool IsWeak(const std::string& durability) {
  const std::string text = absl::AsciiStrToLower(durability);
  return absl::StrContains(text, "=off") || absl::StrContains(text, "synchronous=normal") ||
         absl::StrContains(text, "memory");
}

void CheckCoordinator(const FleetFacts& facts, std::vector<Finding>* findings) {
  const v1::GetVersionResponse& version = facts.version;
  DoctorNotes notes(facts.coordinator, "coordinator", findings);
  if (IsWeak(version.durability())) {
    notes.Warn("durability",
               StrCat("a power cut may lose what was acknowledged: ", version.durability()),
               "take the weaker setting out of the store's configuration");
  }
  if (version.version() != facts.our_version) {
    notes.Warn(
        "version",
        StrCat("its version is ", version.version(), ", and this program's ", facts.our_version),
        "install the same version everywhere");
  }
  CheckCertificate(
      version.has_certificate_expires_at() ? &version.certificate_expires_at() : nullptr, facts.now,
      &notes);
  std::string text = StrCat("answers; version ", version.version());
  if (version.has_started_at()) {
    StrAppend(&text, ", up ", AgeText(facts.now - ToTime(version.started_at())));
  }
  if (!version.durability().empty()) StrAppend(&text, ", ", version.durability());
  notes.Add(Level::kOk, "reachable", text);
}

void CheckFlush(const FlushTest& test, std::vector<Finding>* findings) {
  DoctorNotes notes(test.host, StrCat("volume ", test.volume), findings);
  if (test.status.ok()) {
    notes.Add(Level::kOk, "live",
              StrCat("what happens in it is known here after ", DurationText(test.took)));
    return;
  }
  const bool in_time = !absl::IsDeadlineExceeded(test.status);
  const std::string message =
      in_time ? StrCat("what happens in it is not known here: ", test.status.message())
              : StrCat("what happens in it is not known here after ", DurationText(test.took));
  const bool fails = !absl::IsResourceExhausted(test.status) && (in_time || !test.slow_by_nature);
  notes.Add(fails ? Level::kFail : Level::kWarn, "live", message,
            StrCat("see the log of the watcher on ", test.host));
}

}  // namespace

void CheckVersion(const std::string& version, const std::string& coordinators, DoctorNotes* notes) {
  if (version.empty() || version == coordinators) return;
  notes->Warn("version",
              StrCat("its version is ", version, ", and the coordinator's ", coordinators),
              "install the same version everywhere");
}

void CheckClock(absl::Duration ahead, DoctorNotes* notes) {
  const absl::Duration off = absl::AbsDuration(ahead);
  if (off <= kClockWarn) return;
  notes->Add(off > kClockFail ? Level::kFail : Level::kWarn, "clock",
             StrCat("its clock is ", DurationText(off),
                    ahead > absl::ZeroDuration() ? " ahead of" : " behind", " the coordinator's"),
             "timedatectl set-ntp true   # on both hosts");
}

void CheckCertificate(const google::protobuf::Timestamp* expires_at, absl::Time at,
                      DoctorNotes* notes) {
  if (expires_at == nullptr) return;
  const absl::Time expires = ToTime(*expires_at);
  if (expires - at > kCertificateWarn) return;
  constexpr std::string_view kCure =
      "closewrite certs renew FOLDER, and its tls.crt to that host; it is read within seconds";
  if (expires <= at) {
    notes->Fail("certificate",
                StrCat("its certificate has expired at ", Rfc3339(expires),
                       ": when its connection breaks it makes no other"),
                std::string(kCure));
  } else {
    notes->Warn(
        "certificate",
        StrCat("its certificate expires in ", AgeText(expires - at), ", at ", Rfc3339(expires)),
        std::string(kCure));
  }
}

void CheckVolumeHealth(const v1::HostHealth& health, const v1::VolumeHealth& volume,
                       DoctorNotes* notes) {
  if (!volume.problem().empty()) {
    notes->Fail("access", volume.problem(),
                StrCat("look at ", volume.root(), ": is it mounted, and may the service's user ",
                       volume.read_only() ? "read" : "write", " there?"));
  }
  if (volume.has_checked_at() && health.has_sent_at()) {
    const absl::Duration silence = ToTime(health.sent_at()) - ToTime(volume.checked_at());
    if (silence > kMountSilenceMax) {
      notes->Fail("mount",
                  StrCat("the mount does not answer: ", volume.root(), " could not be ",
                         "looked at for ", AgeText(silence)),
                  StrCat("umount -l ", volume.root(), " && mount ", volume.root(),
                         "   # if its server is back"));
    }
  }
  if (volume.read_only() || volume.total_bytes() <= 0) return;
  const double part =
      static_cast<double>(volume.free_bytes()) / static_cast<double>(volume.total_bytes());
  const bool fails = part < kFreePartFail || volume.free_bytes() < kFreeBytesFail;
  if (!fails && part >= kFreePartWarn && volume.free_bytes() >= kFreeBytesWarn) return;
  notes->Add(fails ? Level::kFail : Level::kWarn, "space",
             StrCat("only ", BytesText(volume.free_bytes()), " of ",
                    BytesText(volume.total_bytes()), " are free"),
             StrCat("free some space below ", volume.root()));
}

std::vector<Finding> CheckFleet(const FleetFacts& facts) {
  std::vector<Finding> findings;
  CheckCoordinator(facts, &findings);
  if (facts.watchers.empty()) {
    DoctorNotes("", "watchers", &findings)
        .Fail("presence", "there is no watcher, so no file is seen",
              "start closewrite-watcher on the hosts where the volumes lie");
  }
  for (const v1::WatcherStatus& watcher : facts.watchers) {
    CheckWatcher(watcher, facts.version.version(), &findings);
  }
  for (const FlushTest& test : facts.flushes) CheckFlush(test, &findings);
  if (facts.executors.empty()) {
    DoctorNotes("", "executors", &findings)
        .Fail("presence", "there is no executor, so no command runs",
              "start closewrite-executor on the hosts where commands are to run");
  }
  for (const v1::ExecutorStatus& executor : facts.executors) {
    CheckExecutor(executor, facts.version.version(), &findings);
  }
  CheckPipelines(facts, &findings);
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.level < b.level; });
  return findings;
}

std::string LevelName(Level level) {
  switch (level) {
    case Level::kFail:
      return "fail";
    case Level::kWarn:
      return "warn";
    case Level::kNote:
      return "note";
    case Level::kOk:
      return "ok";
  }
  return "";
}

}  // namespace closewrite::cli
