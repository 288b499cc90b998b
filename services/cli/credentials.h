// What shows coordinators who we are.
#ifndef SERVICES_CLI_CREDENTIALS_H_
#define SERVICES_CLI_CREDENTIALS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "grpcpp/grpcpp.h"
#include "services/cli/console.h"
#include "services/cli/settings.h"

namespace closewrite::cli {

// Of a file with a token.
inline constexpr size_t kTokenFileBytesMax = 4096;

// Null when the settings name neither certificates nor a token. INVALID_ARGUMENT (usage) names the
// setting, the file and what is wrong with it. A token is never sent without TLS.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(const Settings& settings,
                                                                          const Console& console);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_CREDENTIALS_H_
