#include "tests/fuzz/schemas.h"

#include "tests/fuzz/require.h"

namespace closewrite {
namespace {

using google::protobuf::compiler::DiskSourceTree;

DiskSourceTree* Mapped(DiskSourceTree* tree) {
  tree->MapPath("", "proto");
  tree->MapPath("", "/usr/include");
  return tree;
}

}  // namespace

Schemas::Schemas() : importer_(Mapped(&tree_), nullptr) {
  for (const char* file : {"config", "pipeline", "task"}) {
    Require(importer_.Import("closewrite/v1/" + std::string(file) + ".proto") != nullptr,
            "the messages can be read; run it at the top of the repository");
  }
}

std::unique_ptr<google::protobuf::Message> Schemas::New(const std::string& name) {
  const google::protobuf::Descriptor* const type =
      importer_.pool()->FindMessageTypeByName("closewrite.v1." + name);
  Require(type != nullptr, "a message is there", name);
  return std::unique_ptr<google::protobuf::Message>(factory_.GetPrototype(type)->New());
}

}  // namespace closewrite
