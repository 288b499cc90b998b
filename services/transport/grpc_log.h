// gRPC's own messages become lines of our log.
#ifndef SERVICES_TRANSPORT_GRPC_LOG_H_
#define SERVICES_TRANSPORT_GRPC_LOG_H_

namespace closewrite {

// To be called before the first server or channel is made; any number of times. Thread-safe.
void RouteGrpcLog();

}  // namespace closewrite

#endif  // SERVICES_TRANSPORT_GRPC_LOG_H_
