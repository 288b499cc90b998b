// certs: an authority, what it issues, renews and shows, and what it refuses.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "nlohmann/json.hpp"
#include "services/cli/certs/certs_folder.h"
#include "services/cli/certs/whole_file.h"
#include "services/cli/cli_fixture.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kDay = absl::Hours(24);

class CertsCommandsTest : public CliFixture {
 protected:
  CertsCommandsTest() {
    std::string name = testing::TempDir() + "/certs.XXXXXX";
    folder_ = mkdtemp(name.data());
    in_ = folder_ + "/certs";
    coordinator_.Stop();  // nobody is asked
    surroundings_.clock = &clock_;
  }
  ~CertsCommandsTest() override { fs::remove_all(folder_); }

  CliResult Certs(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "certs");
    if (arguments[1] != "show") arguments.insert(arguments.end(), {"--in", in_});
    return Run(arguments);
  }
  CliResult Must(std::vector<std::string> arguments) {
    CliResult result = Certs(std::move(arguments));
    EXPECT_EQ(result.code, 0) << result.err;
    return result;
  }
  std::string Refusal(std::vector<std::string> arguments, int code) {
    const CliResult result = Certs(std::move(arguments));
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_EQ(result.out, "");
    return result.err;
  }

  std::string Watcher() const { return in_ + "/watcher-vm-b"; }
  void IssueWatcher() {
    Must({"init"});
    Must({"issue", "watcher", "vm-b", "--volume", "raw", "--volume", "unenriched", "--dns", "vm-b",
          "--ip", "10.1.0.5"});
  }

  static Certificate CertificateOf(const std::string& folder) {
    const auto owner = ReadOwner(folder);
    EXPECT_TRUE(owner.ok()) << owner.status();
    return owner->chain.front();
  }
  static mode_t ModeOf(const std::string& path) {
    struct stat st = {};
    EXPECT_EQ(stat(path.c_str(), &st), 0) << path;
    return st.st_mode & 07777;
  }

  ManualClock clock_{absl::FromUnixSeconds(1'795'773'600)};  // 2026-11-27T10:00Z
  std::string folder_;
  std::string in_;
};

TEST_F(CertsCommandsTest, AnAuthorityIsMadeOnce) {
  const CliResult made = Must({"init", "--name", "Plant 4"});
  EXPECT_TRUE(absl::StartsWith(made.out, StrCat("authority CN=Plant 4\n  file         ", in_,
                                                "/ca.crt\n  valid until  2036-11-24T10:00:00.000Z, "
                                                "expires in 3650d\n  issuer       CN=Plant 4\n")))
      << made.out;
  EXPECT_TRUE(absl::StrContains(made.err, "ca.key can give themselves any role")) << made.err;
  EXPECT_EQ(ModeOf(in_), 0700);
  EXPECT_EQ(ModeOf(in_ + "/ca.key"), 0600);
  EXPECT_EQ(ModeOf(in_ + "/ca.crt"), 0644);
  const std::string key = *ReadWhole(in_ + "/ca.key");
  EXPECT_TRUE(absl::StrContains(Refusal({"init"}, 1), "there is an authority: "));
  fs::remove(in_ + "/ca.crt");
  EXPECT_TRUE(absl::StrContains(Refusal({"init"}, 1), "/ca.key exists"));
  EXPECT_EQ(*ReadWhole(in_ + "/ca.key"), key);
}

TEST_F(CertsCommandsTest, WhatIsIssuedIsShown) {
  IssueWatcher();
  const Certificate issued = CertificateOf(Watcher());
  const CliResult shown = Must({"show", Watcher()});
  EXPECT_EQ(shown.out, StrCat("watcher vm-b\n  file         ", Watcher(),
                              "/tls.crt\n  volumes      raw, unenriched\n  dns          vm-b\n"
                              "  ip           10.1.0.5\n  valid until  2027-02-25T10:00:00.000Z, "
                              "expires in 90d\n  issuer       CN=Closewrite CA\n  fingerprint  ",
                              issued.fingerprint(), "\n"));
  EXPECT_EQ(*ReadWhole(Watcher() + "/ca.crt"), *ReadWhole(in_ + "/ca.crt"));
  EXPECT_EQ(ModeOf(Watcher()), 0700);
  EXPECT_EQ(ModeOf(Watcher() + "/tls.key"), 0600);
  const auto json = nlohmann::json::parse(Must({"show", Watcher(), "-o", "json"}).out);
  EXPECT_EQ(json["role"], "watcher");
  EXPECT_EQ(json["name"], "vm-b");
  EXPECT_EQ(json["grants"], nlohmann::json::parse(R"(["raw","unenriched"])"));
  EXPECT_EQ(json["dns"], nlohmann::json::parse(R"(["vm-b"])"));
  EXPECT_EQ(json["ip"], nlohmann::json::parse(R"(["10.1.0.5"])"));
  EXPECT_EQ(json["not_after"], "2027-02-25T10:00:00.000Z");
  EXPECT_EQ(json["valid"], true);
  EXPECT_EQ(json["problem"], nullptr);
  EXPECT_EQ(json["fingerprint"], issued.fingerprint());
}

TEST_F(CertsCommandsTest, EachRoleHasItsGrants) {
  Must({"init"});
  Must({"issue", "coordinator", "vm-a"});
  Must({"issue", "executor", "vm-c"});
  Must({"issue", "executor", "vm-d", "--label", "*"});
  Must({"issue", "watcher", "vm-b", "--volume", "*", "--out", folder_ + "/elsewhere/tls"});
  Must({"issue", "operator", "jane@example.org", "--days", "30"});
  EXPECT_EQ(CertificateOf(in_ + "/coordinator-vm-a").uris().front(),
            "closewrite://coordinator/vm-a");
  EXPECT_EQ(CertificateOf(in_ + "/executor-vm-d").uris().front(),
            "closewrite://executor/vm-d?label=*");
  EXPECT_EQ(CertificateOf(folder_ + "/elsewhere/tls").uris().front(),
            "closewrite://watcher/vm-b?volume=*");
  EXPECT_EQ(CertificateOf(in_ + "/operator-jane@example.org").not_after(),
            clock_.Now() + 30 * kDay);
  // The whole folder: the authority, and all that lies in it.
  const CliResult all = Must({"show", in_, "-o", "json"});
  EXPECT_EQ(std::count(all.out.begin(), all.out.end(), '\n'), 5) << all.out;
}

TEST_F(CertsCommandsTest, WrongOrdersAreUsageErrors) {
  EXPECT_TRUE(
      absl::StrContains(Refusal({"issue", "coordinator", "vm-a"}, 1), "there is no authority in"));
  Must({"init"});
  const struct {
    std::vector<std::string> arguments;
    const char* why;
  } cases[] = {
      {{"issue", "watcher", "vm-b"}, "a watcher needs --volume for each volume"},
      {{"issue", "watcher", "vm-b", "--volume", "a/b"}, "volume name \"a/b\" is not allowed"},
      {{"issue", "watcher", "vm-b", "--volume", "a", "--volume", "*"}, "must be the only one"},
      {{"issue", "watcher", "vm-b", "--volume", "a", "--label", "x"}, "--label: only executors"},
      {{"issue", "executor", "vm-b", "--volume", "a"}, "--volume: only watchers"},
      {{"issue", "boss", "jane"}, "\"boss\" is no role"},
      {{"issue", "anybody", "jane"}, "\"anybody\" is no role"},
      {{"issue", "coordinator", "../up"}, "coordinator name \"../up\" is not allowed"},
      {{"issue", "admin", "jane", "--dns", "a,b"}, "\"a,b\" is no DNS name"},
      {{"issue", "admin", "jane", "--ip", "vm-a"}, "\"vm-a\" is no IP address"},
      {{"issue", "admin", "jane", "--days", "0"}, "--days: 0 is not 1 to 3650"},
      {{"issue", "admin", "jane", "--days", "3651"}, "--days: 3651 is not 1 to 3650"},
      {{"init", "--days", "36501"}, "--days: 36501 is not 1 to 36500"},
      {{"init", "--name", ""}, "--name: authority's name \"\" is not allowed"},
      {{"renew"}, "say --all, or name the folders"},
      {{"renew", "--all", "x"}, "say --all, or name the folders"},
      {{"renew", "--all", "--within", "soon"}, "--within: \"soon\" is not a duration"},
  };
  for (const auto& each : cases) {
    const std::string error = Refusal(each.arguments, 2);
    EXPECT_TRUE(absl::StrContains(error, each.why)) << error;
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(in_), {}), 2);  // ca.crt and ca.key alone
}

