// `doctor`: what is wrong in the fleet, before the first file is lost.
#ifndef SERVICES_CLI_DOCTOR_COMMAND_H_
#define SERVICES_CLI_DOCTOR_COMMAND_H_

#include "services/cli/command.h"

namespace closewrite::cli {

Command DoctorCommand();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_DOCTOR_COMMAND_H_
