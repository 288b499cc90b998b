// Increments that an InfluxDB has from before Closewrite.
#ifndef SERVICES_CLI_INCREMENT_IMPORT_H_
#define SERVICES_CLI_INCREMENT_IMPORT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "closewrite/v1/monitor.pb.h"
#include "services/cli/command.h"

namespace closewrite::cli {

// Out of InfluxDB's answer (JSON) to a query for the newest increments by job and data source.
// INVALID_ARGUMENT: it is none; the message has InfluxDB's own words where there are some.
absl::StatusOr<std::vector<v1::Increment>> ParseIncrements(const std::string& answer);

Command IncrementImportCommand();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_INCREMENT_IMPORT_H_
