#include "services/transport/grpc_log.h"

#include "grpc/support/log.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

void LogFromGrpc(gpr_log_func_args* args) {
  const LogField where = {"grpc", StrCat(args->file, ":", args->line)};
  switch (args->severity) {
    case GPR_LOG_SEVERITY_ERROR:
      return LogWarn(args->message, {where});
    case GPR_LOG_SEVERITY_INFO:
    case GPR_LOG_SEVERITY_DEBUG:
      return LogDebug(args->message, {where});
  }
}

}  // namespace

void RouteGrpcLog() { gpr_set_log_function(LogFromGrpc); }

}  // namespace closewrite
