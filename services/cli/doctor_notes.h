// Findings as they are made; used by the checks alone.
#ifndef SERVICES_CLI_DOCTOR_NOTES_H_
#define SERVICES_CLI_DOCTOR_NOTES_H_

#include <string>
#include <vector>

#include "services/cli/doctor_checks.h"

namespace closewrite::cli {

// About one thing on one host. Not thread-safe.
class DoctorNotes {
 public:
  DoctorNotes(std::string host, std::string subject, std::vector<Finding>* findings)
      : host_(std::move(host)), subject_(std::move(subject)), findings_(*findings) {}

  void Add(Level level, std::string check, std::string message, std::string cure = "") {
    sound_ = sound_ && level != Level::kFail && level != Level::kWarn;
    findings_.push_back(
        {level, host_, subject_, std::move(check), std::move(message), std::move(cure)});
  }
  void Fail(std::string check, std::string message, std::string cure = "") {
    Add(Level::kFail, std::move(check), std::move(message), std::move(cure));
  }
  void Warn(std::string check, std::string message, std::string cure = "") {
    Add(Level::kWarn, std::move(check), std::move(message), std::move(cure));
  }
  // Nothing was found to be wrong.
  bool sound() const { return sound_; }

 private:
  const std::string host_;
  const std::string subject_;
  std::vector<Finding>& findings_;
  bool sound_ = true;
};

// Checks that watchers and executors have in common.
void CheckVersion(const std::string& version, const std::string& coordinators, DoctorNotes* notes);
// Of a service whose health came with `clock_ahead`.
void CheckClock(absl::Duration ahead, DoctorNotes* notes);
// Of a service whose certificate expires then, in the file that it reads; nothing when it is not
// set. `at`: the service's time.
void CheckCertificate(const google::protobuf::Timestamp* expires_at, absl::Time at,
                      DoctorNotes* notes);
// What both find out about a volume as it is mounted on their host.
void CheckVolumeHealth(const v1::HostHealth& health, const v1::VolumeHealth& volume,
                       DoctorNotes* notes);

void CheckWatcher(const v1::WatcherStatus& watcher, const std::string& version,
                  std::vector<Finding>* findings);
void CheckExecutor(const v1::ExecutorStatus& executor, const std::string& version,
                   std::vector<Finding>* findings);
void CheckPipelines(const FleetFacts& facts, std::vector<Finding>* findings);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_DOCTOR_NOTES_H_
