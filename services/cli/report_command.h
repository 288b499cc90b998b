// `closewrite report`: how the last days went, as a page or for programs.
#ifndef SERVICES_CLI_REPORT_COMMAND_H_
#define SERVICES_CLI_REPORT_COMMAND_H_

#include "services/cli/command.h"

namespace closewrite::cli {

Command ReportCommand();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_REPORT_COMMAND_H_
