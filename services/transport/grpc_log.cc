#include "services/transport/grpc_log.h"

#include <string_view>

#include "grpc/support/log.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

// Said by servers of each TLS connection that was made to an address. Ours have one certificate.
constexpr std::string_view kNoServerName = "No match found for server name";

void LogFromGrpc(gpr_log_func_args* args) {
  const LogField where = {"grpc", StrCat(args->file, ":", args->line)};
  if (std::string_view(args->message).starts_with(kNoServerName)) {
    return LogDebug(args->message, {where});
  }
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
