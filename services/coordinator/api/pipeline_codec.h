// Pipelines: v1::Pipeline <-> the core's Pipeline. Everything that can be wrong with a definition
// is found here, before anything is kept.
#ifndef SERVICES_COORDINATOR_API_PIPELINE_CODEC_H_
#define SERVICES_COORDINATOR_API_PIPELINE_CODEC_H_

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "closewrite/v1/pipeline.pb.h"
#include "google/protobuf/repeated_field.h"
#include "services/coordinator/api/run_codec.h"
#include "services/coordinator/core/pipeline.h"

namespace closewrite {

inline constexpr int kPipelinesPerRequestMax = 1000;
inline constexpr int kGlobsMax = 64;
inline constexpr int kWeightMax = 1000;
inline constexpr absl::Duration kSettleMax = absl::Hours(24);
inline constexpr absl::Duration kQuietMin = absl::Milliseconds(100);
inline constexpr absl::Duration kQuietMax = absl::Hours(1);
inline constexpr absl::Duration kQuietDefault = absl::Seconds(2);
// A name is no longer on Linux.
inline constexpr size_t kMarkerBytesMax = 255;

// Checks a definition and fills in defaults. INVALID_ARGUMENT names every wrong field and what
// would be right. `definition` of the result is the completed message, always in the same bytes for
// the same meaning.
//
// A pipeline may not publish into the volume that it watches: its results, named by the command,
// would be announced as new files of that volume, and with the usual `{output}` replace their own
// inputs for ever.
absl::StatusOr<Pipeline> DecodePipeline(const v1::Pipeline& definition);

// 1 to kPipelinesPerRequestMax definitions with different names; fields are named as in
// `pipelines[3].run.command`.
absl::StatusOr<std::vector<Pipeline>> DecodePipelines(
    const google::protobuf::RepeatedPtrField<v1::Pipeline>& definitions);

// Reads `Pipeline::definition` back; for Engine::Options::decode_pipeline.
absl::StatusOr<Pipeline> DecodeStoredPipeline(std::string_view definition);

// The completed message of a `definition`. INTERNAL when it is damaged.
absl::StatusOr<v1::Pipeline> ParseDefinition(std::string_view definition);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_PIPELINE_CODEC_H_
