// Small files that are there whole or not at all, and that nobody reads for whom they are not.
#ifndef SERVICES_CLI_CERTS_WHOLE_FILE_H_
#define SERVICES_CLI_CERTS_WHOLE_FILE_H_

#include <sys/types.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace closewrite::cli {

inline constexpr mode_t kPrivateMode = 0600;
inline constexpr mode_t kPublicMode = 0644;

enum class IfThere {
  kRefuse,   // ALREADY_EXISTS
  kReplace,  // by one rename; its owner and its mode stay
};

// Written beside `path` under a name that nobody can know, with no rights for others before it has
// `mode`, made durable, and renamed. FAILED_PRECONDITION where something stands that is no plain
// file: links are not followed, as whoever may write to the folder could lead us anywhere.
absl::Status WriteWhole(const std::string& path, std::string_view bytes, mode_t mode,
                        IfThere if_there);

// FAILED_PRECONDITION for more than kPemBytesMax bytes and for what is no plain file.
absl::StatusOr<std::string> ReadWhole(const std::string& path);

// FAILED_PRECONDITION when a file that holds a secret may be read by others.
absl::Status CheckPrivate(const std::string& path);

// Makes a folder that is its owner's alone, and those above it as the umask has it. One that is
// there stays as it is; FAILED_PRECONDITION when others may write to it.
absl::Status MakePrivateFolder(const std::string& path);

bool IsThere(const std::string& path);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_CERTS_WHOLE_FILE_H_