TEST_F(CertsCommandsTest, NothingIsOverwritten) {
  IssueWatcher();
  const std::string before = *ReadWhole(Watcher() + "/tls.crt");
  EXPECT_TRUE(absl::StrContains(Refusal({"issue", "watcher", "vm-b", "--volume", "*"}, 1),
                                StrCat("`closewrite certs renew ", Watcher(), "`")));
  fs::rename(Watcher() + "/tls.crt", Watcher() + "/old.crt");
  EXPECT_TRUE(absl::StrContains(Refusal({"issue", "watcher", "vm-b", "--volume", "*"}, 1),
                                "has a key without a certificate"));
  EXPECT_EQ(*ReadWhole(Watcher() + "/old.crt"), before);
  fs::create_directory(folder_ + "/other");
  std::ofstream(folder_ + "/other/ca.crt") << "another";
  EXPECT_TRUE(absl::StrContains(Refusal({"issue", "admin", "jane", "--out", folder_ + "/other"}, 1),
                                "is that of another authority"));
}

TEST_F(CertsCommandsTest, AnAuthorityWhoseKeyOthersReadIssuesNothing) {
  Must({"init"});
  ASSERT_EQ(chmod((in_ + "/ca.key").c_str(), 0640), 0);
  EXPECT_TRUE(
      absl::StrContains(Refusal({"issue", "admin", "jane"}, 1), "ca.key is open to others"));
}

