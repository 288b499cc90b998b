// Names in a filter that nobody knows: why a list is empty that was not meant to be.
#ifndef SERVICES_CLI_UNKNOWN_NAMES_H_
#define SERVICES_CLI_UNKNOWN_NAMES_H_

#include <string>

#include "closewrite/v1/job.pb.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

// For filters that have found nothing: notes each name of a pipeline, volume or host that is not
// known, and what may have been meant. Takes kLiveNamesTimeout at most; silent when the
// coordinator does not answer in that time.
void NoteUnknownNames(Invocation& invocation, const v1::JobFilter& filter);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_UNKNOWN_NAMES_H_
