// How the states of services look in tables.
#ifndef SERVICES_CLI_FLEET_CELLS_H_
#define SERVICES_CLI_FLEET_CELLS_H_

#include "closewrite/v1/observe.pb.h"
#include "services/cli/table.h"

namespace closewrite::cli {

Cell PresenceCell(bool connected, bool draining);
Cell VolumeStateCell(v1::VolumeState state);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_FLEET_CELLS_H_
