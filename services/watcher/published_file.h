// A file that an order puts in place, as the ledger is to know it again.
#ifndef SERVICES_WATCHER_PUBLISHED_FILE_H_
#define SERVICES_WATCHER_PUBLISHED_FILE_H_

#include <cstdint>
#include <string>

namespace closewrite::watcher {

struct PublishedFile {
  std::string path;    // its final name, relative to the volume's root
  uint64_t inode = 0;  // kept by the rename

  friend bool operator==(const PublishedFile&, const PublishedFile&) = default;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_PUBLISHED_FILE_H_
