// What every service of the API is made of.
#ifndef SERVICES_COORDINATOR_API_API_OPTIONS_H_
#define SERVICES_COORDINATOR_API_API_OPTIONS_H_

#include "services/access/callers.h"
#include "services/coordinator/change_feed.h"
#include "services/coordinator/store_loop.h"
#include "services/transport/tls.h"

namespace closewrite {

// None is owned; all must outlive the service, and the service the server that it is registered
// with.
struct ApiOptions {
  StoreLoop* loop = nullptr;
  ChangeFeed* feed = nullptr;
  // Who calls; null where anybody may.
  const Callers* callers = nullptr;
  // The coordinator's certificate; null where there is none.
  const Tls* tls = nullptr;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_API_OPTIONS_H_
