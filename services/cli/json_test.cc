#include "services/cli/json.h"

#include "closewrite/v1/job.pb.h"
#include "closewrite/v1/pipeline.pb.h"
#include "gtest/gtest.h"

namespace closewrite::cli {
namespace {

v1::Job SomeJob() {
  v1::Job job;
  job.set_id(41);
  job.set_pipeline("enrich");
  job.set_state(v1::JOB_STATE_RUNNING);
  job.mutable_input()->set_volume("unenriched");
  job.mutable_input()->set_path("a.csv");
  job.mutable_input()->set_inode(18446744073709551615u);
  job.mutable_input()->set_mtime_ns(1795345200123456789);
  job.mutable_created_at()->set_seconds(1795345200);
  job.mutable_created_at()->set_nanos(123456789);
  return job;
}

TEST(Json, HasAllKeysOfAJob) {
  const Json json = ToJson(SomeJob());
  EXPECT_EQ(json.size(), static_cast<size_t>(v1::Job::descriptor()->field_count()));
  EXPECT_EQ(json["id"], 41);
  EXPECT_EQ(json["state"], "running");
  EXPECT_EQ(json["created_at"], "2026-11-22T11:00:00.123Z");
  EXPECT_TRUE(json["waiting"].is_null());
  EXPECT_TRUE(json["finished_at"].is_null());
  EXPECT_TRUE(json["outputs"].is_array());
  EXPECT_EQ(json["message"], "");
}

TEST(Json, KeepsAllDigitsOfLargeNumbers) {
  const Json input = ToJson(SomeJob())["input"];
  EXPECT_EQ(input["inode"], "18446744073709551615");
  EXPECT_EQ(input["mtime_ns"], "1795345200123456789");
}

TEST(Json, GivesTheBytesOfAPathOnlyWhereTheTextIsNotIt) {
  v1::Job job = SomeJob();
  EXPECT_FALSE(ToJson(job)["input"].contains("path_base64"));
  job.mutable_input()->set_path("a\n\xff.csv");
  const Json input = ToJson(job)["input"];
  EXPECT_EQ(input["path"], "a\\n\\xff.csv");
  EXPECT_EQ(input["path_base64"], "YQr/LmNzdg==");
}

TEST(Json, HashesAreHexadecimal) {
  v1::OutputFile file;
  file.set_sha256(std::string("\x00\xff", 2));
  EXPECT_EQ(ToJson(file)["sha256"], "00ff");
}

TEST(Json, DurationsAreSecondsAndEnumsShort) {
  v1::Pipeline pipeline;
  pipeline.mutable_on()->set_when(v1::WHEN_CLOSE_WRITE);
  pipeline.mutable_on()->mutable_settle()->set_nanos(500000000);
  (*pipeline.mutable_run()->mutable_env())["REGION"] = "eu";
  (*pipeline.mutable_run()->mutable_env())["A"] = "1";
  const Json json = ToJson(pipeline);
  EXPECT_EQ(json["on"]["when"], "close_write");
  EXPECT_EQ(json["on"]["settle"], 0.5);
  EXPECT_TRUE(json["on"]["on_new_version"].is_null());
  EXPECT_EQ(json["run"]["env"].dump(), R"({"A":"1","REGION":"eu"})");
}

TEST(Json, ALineIsALineWhateverIsInIt) {
  EXPECT_EQ(JsonLine({{"text", "a\n\xff"}}), "{\"text\":\"a\\n\xef\xbf\xbd\"}\n");
}

TEST(EnumName, ShortLowerCase) {
  EXPECT_EQ(EnumName(*v1::AttemptOutcome_descriptor(), v1::ATTEMPT_OUTCOME_INPUT_NOT_VISIBLE),
            "input_not_visible");
  EXPECT_EQ(EnumName(*v1::JobState_descriptor(), 0), "");
  EXPECT_EQ(EnumName(*v1::JobState_descriptor(), 99), "99");
}

}  // namespace
}  // namespace closewrite::cli
