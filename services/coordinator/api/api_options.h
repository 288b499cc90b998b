// What every service of the API is made of.
#ifndef SERVICES_COORDINATOR_API_API_OPTIONS_H_
#define SERVICES_COORDINATOR_API_API_OPTIONS_H_

#include "services/coordinator/change_feed.h"
#include "services/coordinator/store_loop.h"

namespace closewrite {

// Neither is owned; both must outlive the service, and the service the server that it is registered
// with.
struct ApiOptions {
  StoreLoop* loop = nullptr;
  ChangeFeed* feed = nullptr;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_API_OPTIONS_H_
