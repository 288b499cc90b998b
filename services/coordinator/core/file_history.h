// What the store knows beside an event, for the contracts that ask for more than the event itself.
#ifndef SERVICES_COORDINATOR_CORE_FILE_HISTORY_H_
#define SERVICES_COORDINATOR_CORE_FILE_HISTORY_H_

#include <string>

#include "services/coordinator/core/pipeline.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Reads what MatchEvent wants to know; nothing for the contracts that look at the event alone.
// `record` is in the store, and its name is one that the pipeline takes.
FileHistory HistoryOf(StoreReader& reader, const Pipeline& pipeline, const EventRecord& record);

// What made the job, as commands are told: "CREATE", "DELETE", or "CLOSE_WRITE" of a finished file;
// "" of one without a file.
std::string EventWord(StoreReader& reader, const Pipeline& pipeline, const Job& job);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_FILE_HISTORY_H_
