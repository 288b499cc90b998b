// No call that changes something is forgotten: what the protos say, and what the audit has.
#include "services/coordinator/api/audited_calls.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "google/protobuf/compiler/importer.h"
#include "google/protobuf/descriptor.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

namespace compiler = google::protobuf::compiler;

constexpr char kProtos[] = "proto/closewrite/v1";

class ErrorsOfProtos : public compiler::MultiFileErrorCollector {
 public:
  void AddError(const std::string& file, int line, int, const std::string& message) override {
    ADD_FAILURE() << file << ":" << line << ": " << message;
  }
};

// All calls of all services, whatever this program links.
class Protos {
 public:
  Protos() {
    tree_.MapPath("", "proto");
    tree_.MapPath("", "/usr/include");
    for (const auto& entry : std::filesystem::directory_iterator(kProtos)) {
      const auto* const file =
          importer_.Import(StrCat("closewrite/v1/", entry.path().filename().string()));
      if (file == nullptr) continue;
      for (int i = 0; i < file->service_count(); ++i) AddService(*file->service(i));
    }
  }

  // By full name; whether it takes a `request_id`.
  const std::map<std::string, bool>& calls() const { return calls_; }
  // By short name.
  const std::multiset<std::string>& methods() const { return methods_; }

 private:
  void AddService(const google::protobuf::ServiceDescriptor& service) {
    for (int i = 0; i < service.method_count(); ++i) {
      const google::protobuf::MethodDescriptor& method = *service.method(i);
      const bool takes_id = method.input_type()->FindFieldByName("request_id") != nullptr;
      calls_[StrCat(service.name(), ".", method.name())] = takes_id;
      methods_.insert(method.name());
    }
  }

  compiler::DiskSourceTree tree_;
  ErrorsOfProtos errors_;
  compiler::Importer importer_{&tree_, &errors_};
  std::map<std::string, bool> calls_;
  std::multiset<std::string> methods_;
};

TEST(AuditedCallsTest, EveryCallWithARequestIdIsInOneOfTheLists) {
  const Protos protos;
  std::multiset<std::string> decided;
  for (const CallName& call : AuditedCalls())
    decided.insert(StrCat(call.service, ".", call.method));
  for (const UnauditedCall& each : UnauditedCalls()) {
    decided.insert(StrCat(each.call.service, ".", each.call.method));
    EXPECT_FALSE(each.why.empty()) << each.call.method;
  }
  int with_id = 0;
  for (const auto& [name, takes_id] : protos.calls()) {
    with_id += takes_id;
    EXPECT_LE(decided.count(name), 1u) << name << " is listed twice";
    if (!takes_id) continue;
    EXPECT_EQ(decided.count(name), 1u)
        << name << " takes a request_id: add it to kAudited in audited_calls.cc, or to kUnaudited "
        << "with a reason";
  }
  EXPECT_GE(with_id, 22);
  for (const std::string& name : decided) {
    EXPECT_TRUE(protos.calls().contains(name)) << name << " is no call";
  }
}

// Callers name a method alone, and the ids of requests are kept by it.
TEST(AuditedCallsTest, NoTwoServicesHaveAMethodOfTheSameName) {
  const Protos protos;
  for (const CallName& call : AuditedCalls()) {
    EXPECT_EQ(protos.methods().count(std::string(call.method)), 1u) << call.method;
  }
}

TEST(AuditedCallsTest, IsFoundByItsMethod) {
  ASSERT_NE(FindAuditedCall("CancelJobs"), nullptr);
  EXPECT_EQ(FindAuditedCall("CancelJobs")->service, "JobService");
  EXPECT_EQ(FindAuditedCall("TakeRate"), nullptr);
  EXPECT_EQ(FindAuditedCall(""), nullptr);
}

TEST(AuditedCallsTest, IsAskedForWithOrWithoutItsService) {
  EXPECT_EQ(*ParseAuditedCall("CancelJobs"), (CallName{"", "CancelJobs"}));
  EXPECT_EQ(*ParseAuditedCall("JobService.CancelJobs"), (CallName{"JobService", "CancelJobs"}));
  for (const auto& [text, words] : std::map<std::string, std::string>{
           {"CancelJob", "did you mean \"CancelJobs\"?"},
           {"JobService.CancelJob", "did you mean \"JobService.CancelJobs\"?"},
           {"LockService.CancelJobs", "is no call of the audit"},
           {"TakeRate", "it is made by programs"},
           {"x\n", "\"x\\n\""}}) {
    const absl::Status status = ParseAuditedCall(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_TRUE(absl::StrContains(status.message(), words)) << status;
  }
}

}  // namespace
}  // namespace closewrite
