#include "services/cli/audit_command.h"

#include <string>

#include "absl/strings/match.h"
#include "services/cli/cli_fixture.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

class AuditCommandTest : public CliFixture {
 protected:
  // The later one is put, the newer it is.
  void Put(int64_t id, const std::string& role, const std::string& name, const std::string& user,
           const std::string& subject) {
    v1::AuditEntry entry;
    entry.set_id(id);
    entry.mutable_at()->set_seconds(4102484400 + id);
    entry.set_role(role);
    entry.set_name(name);
    entry.set_user(user);
    entry.set_peer("10.0.0.3:5555");
    entry.set_method("JobService.CancelJobs");
    entry.set_request_id(StrCat("r-", id));
    entry.set_subject(subject);
    coordinator_.PutAuditEntry(entry);
  }
  void PutThree() {
    Put(1, "anybody", "", "", "job_ids 41");
    Put(2, "operator", "alice", "", "job_ids 42");
    Put(3, "portal", "vm-a", "bob", "job_ids 43");
  }
};

TEST_F(AuditCommandTest, WhoChangedWhat) {
  PutThree();
  EXPECT_EQ(Run({"audit"}).out,
            "AT                        WHO                    CALL                   SUBJECT\n"
            "2100-01-01T11:00:03.000Z  portal: bob            JobService.CancelJobs  job_ids 43\n"
            "2100-01-01T11:00:02.000Z  operator alice         JobService.CancelJobs  job_ids 42\n"
            "2100-01-01T11:00:01.000Z  anybody 10.0.0.3:5555  JobService.CancelJobs  job_ids 41\n");
}

TEST_F(AuditCommandTest, WideHasTheRequestAndTheAddress) {
  Put(2, "operator", "alice", "", "job_ids 42");
  EXPECT_EQ(
      Run({"audit", "-o", "wide"}).out,
      "AT                        WHO             CALL                   REQUEST ID  PEER      "
      "     SUBJECT\n"
      "2100-01-01T11:00:02.000Z  operator alice  JobService.CancelJobs  r-2         "
      "10.0.0.3:5555  job_ids 42\n");
}

TEST_F(AuditCommandTest, JsonIsALineAnEntry) {
  Put(2, "operator", "alice", "", "job_ids 42");
  EXPECT_EQ(
      Run({"audit", "-o", "json"}).out,
      "{\"id\":2,\"at\":\"2100-01-01T11:00:02.000Z\",\"role\":\"operator\",\"name\":\"alice\","
      "\"user\":\"\",\"peer\":\"10.0.0.3:5555\",\"method\":\"JobService.CancelJobs\","
      "\"request_id\":\"r-2\",\"subject\":\"job_ids 42\"}\n");
}

TEST_F(AuditCommandTest, FiltersAreTheCoordinatorsMatter) {
  const CliResult result =
      Run({"audit", "--since", "2100-01-01T00:00:00Z", "--until", "2100-01-02T00:00:00Z", "--name",
           "alice", "--method", "CancelJobs"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "closewrite: nothing was changed\n");
  for (const char* words : {"name: \"alice\"", "method: \"CancelJobs\"", "seconds: 4102444800",
                            "seconds: 4102531200", "page_size: 100"}) {
    EXPECT_TRUE(absl::StrContains(coordinator_.requests().back(), words))
        << coordinator_.requests().back();
  }
}

TEST_F(AuditCommandTest, ThatThereIsMoreIsTold) {
  PutThree();
  const CliResult two = Run({"audit", "--limit", "2"});
  EXPECT_EQ(two.err, "closewrite: there are older ones; --limit 4 lists more, --limit 0 all\n");
  EXPECT_FALSE(absl::StrContains(two.out, "job_ids 41"));
  const CliResult all = Run({"audit", "--limit", "0"});
  EXPECT_EQ(all.err, "");
  EXPECT_TRUE(absl::StrContains(all.out, "job_ids 41"));
}

TEST_F(AuditCommandTest, WrongOptionsAreUsageErrors) {
  EXPECT_EQ(Run({"audit", "--since", "soon"}).code, 2);
  EXPECT_EQ(Run({"audit", "--until", "soon"}).code, 2);
  EXPECT_EQ(Run({"audit", "--limit", "-1"}).code, 2);
}

// What a name from outside says to the terminal is not obeyed.
TEST_F(AuditCommandTest, ControlCharactersAreShown) {
  Put(1, "operator", "al\x1b[31mice", "", "x");
  EXPECT_FALSE(absl::StrContains(Run({"audit"}).out, "\x1b"));
}

}  // namespace
}  // namespace closewrite::cli
