// What the store knows beside an event, for the contracts that ask for more than the event itself.
#ifndef SERVICES_COORDINATOR_CORE_FILE_HISTORY_H_
#define SERVICES_COORDINATOR_CORE_FILE_HISTORY_H_

#include "services/coordinator/core/pipeline.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Reads what MatchEvent wants to know; nothing for the contracts that look at the event alone.
// `record` is in the store, and its name is one that the pipeline takes.
FileHistory HistoryOf(StoreReader& reader, const Pipeline& pipeline, const EventRecord& record);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_FILE_HISTORY_H_
