#include "services/transport/errors.h"

#include <string>

#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

constexpr char kInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kFieldsUrl[] = "type.googleapis.com/google.rpc.BadRequest";

google::rpc::BadRequest Fields(const absl::Status& status) {
  google::rpc::BadRequest fields;
  const auto payload = status.GetPayload(kFieldsUrl);
  EXPECT_TRUE(payload && fields.ParseFromString(std::string(*payload)));
  return fields;
}

TEST(ErrorsTest, CodesAreTheSameNumbers) {
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "why");
    EXPECT_EQ(ToGrpc(status).error_code(), code);
    EXPECT_EQ(ToGrpc(status).error_message(), "why");
    EXPECT_EQ(ToGrpc(status).error_details(), "");
    EXPECT_EQ(FromGrpc(ToGrpc(status)), status);
  }
}

TEST(ErrorsTest, DetailsMakeTheRoundTrip) {
  absl::Status status = WithReason(absl::NotFoundError("no pipeline \"enrch\""), "NO_SUCH_PIPELINE",
                                   {{"pipeline", "enrch"}, {"nearest", "enrich"}});
  status = WithField(status, "pipelines[0].name", "is empty; give one");
  status = WithField(status, "pipelines[1].on.volume", "is unknown");
  const absl::Status back = FromGrpc(ToGrpc(status));
  EXPECT_EQ(back, status);
  EXPECT_EQ(Reason(back), "NO_SUCH_PIPELINE");
  ASSERT_EQ(Fields(back).field_violations_size(), 2);
  EXPECT_EQ(Fields(back).field_violations(0).field(), "pipelines[0].name");
  EXPECT_EQ(Fields(back).field_violations(1).description(), "is unknown");
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(info.ParseFromString(std::string(*back.GetPayload(kInfoUrl))));
  EXPECT_EQ(info.domain(), "closewrite");
  EXPECT_EQ(info.metadata().at("nearest"), "enrich");
}

TEST(ErrorsTest, TravelsAsGoogleRpcStatus) {
  google::rpc::Status sent;
  const grpc::Status status = ToGrpc(WithReason(absl::AbortedError("x"), "STALE_TOKEN"));
  ASSERT_TRUE(sent.ParseFromString(status.error_details()));
  EXPECT_EQ(sent.code(), 10);
  EXPECT_EQ(sent.message(), "x");
  ASSERT_EQ(sent.details_size(), 1);
  EXPECT_EQ(sent.details(0).type_url(), kInfoUrl);
}

TEST(ErrorsTest, OkTakesNoDetails) {
  EXPECT_TRUE(WithReason(absl::OkStatus(), "X").ok());
  EXPECT_TRUE(ToGrpc(WithField(absl::OkStatus(), "a", "b")).ok());
  EXPECT_EQ(Reason(absl::OkStatus()), "");
  EXPECT_EQ(Reason(absl::InternalError("x")), "");
}

TEST(ErrorsTest, BytesThatAreNotUtf8LoseNothingElse) {
  absl::Status status =
      WithReason(absl::NotFoundError("no file \xff"), "NO_FILE", {{"path", "\xfe"}});
  status = WithField(status, "path", "\xff is wrong");
  const absl::Status back = FromGrpc(ToGrpc(status));
  EXPECT_EQ(std::string(back.message()), "no file \\xff");
  EXPECT_EQ(Reason(back), "NO_FILE");
  EXPECT_EQ(Fields(back).field_violations(0).description(), "\\xff is wrong");
}

// A status that fills the peer's header table would arrive as another error.
TEST(ErrorsTest, StatusesStaySmall) {
  absl::Status status =
      WithReason(absl::InvalidArgumentError(std::string(50'000, 'm')), "MANY", {{"a", "b"}});
  for (int i = 0; i < 1000; ++i) {
    status = WithField(status, StrCat("pipelines[", i, "].name"), "is not allowed; use another");
  }
  const grpc::Status sent = ToGrpc(status);
  EXPECT_LE(sent.error_message().size(), 1024u);
  EXPECT_LE(sent.error_details().size(), 3072u);
  const absl::Status back = FromGrpc(sent);
  EXPECT_EQ(Reason(back), "MANY");
  EXPECT_GT(Fields(back).field_violations_size(), 10);
  EXPECT_EQ(Fields(back).field_violations(0).field(), "pipelines[0].name");
  const std::string umlauts = ToGrpc(absl::InternalError(StrCat("x", std::string(500, 'y'),
                                                                [] {
                                                                  std::string text;
                                                                  for (int i = 0; i < 600; ++i)
                                                                    text += "\xc3\xa4";
                                                                  return text;
                                                                }())))
                                  .error_message();
  EXPECT_LE(umlauts.size(), 1024u);
  EXPECT_TRUE(IsUtf8(umlauts));
}

TEST(ErrorsTest, ForeignDetailsAreKeptOrIgnored) {
  const grpc::Status garbage(grpc::StatusCode::INTERNAL, "x", "\xff not a message");
  EXPECT_EQ(FromGrpc(garbage), absl::InternalError("x"));
  google::rpc::Status sent;
  auto* any = sent.add_details();
  any->set_type_url("type.googleapis.com/other.Detail");
  any->set_value("v");
  const absl::Status back =
      FromGrpc(grpc::Status(grpc::StatusCode::INTERNAL, "x", sent.SerializeAsString()));
  ASSERT_TRUE(back.GetPayload("type.googleapis.com/other.Detail").has_value());
  EXPECT_EQ(FromGrpc(ToGrpc(back)), back);
}

}  // namespace
}  // namespace closewrite
