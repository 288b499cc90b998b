#include "services/coordinator/api/scaler_service.h"

#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/coordinator/api/api_fixture.h"

namespace closewrite {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Metadata = std::map<std::string, std::string>;

externalscaler::ScaledObjectRef Object(const Metadata& metadata) {
  externalscaler::ScaledObjectRef object;
  object.set_name("executors");
  object.set_namespace_("closewrite");
  for (const auto& [key, value] : metadata) (*object.mutable_scalermetadata())[key] = value;
  return object;
}

class ScalerServiceTest : public ApiFixture {
 protected:
  ScalerServiceTest() {
    v1::Pipeline enrich = TestPipeline("enrich");
    enrich.mutable_run()->add_labels("internet");
    Apply(enrich);
    ConnectWatcher();
  }

  absl::StatusOr<int64_t> Count(const Metadata& metadata) {
    // A counter of its own, as the service's may be half a second old.
    JobCounter counter(&store_);
    ScalerService fresh(api_, &counter);
    grpc::ServerBuilder builder;
    builder.RegisterService(&fresh);
    const auto server = builder.BuildAndStart();
    const auto stub = externalscaler::ExternalScaler::NewStub(server->InProcessChannel({}));
    externalscaler::GetMetricsRequest request;
    *request.mutable_scaledobjectref() = Object(metadata);
    request.set_metricname(kScalerMetric);
    grpc::ClientContext context;
    externalscaler::GetMetricsResponse response;
    const grpc::Status status = stub->GetMetrics(&context, request, &response);
    server->Shutdown();
    if (!status.ok()) {
      return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                          status.error_message());
    }
    EXPECT_EQ(response.metricvalues_size(), 1);
    EXPECT_EQ(response.metricvalues(0).metricname(), kScalerMetric);
    EXPECT_EQ(response.metricvalues(0).metricvaluefloat(),
              static_cast<double>(response.metricvalues(0).metricvalue()));
    return response.metricvalues(0).metricvalue();
  }
};

TEST_F(ScalerServiceTest, CountsWhatWaitsAndWhatRuns) {
  const Metadata internet = {{"labels", "gpu, internet"}, {"scalerAddress", "coordinator:7400"}};
  EXPECT_EQ(*Count(internet), 0);
  Announce("a.csv");
  Announce("b.csv");
  EXPECT_EQ(*Count(internet), 2);
  // These can't run it.
  EXPECT_EQ(*Count({}), 0);
  EXPECT_EQ(*Count({{"labels", "gpu"}}), 0);
  const SessionId session = OpenSession("vm-c-1", 1);
  EXPECT_EQ(*Count(internet), 2) << "one of them runs";
  ReportEnd(session, Lease{JobId{1}, FencingToken{1}}, Outcome::kSucceeded, 0);
  EXPECT_EQ(*Count(internet), 1);
}

TEST_F(ScalerServiceTest, CountsOnePipelineAlone) {
  Apply(TestPipeline("other"));  // asks for none
  Announce("a.csv");
  EXPECT_EQ(*Count({{"labels", "internet"}}), 2);
  EXPECT_EQ(*Count({{"labels", "internet"}, {"pipeline", "other"}}), 1);
  EXPECT_EQ(*Count({{"pipeline", "enrich"}}), 0) << "it needs a label";
  EXPECT_EQ(*Count({}), 1);
  const absl::Status none = Count({{"pipeline", "nobody"}}).status();
  EXPECT_EQ(none, absl::NotFoundError("there is no pipeline or task nobody"));
}

TEST_F(ScalerServiceTest, SaysWhatEachExecutorIsToHave) {
  grpc::ClientContext context;
  externalscaler::GetMetricSpecResponse response;
  ASSERT_TRUE(
      scaler_->GetMetricSpec(&context, Object({{"jobsPerExecutor", "2.5"}}), &response).ok());
  ASSERT_EQ(response.metricspecs_size(), 1);
  EXPECT_EQ(response.metricspecs(0).metricname(), kScalerMetric);
  EXPECT_EQ(response.metricspecs(0).targetsize(), 3);
  EXPECT_EQ(response.metricspecs(0).targetsizefloat(), 2.5);
}

TEST_F(ScalerServiceTest, TellsOfEachChange) {
  grpc::ClientContext context;
  const auto stream = scaler_->StreamIsActive(&context, Object({{"labels", "internet"}}));
  externalscaler::IsActiveResponse said;
  ASSERT_TRUE(stream->Read(&said));
  EXPECT_FALSE(said.result());
  Announce("a.csv");
  ASSERT_TRUE(stream->Read(&said));
  EXPECT_TRUE(said.result());
  grpc::ClientContext once;
  externalscaler::IsActiveResponse now;
  ASSERT_TRUE(scaler_->IsActive(&once, Object({{"labels", "internet"}}), &now).ok());
  EXPECT_TRUE(now.result());
  const SessionId session = OpenSession("vm-c-1", 1);
  ReportEnd(session, Lease{JobId{1}, FencingToken{1}}, Outcome::kSucceeded, 0);
  ASSERT_TRUE(stream->Read(&said));
  EXPECT_FALSE(said.result());
  context.TryCancel();
}

TEST(ReadScaleTargetTest, ReadsWhatIsOurs) {
  const auto target = ReadScaleTarget({{"labels", "b,a, b"},
                                       {"jobsPerExecutor", "4"},
                                       {"pipeline", "enrich"},
                                       {"scalerAddress", "coordinator:7400"},
                                       {"enableTLS", "true"}});
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_THAT(target->labels, ElementsAre("a", "b"));
  EXPECT_EQ(target->pipeline, "enrich");
  EXPECT_EQ(target->jobs_per_executor, 4);
}

TEST(ReadScaleTargetTest, SaysWhatIsWrong) {
  const auto error = [](const Metadata& metadata) {
    return std::string(ReadScaleTarget(metadata).status().message());
  };
  EXPECT_THAT(error({{"lables", "a"}}), HasSubstr("did you mean \"labels\"?"));
  EXPECT_THAT(error({{"jobsPerExecuter", "1"}}), HasSubstr("did you mean \"jobsPerExecutor\"?"));
  EXPECT_THAT(error({{"labels", "a b"}}), HasSubstr("labels"));
  EXPECT_THAT(error({{"pipeline", "a/b"}}), HasSubstr("pipeline"));
  for (const char* number : {"0", "-1", "nan", "inf", "x", "", "10001"}) {
    EXPECT_THAT(error({{"jobsPerExecutor", number}}), HasSubstr("jobsPerExecutor: must be"));
  }
}

}  // namespace
}  // namespace closewrite
