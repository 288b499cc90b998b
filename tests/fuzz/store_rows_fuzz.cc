// Rows of a store that may be damaged: they are read, or it is said that they can't be.
#include <string>
#include <string_view>

#include "services/coordinator/store/record_codec.h"
#include "tests/fuzz/require.h"

namespace closewrite {
namespace {

void CheckDamaged(const absl::Status& status) {
  Require(absl::IsDataLoss(status), "what can't be read is lost", status.ToString());
}

void CheckOutputs(std::string_view bytes) {
  const auto outputs = DecodeOutputs(bytes);
  if (!outputs.ok()) return CheckDamaged(outputs.status());
  Require(EncodeOutputs(*outputs) == bytes, "there is one way to write outputs");
}

void CheckVolumes(std::string_view bytes) {
  const auto volumes = DecodeVolumes(bytes);
  if (!volumes.ok()) return CheckDamaged(volumes.status());
  const auto again = DecodeVolumes(EncodeVolumes(*volumes));
  Require(again.ok() && *again == *volumes, "volumes that were read can be written");
}

void CheckHello(std::string_view bytes) {
  SessionRecord session;
  const absl::Status status = DecodeHello(bytes, &session);
  if (!status.ok()) return CheckDamaged(status);
  SessionRecord again;
  Require(DecodeHello(EncodeHello(session), &again).ok(), "a session that was read can be written");
  Require(again == session, "it is what it was");
}

}  // namespace
}  // namespace closewrite

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  closewrite::CheckOutputs(bytes);
  closewrite::CheckVolumes(bytes);
  closewrite::CheckHello(bytes);
  return 0;
}
