// Lists that lie in one column, as bytes.
#ifndef SERVICES_COORDINATOR_STORE_RECORD_CODEC_H_
#define SERVICES_COORDINATOR_STORE_RECORD_CODEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/presence.h"

namespace closewrite {

// A list of outputs as bytes: for each one the path's length (4 bytes), the path, the size (8
// bytes), the hash's length (4 bytes) and the hash; numbers are little-endian.
std::string EncodeOutputs(const std::vector<OutputFile>& outputs);
// DATA_LOSS when the bytes are not what EncodeOutputs makes.
absl::StatusOr<std::vector<OutputFile>> DecodeOutputs(std::string_view bytes);

// The same for what services say of themselves; each number takes 8 bytes. DATA_LOSS likewise.
std::string EncodeHello(const SessionRecord& session);  // with what its host has found
absl::Status DecodeHello(std::string_view bytes, SessionRecord* session);
std::string EncodeVolumes(const std::vector<VolumeReport>& volumes);
absl::StatusOr<std::vector<VolumeReport>> DecodeVolumes(std::string_view bytes);

// An exit code as a number; none, which no process has, is -1. Rows of versions before this one
// have 0 for none.
int64_t EncodeExitCode(std::optional<int> exit_code);
std::optional<int> DecodeExitCode(int64_t number);

// How a session drains, as a number: 0 not, 1 as it says, 3 as it was told to.
int64_t EncodeDraining(const SessionRecord& session);
void DecodeDraining(int64_t draining, SessionRecord* session);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_RECORD_CODEC_H_
