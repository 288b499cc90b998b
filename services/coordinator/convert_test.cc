#include "services/coordinator/convert.h"

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

namespace closewrite {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::util::MessageDifferencer;

// Gives every field of its own a value that is its number.
void Fill(google::protobuf::Message* message) {
  const google::protobuf::Reflection& reflection = *message->GetReflection();
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message->GetDescriptor()->field(i);
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT64:
        reflection.SetInt64(message, field, field->number());
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        reflection.SetInt32(message, field, field->number());
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        reflection.SetUInt64(message, field, field->number());
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection.SetBool(message, field, true);
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        reflection.SetString(message, field, "f" + std::to_string(field->number()));
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        reflection.SetEnumValue(message, field, field->enum_type()->value_count() - 1);
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Fill(reflection.MutableMessage(message, field));
        break;
      default:
        ADD_FAILURE() << field->full_name() << " is of a type that this test does not know";
    }
  }
}

// A field that is new in the message but not in the plain value would be lost in silence.
TEST(ConvertTest, NothingOfAVolumesStateIsLost) {
  v1::VolumeStatus status;
  Fill(&status);
  const absl::StatusOr<VolumeReport> report = FromProto(status);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(MessageDifferencer::Equals(ToProto(*report), status))
      << ToProto(*report).DebugString() << status.DebugString();
  EXPECT_TRUE(MessageDifferencer::Equals(ToProto(VolumeReport{}), v1::VolumeStatus()));
}

TEST(ConvertTest, NothingOfAnEventIsLost) {
  v1::FileEvent event;
  Fill(&event);
  const absl::StatusOr<FileEvent> plain = FromProto(event);
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_TRUE(MessageDifferencer::Equals(ToProto(*plain), event)) << ToProto(*plain).DebugString();
}

// A watcher could make jobs of what lies in staging.
TEST(ConvertTest, NoEventIsOfOurOwnFiles) {
  v1::FileEvent event;
  Fill(&event);
  for (const char* path : {".closewrite", ".closewrite/staging/7/1/a.csv"}) {
    event.mutable_file()->set_path(path);
    EXPECT_FALSE(FromProto(event).ok()) << path;
  }
}

TEST(ConvertTest, EverySourceOfAnEventIsKnown) {
  v1::FileEvent event;
  Fill(&event);
  const google::protobuf::EnumDescriptor& sources = *v1::EventSource_descriptor();
  for (int i = 0; i < sources.value_count(); ++i) {
    event.set_source(static_cast<v1::EventSource>(sources.value(i)->number()));
    EXPECT_EQ(FromProto(event).ok(), event.source() != v1::EVENT_SOURCE_UNSPECIFIED);
  }
  event.set_source(static_cast<v1::EventSource>(99));
  EXPECT_FALSE(FromProto(event).ok());
}

TEST(ConvertTest, InterestsSayOnlyWhatIsWanted) {
  EXPECT_FALSE(ToProto("v", Interest{.create = true}).has_quiet());
  const v1::VolumeInterest quiet = ToProto("v", Interest{.quiet = absl::Milliseconds(1500)});
  EXPECT_FALSE(quiet.create());
  EXPECT_EQ(quiet.quiet().seconds(), 1);
  EXPECT_EQ(quiet.quiet().nanos(), 500'000'000);
}

// A 0 that nobody had exited with was taken for success.
TEST(ConvertTest, OnlyWhatHasExitedHasAnExitCode) {
  EXPECT_FALSE(ToProto(Job{}, nullptr, {}, nullptr).has_exit_code());
  EXPECT_FALSE(ToProto(Attempt{}).has_exit_code());
  EXPECT_TRUE(ToProto(Attempt{.exit_code = 0}).has_exit_code());
  v1::AttendRequest request;
  v1::AttemptResult& result = *request.add_results();
  result.set_outcome(v1::ATTEMPT_OUTCOME_FAILED);
  EXPECT_EQ(FromProto(request)->results[0].end.exit_code, std::nullopt);
  result.set_exit_code(0);
  EXPECT_EQ(FromProto(request)->results[0].end.exit_code, 0);
  // Of an executor that does not say a 0.
  result.clear_exit_code();
  result.set_outcome(v1::ATTEMPT_OUTCOME_SUCCEEDED);
  EXPECT_EQ(FromProto(request)->results[0].end.exit_code, 0);
}

TEST(ConvertTest, OnlyProblemsOfVolumesAreFindings) {
  v1::AttendRequest request;
  EXPECT_FALSE(FromProto(request)->health.has_value());
  request.mutable_health()->mutable_sent_at()->set_seconds(7);
  request.mutable_health()->add_volumes()->set_volume("well");
  v1::VolumeHealth& gone = *request.mutable_health()->add_volumes();
  gone.set_volume("gone");
  gone.set_problem("is it still mounted?");
  const absl::StatusOr<AttendReport> report = FromProto(request);
  EXPECT_EQ(report->health->sent_at, absl::FromUnixSeconds(7));
  EXPECT_EQ(report->health->unusable_volumes,
            (std::map<std::string, std::string>{{"gone", "is it still mounted?"}}));
}

