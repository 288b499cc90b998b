// certs show: what certificates say, and whether they are good.
#ifndef SERVICES_CLI_CERTS_CERTS_SHOW_H_
#define SERVICES_CLI_CERTS_CERTS_SHOW_H_

#include "services/cli/command.h"

namespace closewrite::cli {

Command ShowCommand();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_CERTS_CERTS_SHOW_H_
