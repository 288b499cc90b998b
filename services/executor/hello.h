// Who an executor says it is.
#ifndef SERVICES_EXECUTOR_HELLO_H_
#define SERVICES_EXECUTOR_HELLO_H_

#include "closewrite/v1/attend.pb.h"
#include "closewrite/v1/config.pb.h"

namespace closewrite::executor {

// `config` is complete. Without a session.
v1::ExecutorHello HelloOf(const v1::ExecutorConfig& config);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_HELLO_H_
