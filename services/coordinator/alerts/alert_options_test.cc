#include "services/coordinator/alerts/alert_options.h"

#include <string>

#include "gtest/gtest.h"
#include "services/config/config.h"

namespace closewrite {
namespace {

absl::StatusOr<AlertOptions> Make(const std::string& yaml) {
  v1::CoordinatorConfig config;
  EXPECT_TRUE(ParseYaml("test.yaml", yaml, &config).ok()) << yaml;
  return AlertOptionsFrom(config);
}

std::string Error(const std::string& yaml) { return std::string(Make(yaml).status().message()); }

TEST(AlertOptionsTest, NothingIsSaid) {
  const auto options = Make("listen: a:1");
  ASSERT_TRUE(options.ok());
  EXPECT_FALSE(options->mail.has_value());
  EXPECT_TRUE(options->to.empty());
  EXPECT_EQ(options->remind_every, kRemindEveryDefault);
  EXPECT_FALSE(options->routes().mail);
}

TEST(AlertOptionsTest, AllIsSaid) {
  const auto options = Make(R"(
mail: {server: 'smtp://m:587', username: u, password: p, from: c@example.org, ca: /etc/ca.pem}
alerts: {email: [ops@example.org], webhook: 'https://hooks/x', remind_every: 1h}
job_url: https://portal/jobs/{job}
)");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->mail->url, "smtp://m:587");
  EXPECT_EQ(options->mail->username, "u");
  EXPECT_EQ(options->mail->password, "p");
  EXPECT_EQ(options->mail->ca_file, "/etc/ca.pem");
  EXPECT_EQ(options->mail->tls, MailServer::Tls::kRequired);
  EXPECT_EQ(options->from, "c@example.org");
  EXPECT_EQ(options->to.emails, std::vector<std::string>{"ops@example.org"});
  EXPECT_EQ(options->to.webhook, "https://hooks/x");
  EXPECT_EQ(options->remind_every, absl::Hours(1));
  EXPECT_EQ(options->job_url, "https://portal/jobs/{job}");
  EXPECT_TRUE(options->routes().mail);
}

TEST(AlertOptionsTest, WrongOnesSayWhatWouldBeRight) {
  EXPECT_EQ(Error("mail: {server: 'm:587', from: c@example.org}"),
            "mail.server: is \"m:587\"; say `server: smtp://mail.example.org:587`, or smtps://");
  EXPECT_EQ(Error("mail: {server: 'smtp://u:p@m', from: c@example.org}"),
            "mail.server: has a user in it; use the keys username and password");
  EXPECT_EQ(Error("mail: {server: 'smtp://m', from: nobody}"),
            "mail.from: is \"nobody\"; give the sender's address, such as "
            "closewrite@example.org");
  EXPECT_EQ(Error("mail: {server: 'smtp://m', from: c@example.org, tls: none, password: p}"),
            "mail.tls: none has no meaning with smtps://, and would send the password in the "
            "clear: leave it out, or leave the password out");
  EXPECT_EQ(Error("alerts: {email: [ops@example.org]}"),
            "alerts.email: needs a mail server; say `mail: {server: smtp://..., from: ...}`");
  EXPECT_EQ(Error("alerts: {email: [ops]}"),
            "alerts.email: is \"ops\"; give an address such as ops@example.org");
  EXPECT_EQ(Error("alerts: {webhook: 'ftp://x'}"),
            "alerts.webhook: is \"ftp://x\"; give an address that begins with http:// or "
            "https://, of at most 2000 bytes");
  EXPECT_EQ(Error("alerts: {remind_every: 1s}"), "alerts.remind_every: must be 1m to 400d");
  EXPECT_EQ(Error("job_url: https://portal/jobs"),
            "job_url: is \"https://portal/jobs\"; give the address of a page about a job, such as "
            "https://portal.example.org/jobs/{job}");
}

}  // namespace
}  // namespace closewrite
