// Lists that lie in one column, as bytes.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_CODEC_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_CODEC_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/presence.h"

namespace closewrite {

// DATA_LOSS: the bytes are not what the encoder makes.
std::string EncodeOutputs(const std::vector<OutputFile>& outputs);
absl::StatusOr<std::vector<OutputFile>> DecodeOutputs(std::string_view bytes);
std::string EncodeHello(const ExecutorHello& hello);
absl::StatusOr<ExecutorHello> DecodeHello(std::string_view bytes);
std::string EncodeVolumes(const std::vector<VolumeReport>& volumes);
absl::StatusOr<std::vector<VolumeReport>> DecodeVolumes(std::string_view bytes);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_CODEC_H_
