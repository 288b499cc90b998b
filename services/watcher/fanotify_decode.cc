#include "services/watcher/fanotify_decode.h"

#include <string.h>
#include <sys/fanotify.h>

namespace closewrite::watcher {
namespace {

// At the start of a struct file_handle: its length and its type; the handle's bytes follow.
constexpr size_t kHandleHeadBytes = sizeof(uint32_t) + sizeof(int32_t);

// A record of a directory's handle and, behind it, a name that ends with a NUL.
bool DecodeHandle(std::string_view record, std::string_view* handle, std::string_view* name) {
  record.remove_prefix(sizeof(fanotify_event_info_fid));
  uint32_t length = 0;
  if (record.size() < kHandleHeadBytes) return false;
  memcpy(&length, record.data(), sizeof(length));
  if (length > record.size() - kHandleHeadBytes) return false;
  *handle = record.substr(0, kHandleHeadBytes + length);
  record.remove_prefix(handle->size());
  *name = record.substr(0, record.find('\0'));
  if (*name == ".") *name = "";
  return true;
}

bool DecodeRecord(std::string_view record, uint8_t type, FanotifyEvent* event) {
  switch (type) {
    case FAN_EVENT_INFO_TYPE_DFID_NAME:
    case FAN_EVENT_INFO_TYPE_DFID:
    case FAN_EVENT_INFO_TYPE_OLD_DFID_NAME:
      if (record.size() < sizeof(fanotify_event_info_fid)) return false;
      return DecodeHandle(record, &event->directory, &event->name);
    case FAN_EVENT_INFO_TYPE_NEW_DFID_NAME:
      if (record.size() < sizeof(fanotify_event_info_fid)) return false;
      return DecodeHandle(record, &event->new_directory, &event->new_name);
    default:
      return true;  // the file's own handle, and what later kernels may add
  }
}

bool DecodeRecords(std::string_view records, FanotifyEvent* event) {
  while (!records.empty()) {
    fanotify_event_info_header header;
    if (records.size() < sizeof(header)) return false;
    memcpy(&header, records.data(), sizeof(header));
    if (header.len < sizeof(header) || header.len > records.size()) return false;
    if (!DecodeRecord(records.substr(0, header.len), header.info_type, event)) return false;
    records.remove_prefix(header.len);
  }
  return true;
}

}  // namespace

std::vector<FanotifyEvent> DecodeFanotify(std::string_view bytes) {
  std::vector<FanotifyEvent> events;
  while (bytes.size() >= sizeof(fanotify_event_metadata)) {
    fanotify_event_metadata metadata;
    memcpy(&metadata, bytes.data(), sizeof(metadata));
    const bool whole =
        metadata.vers == FANOTIFY_METADATA_VERSION && metadata.event_len <= bytes.size() &&
        metadata.metadata_len >= sizeof(metadata) && metadata.metadata_len <= metadata.event_len;
    if (!whole) return events;
    FanotifyEvent event;
    event.mask = metadata.mask;
    const std::string_view records =
        bytes.substr(metadata.metadata_len, metadata.event_len - metadata.metadata_len);
    if (!DecodeRecords(records, &event)) return events;
    events.push_back(event);
    bytes.remove_prefix(metadata.event_len);
  }
  return events;
}

}  // namespace closewrite::watcher
