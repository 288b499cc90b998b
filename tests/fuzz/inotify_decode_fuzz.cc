// What read(2) brings from inotify: bytes that the kernel would never send, and those that it does.
#include <fuzzer/FuzzedDataProvider.h>
#include <limits.h>
#include <sys/inotify.h>

#include <string>
#include <string_view>

#include "services/watcher/inotify_decode.h"
#include "tests/fuzz/require.h"

namespace closewrite::watcher {
namespace {

bool SameEvent(const RawEvent& a, const RawEvent& b) {
  return a.watch == b.watch && a.mask == b.mask && a.cookie == b.cookie && a.barrier == b.barrier &&
         a.name == b.name;
}

// As the kernel writes it: the name ends with a NUL and is padded with more of them.
void Append(const RawEvent& raw, size_t padding, std::string* bytes) {
  inotify_event event = {};
  event.wd = raw.watch;
  event.mask = raw.mask;
  event.cookie = raw.cookie;
  event.len = raw.name.empty() ? 0 : static_cast<uint32_t>(raw.name.size() + 1 + padding);
  bytes->append(reinterpret_cast<const char*>(&event), sizeof(event));
  bytes->append(raw.name);
  bytes->append(event.len - raw.name.size(), '\0');
}

void CheckAnything(std::string_view bytes) {
  DecodedEvents decoded;
  DecodeInotify(bytes, &decoded);
  Require(decoded.events.size() <= bytes.size() / sizeof(inotify_event), "no event from nowhere");
  for (const RawEvent& event : decoded.events) {
    Require(event.name.find('\0') == std::string::npos, "a name ends at its NUL");
    Require((event.mask & IN_Q_OVERFLOW) == 0, "an overflow is no event");
  }
}

void CheckWhole(FuzzedDataProvider* input) {
  std::string bytes;
  DecodedEvents expected;
  while (input->remaining_bytes() > 0) {
    RawEvent raw;
    raw.watch = input->ConsumeIntegral<int32_t>();
    raw.mask = input->ConsumeIntegral<uint32_t>();
    raw.cookie = input->ConsumeIntegral<uint32_t>();
    raw.name = input->ConsumeRandomLengthString(NAME_MAX);
    raw.name = raw.name.substr(0, raw.name.find('\0'));
    Append(raw, input->ConsumeIntegralInRange<size_t>(0, 15), &bytes);
    if (raw.mask & IN_Q_OVERFLOW) {
      expected.overflowed = true;
    } else {
      expected.events.push_back(raw);
    }
  }
  DecodedEvents decoded;
  DecodeInotify(bytes, &decoded);
  Require(decoded.overflowed == expected.overflowed, "an overflow is told");
  Require(!decoded.unnamed, "inotify always has names");
  Require(decoded.events.size() == expected.events.size(), "every event is told");
  for (size_t i = 0; i < decoded.events.size(); ++i) {
    Require(SameEvent(decoded.events[i], expected.events[i]), "an event is told as it was");
  }
}

}  // namespace
}  // namespace closewrite::watcher

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  if (input.ConsumeBool()) {
    closewrite::watcher::CheckWhole(&input);
  } else {
    const auto bytes = input.ConsumeRemainingBytes<char>();
    closewrite::watcher::CheckAnything({bytes.data(), bytes.size()});
  }
  return 0;
}
