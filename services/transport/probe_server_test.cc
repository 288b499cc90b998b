#include "services/transport/probe_server.h"

#include <string>
#include <utility>

#include "grpc/health/v1/health.pb.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/client_unary_call.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

class ProbeServerTest : public ::testing::Test {
 protected:
  // As a kubelet asks.
  std::string Ask(const std::string& service) {
    const auto channel = grpc::CreateChannel(StrCat("127.0.0.1:", probes_->port()),
                                             grpc::InsecureChannelCredentials());
    grpc::ClientContext context;
    HealthCheckRequest request;
    request.set_service(service);
    HealthCheckResponse response;
    const grpc::internal::RpcMethod method("/grpc.health.v1.Health/Check",
                                           grpc::internal::RpcMethod::NORMAL_RPC);
    const grpc::Status status =
        grpc::internal::BlockingUnaryCall<HealthCheckRequest, HealthCheckResponse>(
            channel.get(), method, &context, request, &response);
    return status.ok() ? HealthCheckResponse::ServingStatus_Name(response.status())
                       : status.error_message();
  }

  std::unique_ptr<ProbeServer> probes_ = *ProbeServer::Start("127.0.0.1:0");
};

TEST_F(ProbeServerTest, WhoDrainsLivesAndDoesNotServe) {
  EXPECT_EQ(Ask(""), "SERVING");
  EXPECT_EQ(Ask(kAlive), "SERVING");
  probes_->Drain();
  EXPECT_EQ(Ask(""), "NOT_SERVING");
  EXPECT_EQ(Ask(kAlive), "SERVING");
}

TEST_F(ProbeServerTest, WhereNothingIsSaidNothingIsServed) {
  const auto none = ProbeServer::Start("");
  ASSERT_TRUE(none.ok());
  EXPECT_EQ((*none)->port(), 0);
  (*none)->Drain();
}

TEST_F(ProbeServerTest, ABusyPortIsNamedWithItsKey) {
  const std::string listen = StrCat("127.0.0.1:", probes_->port());
  const auto second = ProbeServer::Start(listen);
  EXPECT_EQ(second.status().message().substr(0, 30 + listen.size()),
            StrCat("probes: cannot serve on ", listen, ": addr"));
}

}  // namespace
}  // namespace closewrite
