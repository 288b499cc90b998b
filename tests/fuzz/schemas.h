// Messages that are made from the .proto files themselves, so that no code has to be generated.
#ifndef TESTS_FUZZ_SCHEMAS_H_
#define TESTS_FUZZ_SCHEMAS_H_

#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/dynamic_message.h>

#include <memory>
#include <string>

namespace closewrite {

// The messages, as they stand in proto/; the folder that a target is run in has it.
class Schemas {
 public:
  Schemas();

  // "WatcherConfig"
  std::unique_ptr<google::protobuf::Message> New(const std::string& name);

 private:
  google::protobuf::compiler::DiskSourceTree tree_;
  google::protobuf::compiler::Importer importer_;
  google::protobuf::DynamicMessageFactory factory_;
};

}  // namespace closewrite

#endif  // TESTS_FUZZ_SCHEMAS_H_