TEST_F(CertsCommandsTest, RenewalKeepsAllButTheEnd) {
  IssueWatcher();
  const std::string key = *ReadWhole(Watcher() + "/tls.key");
  const Certificate before = CertificateOf(Watcher());
  clock_.Advance(100 * kDay);  // it has expired, which is no reason against it
  EXPECT_EQ(Certs({"show", Watcher()}).code, 1);
  const CliResult renewed = Must({"renew", Watcher(), "--days", "30"});
  EXPECT_TRUE(absl::StrContains(renewed.out, "expires in 30d")) << renewed.out;
  const Certificate after = CertificateOf(Watcher());
  EXPECT_EQ(*ReadWhole(Watcher() + "/tls.key"), key);
  EXPECT_EQ(after.uris(), before.uris());
  EXPECT_EQ(after.dns_names(), before.dns_names());
  EXPECT_EQ(after.ip_addresses(), before.ip_addresses());
  EXPECT_NE(after.serial(), before.serial());
  EXPECT_EQ(after.not_after(), clock_.Now() + 30 * kDay);
  EXPECT_EQ(Must({"show", Watcher()}).err, "");
}

TEST_F(CertsCommandsTest, AllThatExpireSoonAreRenewed) {
  IssueWatcher();
  Must({"issue", "admin", "jane", "--days", "365"});
  EXPECT_EQ(Must({"renew", "--all"}).err,
            "closewrite: none expires within 30d; the first does at 2027-02-25T10:00:00.000Z\n");
  clock_.Advance(61 * kDay);
  fs::create_directory(in_ + "/broken");
  std::ofstream(in_ + "/broken/tls.crt") << "broken";
  std::ofstream(in_ + "/broken/tls.key") << "broken";
  const CliResult renewed = Certs({"renew", "--all"});
  EXPECT_EQ(renewed.code, 1);  // for the broken one
  EXPECT_TRUE(absl::StrContains(renewed.err, "broken/tls.crt: not a certificate")) << renewed.err;
  EXPECT_TRUE(absl::StrContains(renewed.out, "watcher vm-b\n")) << renewed.out;
  EXPECT_FALSE(absl::StrContains(renewed.out, "jane")) << renewed.out;
  EXPECT_EQ(CertificateOf(Watcher()).not_after(), clock_.Now() + 90 * kDay);
  fs::remove_all(in_ + "/broken");
  Must({"renew", "--all"});
}

