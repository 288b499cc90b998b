#include "services/executor/hello.h"

#include "services/version/version.h"
#include "services/volume/path.h"

namespace closewrite::executor {

v1::ExecutorHello HelloOf(const v1::ExecutorConfig& config) {
  v1::ExecutorHello hello;
  hello.set_name(config.name());
  hello.set_host(config.host());
  *hello.mutable_labels() = config.labels();
  hello.set_slots(config.slots());
  for (const auto& [name, mount] : config.volumes()) {
    (*hello.mutable_volume_roots())[name] = Display(mount.path());
    if (mount.read_only()) hello.add_read_only_volumes(name);
  }
  hello.set_version(std::string(kVersion));
  hello.set_address(config.listen());
  return hello;
}

}  // namespace closewrite::executor
