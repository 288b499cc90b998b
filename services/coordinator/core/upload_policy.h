// The page by which people hand in files for a pipeline, as a plain value.
#ifndef SERVICES_COORDINATOR_CORE_UPLOAD_POLICY_H_
#define SERVICES_COORDINATOR_CORE_UPLOAD_POLICY_H_

#include <cstdint>
#include <string>
#include <vector>

namespace closewrite {

// See Upload in pipeline.proto.
struct UploadPolicy {
  std::string title;
  std::string help;
  std::vector<std::string> accept;  // ends of names, in lower case; none: all
  int64_t bytes_max = int64_t{1} << 30;
  std::string lock;     // "": files need not wait for each other
  bool refuse = false;  // while the lock is held; otherwise they queue
  std::string folder;   // "": the volume's root
  bool show_log = false;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_UPLOAD_POLICY_H_
