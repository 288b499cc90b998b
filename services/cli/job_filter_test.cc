#include "services/cli/job_filter.h"

#include "absl/strings/match.h"
#include "services/cli/cli_fixture.h"

namespace closewrite::cli {
namespace {

absl::Time At(const std::string& text) {
  absl::Time time;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, nullptr)) << text;
  return time;
}

TEST(ParseSinceTest, TakesSpansAndTimes) {
  const absl::Time now = At("2026-11-26T12:00:00Z");
  const absl::TimeZone zone = absl::FixedTimeZone(3600);
  const auto parse = [&](std::string_view text) {
    const auto time = ParseSince(text, now, zone);
    EXPECT_TRUE(time.ok()) << text << ": " << time.status();
    return time.value_or(absl::InfinitePast());
  };
  EXPECT_EQ(parse("2h"), now - absl::Hours(2));
  EXPECT_EQ(parse("1.5h"), now - absl::Minutes(90));
  EXPECT_EQ(parse("2d"), now - absl::Hours(48));
  EXPECT_EQ(parse("2026-11-26"), At("2026-11-26T00:00:00+01:00"));
  EXPECT_EQ(parse("2026-11-26T10:00"), At("2026-11-26T10:00:00+01:00"));
  EXPECT_EQ(parse("2026-11-26 10:00:30"), At("2026-11-26T10:00:30+01:00"));
  EXPECT_EQ(parse("2026-11-26T10:00:00Z"), At("2026-11-26T10:00:00Z"));
  EXPECT_EQ(parse("2026-11-26T10:00:00.5-05:00"),
            At("2026-11-26T15:00:00Z") + absl::Milliseconds(500));
}

TEST(ParseSinceTest, RefusesOthers) {
  for (const char* text : {"", "yesterday", "2", "-2h", "2026-13-01", "10:00", "2026-11-26T"}) {
    EXPECT_FALSE(ParseSince(text, absl::UnixEpoch(), absl::UTCTimeZone()).ok()) << text;
  }
}

using JobFilterTest = CliFixture;

TEST_F(JobFilterTest, EachOptionRestricts) {
  v1::Job old = MakeJob(1, v1::JOB_STATE_FAILED, "2025/a.csv");
  old.mutable_created_at()->set_seconds(1'700'000'000);
  old.set_host("vm-c");
  coordinator_.PutJob(old);
  v1::Job other = MakeJob(2, v1::JOB_STATE_FAILED, "2026/b.csv");
  other.set_host("vm-d");
  other.mutable_input()->set_volume("other");
  coordinator_.PutJob(other);
  const auto names = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"jobs", "-o", "name"});
    return Run(arguments).out;
  };
  EXPECT_EQ(names({"--since", "2026-01-01"}), "2\n");
  EXPECT_EQ(names({"--match", "2025/*"}), "1\n");
  EXPECT_EQ(names({"--host", "vm-d"}), "2\n");
  EXPECT_EQ(names({"--volume", "unenriched"}), "1\n");
  EXPECT_EQ(names({"--host", "vm-d", "--match", "2025/*"}), "");
  EXPECT_EQ(Run({"jobs", "--match", "[a"}).code, 2);
  EXPECT_EQ(Run({"jobs", "--since", "yesterday"}).code, 2);
}

TEST_F(JobFilterTest, TheGlobalHostStaysBeforeTheCommand) {
  v1::Job job = MakeJob(1, v1::JOB_STATE_FAILED, "a.csv");
  job.set_host("vm-c");
  coordinator_.PutJob(job);
  EXPECT_EQ(Run({"--host", "here", "jobs", "-o", "name"}).out, "1\n");
  EXPECT_EQ(Run({"submit", "--host", "here", "v:b"}).code, 0);
}

}  // namespace
}  // namespace closewrite::cli