// Whoever may write to a service's folder must not be given a role of their choice.
TEST_F(CertsCommandsTest, ARoleThatAnotherAuthorityGaveIsNotRenewed) {
  IssueWatcher();
  const std::string in = in_;
  in_ = folder_ + "/forged";
  Must({"init"});  // of the same name
  Must({"issue", "admin", "mallory"});
  const std::string forged = in_ + "/admin-mallory";
  in_ = in;
  const CliResult refused = Certs({"renew", forged});
  EXPECT_EQ(refused.code, 1);
  EXPECT_TRUE(absl::StrContains(refused.err, "can't be trusted: ")) << refused.err;
  EXPECT_TRUE(absl::StrContains(refused.err, "so issue one anew")) << refused.err;
  fs::copy_file(forged + "/tls.crt", Watcher() + "/tls.crt", fs::copy_options::overwrite_existing);
  const CliResult mixed = Certs({"renew", Watcher()});
  EXPECT_EQ(mixed.code, 1);
  EXPECT_TRUE(absl::StrContains(mixed.err, "the key is not that of the certificate")) << mixed.err;
}

// `cat new/ca.crt old/ca.crt` is how an authority is followed by another one.
TEST_F(CertsCommandsTest, ANewAuthorityRenewsWhatTheOldOneIssued) {
  IssueWatcher();
  const std::string old_pem = *ReadWhole(in_ + "/ca.crt");
  const std::string watcher = Watcher();
  in_ = folder_ + "/new";
  Must({"init", "--name", "New CA"});
  const std::string both = StrCat(*ReadWhole(in_ + "/ca.crt"), old_pem);
  std::ofstream(in_ + "/ca.crt", std::ios::trunc) << both;
  Must({"renew", watcher});
  EXPECT_EQ(CertificateOf(watcher).issuer(), "CN=New CA");
  EXPECT_EQ(*ReadWhole(watcher + "/ca.crt"), both);
  Must({"show", watcher});
}

TEST_F(CertsCommandsTest, NothingOutlivesItsAuthority) {
  Must({"init", "--days", "10"});
  const CliResult issued = Must({"issue", "admin", "jane"});
  EXPECT_TRUE(absl::StrContains(issued.out, "expires in 10d")) << issued.out;
  EXPECT_EQ(issued.err, "closewrite: it ends with its authority, at 2026-12-07T10:00:00.000Z\n");
  clock_.Advance(10 * kDay);
  EXPECT_TRUE(absl::StrContains(Refusal({"issue", "admin", "joe"}, 1), "has expired at"));
}

TEST_F(CertsCommandsTest, ShowSaysWhatIsWrong) {
  IssueWatcher();
  Must({"issue", "admin", "jane"});
  clock_.Advance(93 * kDay);
  const CliResult expired = Certs({"show", Watcher()});
  EXPECT_EQ(expired.code, 1);
  EXPECT_TRUE(absl::StrContains(expired.out, ", EXPIRED 3d ago\n")) << expired.out;
  clock_.Advance(-93 * kDay);
  fs::copy_file(in_ + "/admin-jane/tls.key", Watcher() + "/tls.key",
                fs::copy_options::overwrite_existing);
  const CliResult mixed = Certs({"show", Watcher()});
  EXPECT_EQ(mixed.code, 1);
  EXPECT_TRUE(absl::StrContains(mixed.out, "  wrong        ")) << mixed.out;
  EXPECT_TRUE(absl::StrContains(mixed.out, "the key is not that of the certificate"));
  EXPECT_EQ(Certs({"show", Watcher() + "/tls.crt"}).code, 0);  // the file alone is right
  EXPECT_EQ(Certs({"show", Watcher() + "/tls.key"}).code, 1);
  const CliResult none = Certs({"show", folder_ + "/none", in_ + "/admin-jane"});
  EXPECT_EQ(none.code, 1);
  EXPECT_TRUE(absl::StartsWith(none.out, "admin jane\n")) << none.out;
}

}  // namespace
}  // namespace closewrite::cli