// Long messages were cut in the middle of a character: no client could read the job's answer.
TEST(ConvertTest, MessagesThatAreCutStayText) {
  v1::AttendRequest request;
  std::string text = "a";
  while (text.size() < 5000) text += "\xc3\xa4";
  v1::AttemptResult& result = *request.add_results();
  result.set_outcome(v1::ATTEMPT_OUTCOME_FAILED);
  result.set_message(text);
  v1::VolumeHealth& gone = *request.mutable_health()->add_volumes();
  gone.set_volume("gone");
  gone.set_problem(text);
  const absl::StatusOr<AttendReport> report = FromProto(request);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->results[0].end.message, text.substr(0, 4095));
  EXPECT_EQ(report->health->unusable_volumes.at("gone"), text.substr(0, 511));
}

// A volume called "/" made a row that ended the coordinator at each start.
TEST(ConvertTest, VolumesOfAnExecutorHaveNames) {
  v1::ExecutorHello hello;
  hello.set_name("vm-c");
  hello.set_host("vm-c");
  hello.set_slots(1);
  hello.add_read_only_volumes("in");
  EXPECT_TRUE(FromProto(hello).ok());
  hello.add_read_only_volumes("/");
  EXPECT_TRUE(absl::IsInvalidArgument(FromProto(hello).status()));
  hello.clear_read_only_volumes();
  (*hello.mutable_volume_roots())["/in"] = "/mnt/in";
  EXPECT_TRUE(absl::IsInvalidArgument(FromProto(hello).status()));
  v1::AttendRequest request;
  request.mutable_health()->add_volumes()->set_volume("/clock");
  request.mutable_health()->mutable_volumes(0)->set_problem("it is none");
  EXPECT_TRUE(FromProto(request)->health->unusable_volumes.empty());
}

// An event of the year 300000 could be kept by no store, and printed by no client.
TEST(ConvertTest, TimesAreWhatStoresCanHold) {
  google::protobuf::Timestamp timestamp;
  for (const int64_t seconds : {std::numeric_limits<int64_t>::min(), int64_t{-1} << 40, int64_t{7},
                                int64_t{1} << 40, std::numeric_limits<int64_t>::max()}) {
    timestamp.set_seconds(seconds);
    const absl::Time time = FromProto(timestamp);
    EXPECT_EQ(absl::FromUnixNanos(absl::ToUnixNanos(time)), time) << seconds;
    EXPECT_EQ(time == absl::FromUnixSeconds(7), seconds == 7) << seconds;
  }
  v1::VolumeStatus status;
  status.set_volume("in");
  status.mutable_scan_duration()->set_seconds(-5);
  EXPECT_EQ(FromProto(status)->scan_duration, absl::ZeroDuration());
}

// A coordinator may be older than its watchers.
TEST(ConvertTest, AStateThatIsNotKnownIsUnknown) {
  v1::VolumeStatus status;
  status.set_volume("in");
  status.set_state(static_cast<v1::VolumeState>(99));
  EXPECT_EQ(FromProto(status)->state, VolumeState::kUnknown);
}

// Jobs about a name do not look at the file.
TEST(ConvertTest, OnlyContractsAboutNamesLeaveTheInputUnchecked) {
  for (const When when : {When::kCloseWrite, When::kRename, When::kMarker, When::kQuiet,
                          When::kCreate, When::kDelete}) {
    auto pipeline = std::make_shared<Pipeline>();
    pipeline->when = when;
    const v1::Assignment assignment = ToProto(Grant{.pipeline = pipeline});
    EXPECT_EQ(assignment.input_unchecked(), when == When::kCreate || when == When::kDelete);
  }
}

TEST(ConvertTest, AnAssignmentSaysHowItsCommandRuns) {
  auto pipeline = std::make_shared<Pipeline>();
  pipeline->wd = "/srv/r";
  pipeline->run_as = "enrich";
  pipeline->secrets_from = "/etc/api.env";
  pipeline->nice = 3;
  pipeline->nofile = 99;
  pipeline->memory_bytes = 1 << 30;
  pipeline->cpu_millis = 1500;
  const v1::Assignment assignment = ToProto(Grant{.pipeline = pipeline});
  EXPECT_EQ(assignment.wd(), "/srv/r");
  EXPECT_EQ(assignment.run_as(), "enrich");
  EXPECT_EQ(assignment.secrets_from(), "/etc/api.env");
  EXPECT_EQ(assignment.nice(), 3);
  EXPECT_EQ(assignment.nofile(), 99);
  EXPECT_EQ(assignment.memory_bytes(), 1 << 30);
  EXPECT_EQ(assignment.cpu_millis(), 1500);
}

}  // namespace
}  // namespace closewrite
