// Who makes a call.
#ifndef SERVICES_ACCESS_CALLERS_H_
#define SERVICES_ACCESS_CALLERS_H_

#include "grpcpp/grpcpp.h"
#include "services/access/caller.h"

namespace closewrite {

// Tells who makes a call that the server has let in. Thread-safe.
class Callers {
 public:
  virtual ~Callers() = default;
  virtual Caller Of(const grpc::ServerContextBase& context) const = 0;
};

}  // namespace closewrite

#endif  // SERVICES_ACCESS_CALLERS_H_
