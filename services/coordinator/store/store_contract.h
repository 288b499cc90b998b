// What every store must do, as one parameterised test suite. A store's test links it and says:
//
//   INSTANTIATE_TEST_SUITE_P(Fake, StoreContract, testing::Values(StoreCase{"Memory", MakeIt}),
//                            StoreCaseName);
#ifndef SERVICES_COORDINATOR_STORE_STORE_CONTRACT_H_
#define SERVICES_COORDINATOR_STORE_STORE_CONTRACT_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/store_samples.h"

namespace closewrite {

// A new, empty store, and the way to close and open it again.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual Store* store() = 0;
  // Whether what was committed is still there after Reopen().
  virtual bool durable() const = 0;
  virtual void Reopen() = 0;
};

struct StoreCase {
  std::string name;
  std::function<std::unique_ptr<StoreUnderTest>()> make;
};

// All that a log says, its notes included.
std::string LogText(StoreReader& reader, const Lease& lease);

std::string StoreCaseName(const testing::TestParamInfo<StoreCase>& info);

class StoreContract : public testing::TestWithParam<StoreCase> {
 protected:
  void SetUp() override;

  Store* store() { return under_test_->store(); }
  StoreUnderTest* under_test() { return under_test_.get(); }

  // Run `fn` in a transaction, or over the committed state, that must succeed.
  void Write(absl::FunctionRef<void(StoreTransaction&)> fn);
  void Read(absl::FunctionRef<void(StoreReader&)> fn);
  // Runs `fn` in a transaction that must fail, and gives back its error.
  absl::Status FailWrite(absl::FunctionRef<void(StoreTransaction&)> fn);

  // Commits one job, and reads one that is committed.
  JobId Insert(const Job& job);
  std::optional<Job> Get(JobId id);

 private:
  std::unique_ptr<StoreUnderTest> under_test_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_STORE_CONTRACT_H_
