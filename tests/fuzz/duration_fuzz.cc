// Durations as people write them.
#include <string_view>

#include "services/config/duration.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using closewrite::Require;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto duration = closewrite::ParseDuration(text);
  if (!duration.ok()) {
    Require(absl::IsInvalidArgument(duration.status()), "a wrong one is an invalid argument");
    Require(closewrite::IsUtf8(closewrite::ToStd(duration.status().message())),
            "a message is text");
    return 0;
  }
  Require(*duration >= absl::ZeroDuration(), "no duration is negative");
  Require(*duration < absl::InfiniteDuration(), "every duration ends");
  const google::protobuf::Duration proto = closewrite::ToProto(*duration);
  Require(proto.nanos() >= 0 && proto.nanos() < 1'000'000'000, "nanoseconds are below a second");
  Require(closewrite::FromProto(proto) == absl::Trunc(*duration, absl::Nanoseconds(1)),
          "a duration travels as it is");
  const auto again =
      closewrite::ParseDuration(closewrite::StrCat(proto.seconds(), "s", proto.nanos(), "ns"));
  Require(again.ok() && *again == closewrite::FromProto(proto), "a duration can be written");
  return 0;
}
