// What read(2) brings from fanotify: bytes that the kernel would never send, and those that it
// does.
#include <fuzzer/FuzzedDataProvider.h>
#include <limits.h>
#include <sys/fanotify.h>

#include <deque>
#include <string>
#include <string_view>

#include "services/watcher/fanotify_decode.h"
#include "tests/fuzz/require.h"

namespace closewrite::watcher {
namespace {

constexpr size_t kHandleBytesMax = 128;  // MAX_HANDLE_SZ

template <class Struct>
std::string_view BytesOf(const Struct& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

// A struct file_handle.
std::string Handle(FuzzedDataProvider* input) {
  const std::string opaque = input->ConsumeRandomLengthString(kHandleBytesMax);
  const auto length = static_cast<uint32_t>(opaque.size());
  const auto type = input->ConsumeIntegral<int32_t>();
  std::string handle(BytesOf(length));
  handle += BytesOf(type);
  return handle + opaque;
}

// A record of a handle and, unless `name` is null, a name; padded to four bytes as the kernel does.
std::string Record(uint8_t type, std::string_view handle, const std::string* name) {
  fanotify_event_info_fid head = {};
  head.hdr.info_type = type;
  std::string body(handle);
  if (name != nullptr) body += *name + std::string(1, '\0');
  while (body.size() % 4 != 0) body += '\0';
  head.hdr.len = static_cast<uint16_t>(sizeof(head) + body.size());
  return std::string(BytesOf(head)) + body;
}

std::string Name(FuzzedDataProvider* input) {
  const std::string name = input->ConsumeRandomLengthString(NAME_MAX);
  return name.substr(0, name.find('\0'));
}

// The strings that the views of an expected event point to.
using Storage = std::deque<std::string>;

std::string_view Keep(Storage* storage, std::string text) {
  return storage->emplace_back(std::move(text));
}

FanotifyEvent Append(FuzzedDataProvider* input, Storage* storage, std::string* bytes) {
  FanotifyEvent expected;
  fanotify_event_metadata metadata = {};
  metadata.vers = FANOTIFY_METADATA_VERSION;
  metadata.metadata_len = sizeof(metadata);
  metadata.mask = expected.mask = input->ConsumeIntegral<uint64_t>();
  metadata.fd = FAN_NOFD;
  std::string records;
  const std::string handle = Handle(input);
  std::string name = Name(input);
  // What FAN_REPORT_DFID_NAME, FAN_RENAME, FAN_REPORT_FID and a full queue bring.
  switch (input->ConsumeIntegralInRange(0, 3)) {
    case 0:
      records = Record(FAN_EVENT_INFO_TYPE_DFID_NAME, handle, &name);
      records += Record(FAN_EVENT_INFO_TYPE_FID, Handle(input), nullptr);
      expected.directory = Keep(storage, handle);
      expected.name = Keep(storage, name == "." ? "" : name);
      break;
    case 1: {
      const std::string new_handle = Handle(input), new_name = Name(input);
      records = Record(FAN_EVENT_INFO_TYPE_OLD_DFID_NAME, handle, &name);
      records += Record(FAN_EVENT_INFO_TYPE_NEW_DFID_NAME, new_handle, &new_name);
      expected.directory = Keep(storage, handle);
      expected.name = Keep(storage, name == "." ? "" : name);
      expected.new_directory = Keep(storage, new_handle);
      expected.new_name = Keep(storage, new_name == "." ? "" : new_name);
      break;
    }
    case 2:
      records = Record(FAN_EVENT_INFO_TYPE_FID, handle, nullptr);
      break;
    default:
      break;
  }
  metadata.event_len = static_cast<uint32_t>(sizeof(metadata) + records.size());
  *bytes += BytesOf(metadata);
  *bytes += records;
  return expected;
}

bool SameEvent(const FanotifyEvent& a, const FanotifyEvent& b) {
  return a.mask == b.mask && a.directory == b.directory && a.name == b.name &&
         a.new_directory == b.new_directory && a.new_name == b.new_name;
}

void CheckWhole(FuzzedDataProvider* input) {
  std::string bytes;
  Storage storage;
  std::vector<FanotifyEvent> expected;
  while (input->remaining_bytes() > 0) expected.push_back(Append(input, &storage, &bytes));
  const std::vector<FanotifyEvent> decoded = DecodeFanotify(bytes);
  Require(decoded.size() == expected.size(), "every event is told");
  for (size_t i = 0; i < decoded.size(); ++i) {
    Require(SameEvent(decoded[i], expected[i]), "an event is told as it was");
  }
}

// Also that no more is read: the bytes are the whole of their allocation.
void CheckAnything(std::string_view bytes) {
  const auto inside = [&](std::string_view view) {
    return view.empty() || (view.data() >= bytes.data() &&
                            view.data() + view.size() <= bytes.data() + bytes.size());
  };
  const std::vector<FanotifyEvent> decoded = DecodeFanotify(bytes);
  Require(decoded.size() <= bytes.size() / sizeof(fanotify_event_metadata),
          "no event from nowhere");
  for (const FanotifyEvent& event : decoded) {
    for (const std::string_view view :
         {event.directory, event.name, event.new_directory, event.new_name}) {
      Require(inside(view), "a view points into what was read");
    }
    for (const std::string_view name : {event.name, event.new_name}) {
      Require(name.find('\0') == std::string_view::npos, "a name ends at its NUL");
    }
    for (const std::string_view handle : {event.directory, event.new_directory}) {
      uint32_t length = 0;
      if (handle.empty()) continue;
      Require(handle.size() >= 8, "a handle has its length and type");
      handle.copy(reinterpret_cast<char*>(&length), sizeof(length));
      Require(handle.size() == 8 + size_t{length}, "a handle is as long as it says");
    }
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
