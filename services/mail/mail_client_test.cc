// Mail sent to a real server of somebody else's, and read by somebody else's parser.
#include "services/mail/mail_client.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "services/log/str_cat.h"
#include "services/mail/smtp_server.h"

namespace closewrite {
namespace {

using Options = std::vector<std::string>;
using Tls = MailServer::Tls;

constexpr char kPassword[] = "very secret";
const Options kLogin = {"--tls", "--login", "cw", kPassword};

Mail SomeMail() {
  return {.from = "closewrite@vm-a",
          .to = {"team@example.org"},
          .subject = "3 jobs failed",
          .text = "Hello,\nthree jobs failed.\n",
          .message_id = "1.2@vm-a",
          .date = absl::FromUnixSeconds(1795680300)};
}

Mail MailTo(const std::string& name) {
  Mail mail = SomeMail();
  mail.to = {"team@example.org", StrCat(name, "@example.org")};
  return mail;
}

void ExpectWords(const absl::Status& status, absl::StatusCode code, const Options& words) {
  EXPECT_EQ(status.code(), code) << status;
  for (const std::string& word : words) {
    EXPECT_TRUE(absl::StrContains(status.message(), word)) << word << " in " << status;
  }
  EXPECT_FALSE(absl::StrContains(status.message(), kPassword)) << status;
}

class MailClientTest : public testing::Test {
 protected:
  // Those without TLS say so.
  void StartServer(const Options& options = {}) {
    absl::StatusOr<std::unique_ptr<SmtpServer>> server = SmtpServer::Start(options);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  MailServer Server(Tls tls = Tls::kNone) const {
    return {
        .url = StrCat("smtp://", server_->address()), .tls = tls, .ca_file = server_->ca_file()};
  }
  // As the server of kLogin has it.
  MailServer ServerWithLogin() const {
    MailServer server = Server(Tls::kRequired);
    server.username = "cw";
    server.password = kPassword;
    return server;
  }
  void SendOk(const MailServer& server, const Mail& mail) {
    const int before = server_->count();
    const absl::Status status = client_.Send(server, mail);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(server_->count(), before + 1);
    EXPECT_EQ(Got("defects"), "");
    for (const absl::string_view line : absl::StrSplit(Got("raw"), "\r\n")) {
      EXPECT_LE(line.size(), 80u) << line;  // the longest is libcurl's own
      for (const char c : line) EXPECT_TRUE((c >= ' ' && c <= '~') || c == '\t') << line;
    }
  }
  // Of the last mail.
  std::string Got(std::string_view what) const { return server_->Get(server_->count(), what); }

  MailClient client_;
  std::unique_ptr<SmtpServer> server_;
};

TEST_F(MailClientTest, MailArrivesAsItWasWritten) {
  StartServer();
  Mail mail = SomeMail();
  mail.to = {"a@example.org", "b@example.org", "c@vm-c"};
  mail.headers = {{"X-Priority", "1"}, {"X-Note", "f\xc3\xbcr alle"}};
  SendOk(Server(), mail);
  EXPECT_EQ(Got("sender"), "closewrite@vm-a");
  EXPECT_EQ(Got("recipients"), "a@example.org\nb@example.org\nc@vm-c");
  EXPECT_EQ(Got("header From"), "closewrite@vm-a");
  EXPECT_EQ(Got("header To"), "a@example.org, b@example.org, c@vm-c");
  EXPECT_EQ(Got("header Subject"), "3 jobs failed");
  EXPECT_EQ(Got("header Date"), "Thu, 26 Nov 2026 08:05:00 +0000");
  EXPECT_EQ(Got("header Message-ID"), "<1.2@vm-a>");
  EXPECT_EQ(Got("header Auto-Submitted"), "auto-generated");
  EXPECT_EQ(Got("header X-Priority"), "1");
  EXPECT_EQ(Got("header X-Note"), "f\xc3\xbcr alle");
  EXPECT_EQ(absl::AsciiStrToLower(Got("header Mime-Version")), "1.0");
  EXPECT_EQ(Got("parts"), "1");
  EXPECT_EQ(Got("part 0 type"), "text/plain");
  EXPECT_EQ(Got("part 0 charset"), "utf-8");
  EXPECT_EQ(Got("part 0"), "Hello,\r\nthree jobs failed.\r\n");
  EXPECT_EQ(Got("encrypted"), "no");
}

TEST_F(MailClientTest, SubjectsOfManyKinds) {
  StartServer();
  std::string words;
  while (words.size() < 900) StrAppend(&words, words.empty() ? "" : " ", "word", words.size());
  std::string umlauts;
  while (umlauts.size() + 6 < kMailSubjectBytesMax) umlauts += " \xc3\xa4\xe2\x82\xac";
  for (const std::string& subject :
       {std::string("gr\xc3\xbc\xc3\x9f: \xf0\x9f\x94\xa5"), words, umlauts, std::string(300, 'x'),
        std::string("=?UTF-8?B?Z3I=?="), std::string("a?= b,c;<d>")}) {
    Mail mail = SomeMail();
    mail.subject = subject;
    SendOk(Server(), mail);
    EXPECT_EQ(Got("header Subject"), subject);
  }
}

TEST_F(MailClientTest, TextsOfManyKinds) {
  StartServer();
  std::string all;
  for (int i = 0; i < 20000; ++i) StrAppend(&all, i, i % 7 == 0 ? "\n" : " = ");
  for (const std::string& text :
       {std::string(".\n..\n.a\n\n.\n"), std::string(".\r\n.\r\n"), std::string(5000, 'l'),
        std::string("\xc3\xbc\xe2\x82\xac\n"), std::string("trailing spaces  \n\ttab\t\n=20=\n"),
        std::string("no end"), std::string(), std::string("From me\n\x01\x7f\n"), all,
        std::string("old\rnew\n")}) {
    Mail mail = SomeMail();
    mail.text = text;
    SendOk(Server(), mail);
    const std::string sent = absl::StrReplaceAll(text, {{"\r\n", "\n"}, {"\r", "\n"}});
    EXPECT_EQ(absl::StrReplaceAll(Got("part 0"), {{"\r\n", "\n"}}), sent);
  }
  Mail mail = SomeMail();
  mail.text = "in/\xff.csv";
  SendOk(Server(), mail);
  EXPECT_EQ(Got("part 0"), "in/\xef\xbf\xbd.csv");
}

TEST_F(MailClientTest, AttachmentsAreTheSameBytes) {
  StartServer();
  std::string bytes;
  for (int i = 0; i < 300000; ++i) bytes += static_cast<char>((i * 7 + i / 256) & 0xff);
  Mail mail = SomeMail();
  const std::string long_name = StrCat(std::string(120, 'n'), "\xc3\xbc \"quoted\".csv");
  mail.attachments = {{"report.csv", "text/csv", ".\r\n..\n.\n\r"},
                      {"\xc3\xbc.bin", "application/octet-stream", bytes},
                      {long_name, "application/pdf", std::string(1, '\0')},
                      {"empty.txt", "text/plain", ""}};
  SendOk(Server(), mail);
  EXPECT_EQ(Got("parts"), "5");
  EXPECT_EQ(Got("part 0"), "Hello,\r\nthree jobs failed.\r\n");
  for (size_t i = 0; i < mail.attachments.size(); ++i) {
    const std::string part = StrCat("part ", i + 1);
    EXPECT_EQ(Got(part), mail.attachments[i].bytes);
    EXPECT_EQ(Got(part + " name"), mail.attachments[i].name);
    EXPECT_EQ(Got(part + " type"), mail.attachments[i].type);
    EXPECT_EQ(Got(part + " disposition"), "attachment");
  }
}

TEST_F(MailClientTest, LargestMailIsSent) {
  StartServer();
  Mail mail = SomeMail();
  mail.to.assign(kMailRecipientsMax, "team@example.org");
  mail.attachments = {
      {"a.bin", "application/octet-stream", std::string(kMailAttachmentBytesMax, '\xff')}};
  SendOk(Server(), mail);
  EXPECT_EQ(Got("part 1"), mail.attachments[0].bytes);
}

TEST_F(MailClientTest, OwnAutoSubmittedReplacesOurs) {
  StartServer();
  Mail mail = SomeMail();
  mail.headers = {{"auto-submitted", "auto-replied"}};
  SendOk(Server(), mail);
  EXPECT_EQ(Got("header auto-submitted"), "auto-replied");
  EXPECT_EQ(Got("header Auto-Submitted"), "?");
}

TEST_F(MailClientTest, LogsInOverTls) {
  StartServer(kLogin);
  SendOk(ServerWithLogin(), SomeMail());
  EXPECT_EQ(Got("login"), "cw");
  EXPECT_EQ(Got("encrypted"), "yes");
  MailServer server = ServerWithLogin();
  server.tls = Tls::kIfOffered;
  SendOk(server, SomeMail());
  EXPECT_EQ(Got("encrypted"), "yes");
}

TEST_F(MailClientTest, LogsInOverTlsFromTheBeginning) {
  StartServer({"--smtps", "--login", "cw", kPassword});
  MailServer server = ServerWithLogin();
  server.url = StrCat("smtps://", server_->address());
  SendOk(server, SomeMail());
  EXPECT_EQ(Got("login"), "cw");
  EXPECT_EQ(Got("encrypted"), "yes");
}

TEST_F(MailClientTest, WrongPasswordCanBeMended) {
  StartServer(kLogin);
  MailServer server = ServerWithLogin();
  server.password = StrCat(kPassword, "!");
  ExpectWords(client_.Send(server, SomeMail()), absl::StatusCode::kUnavailable,
              {server.url, "login: 535"});
  // None at all.
  ExpectWords(client_.Send(Server(Tls::kRequired), SomeMail()), absl::StatusCode::kUnavailable,
              {"530", "Authentication required"});
  // The server takes none in the clear, so it is not even told.
  server = ServerWithLogin();
  server.tls = Tls::kNone;
  ExpectWords(client_.Send(server, SomeMail()), absl::StatusCode::kUnavailable, {server.url});
  EXPECT_EQ(server_->count(), 0);
}

TEST_F(MailClientTest, WithoutTlsNothingIsSentWhereItIsRequired) {
  StartServer();
  ExpectWords(client_.Send(Server(Tls::kRequired), SomeMail()), absl::StatusCode::kUnavailable,
              {"STARTTLS"});
  EXPECT_EQ(server_->count(), 0);
  SendOk(Server(Tls::kIfOffered), SomeMail());
  EXPECT_EQ(Got("encrypted"), "no");
}

TEST_F(MailClientTest, OnlyTheRightServerIsTrusted) {
  StartServer({"--tls"});
  SendOk(Server(Tls::kRequired), SomeMail());
  MailServer other_name = Server(Tls::kRequired);
  other_name.url = absl::StrReplaceAll(other_name.url, {{"127.0.0.1", "localhost"}});
  MailServer other_authority = Server(Tls::kRequired);
  other_authority.ca_file = "";
  MailServer no_file = Server(Tls::kRequired);
  no_file.ca_file = "/nowhere/ca.pem";
  for (const MailServer& server : {other_name, other_authority, no_file}) {
    ExpectWords(client_.Send(server, SomeMail()), absl::StatusCode::kUnavailable, {server.url});
  }
  EXPECT_EQ(server_->count(), 1);
  SendOk(Server(Tls::kNone), SomeMail());
  EXPECT_EQ(Got("encrypted"), "no");
}

TEST_F(MailClientTest, RefusalsForGood) {
  StartServer();
  ExpectWords(client_.Send(Server(), MailTo("nobody")), absl::StatusCode::kFailedPrecondition,
              {"RCPT TO:<nobody@example.org>", "550 5.1.1 no such user here"});
  ExpectWords(client_.Send(Server(), MailTo("long")), absl::StatusCode::kFailedPrecondition,
              {"the first line", "the second line"});
  ExpectWords(client_.Send(Server(), MailTo("spam")), absl::StatusCode::kFailedPrecondition,
              {"DATA: 554 5.7.1 that is spam"});
  Mail banned = SomeMail();
  banned.from = "banned@vm-a";
  ExpectWords(client_.Send(Server(), banned), absl::StatusCode::kFailedPrecondition,
              {"MAIL FROM:<banned@vm-a>", "550 5.7.1 you may not send"});
  EXPECT_EQ(server_->count(), 0);
}

TEST_F(MailClientTest, RefusalsForNow) {
  StartServer();
  ExpectWords(client_.Send(Server(), MailTo("busy")), absl::StatusCode::kUnavailable,
              {"RCPT TO:<busy@example.org>", "451 4.3.0 come back later"});
  ExpectWords(client_.Send(Server(), MailTo("full")), absl::StatusCode::kUnavailable,
              {"452 4.2.2 no room left"});
  ExpectWords(client_.Send(Server(), MailTo("login")), absl::StatusCode::kUnavailable,
              {"530 5.7.0 authentication required"});
  const absl::Status cut = client_.Send(Server(), MailTo("cut"));
  EXPECT_EQ(cut.code(), absl::StatusCode::kUnavailable) << cut;
  EXPECT_EQ(server_->count(), 0);
  SendOk(Server(), SomeMail());
}

// A port of 127.0.0.1 that nobody answers on.
class SilentPort {
 public:
  explicit SilentPort(bool listens) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    if (listens) {
      EXPECT_EQ(listen(socket_, 1), 0);
    }
    url_ = StrCat("smtp://127.0.0.1:", ntohs(address.sin_port));
  }
  ~SilentPort() { close(socket_); }
  const std::string& url() const { return url_; }

 private:
  const int socket_;
  std::string url_;
};

TEST_F(MailClientTest, ServerThatIsNotThere) {
  const SilentPort port(/*listens=*/false);
  ExpectWords(client_.Send({.url = port.url()}, SomeMail()), absl::StatusCode::kUnavailable,
              {port.url(), "connect"});
}

TEST_F(MailClientTest, StopEndsTheWaitForASilentServer) {
  const SilentPort port(/*listens=*/true);
  int asked = 0;
  const absl::Status status = client_.Send({.url = port.url()}, SomeMail(), [&] {
    ++asked;
    return asked > 2;
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
  EXPECT_GT(asked, 2);
}

TEST(CheckMailTest, WhatIsNoMailIsRefusedBeforeAnythingIsSent) {
  EXPECT_TRUE(CheckMail(SomeMail()).ok());
  const std::string long_text(kMailHeaderBytesMax + 1, 'a');
  const std::string nul("a\0", 2);
  std::vector<Mail> mails;
  const auto add = [&](auto change) {
    Mail mail = SomeMail();
    change(mail);
    mails.push_back(mail);
  };
  add([](Mail& m) { m.from = ""; });
  add([](Mail& m) { m.from = "a@b\r\nBcc: c@d"; });
  add([](Mail& m) { m.from = "Me <a@b>"; });
  add([](Mail& m) { m.to = {}; });
  add([](Mail& m) { m.to = {"a@b", "c@d>\r\nDATA"}; });
  add([](Mail& m) { m.to.assign(kMailRecipientsMax + 1, "a@b"); });
  for (const std::string& line : {std::string("a\r\nBcc: c@d"), std::string("a\nb"), nul}) {
    add([&](Mail& m) { m.subject = line; });
    add([&](Mail& m) { m.message_id = line; });
    add([&](Mail& m) { m.headers = {{"X-A", line}}; });
    add([&](Mail& m) { m.headers = {{line, "x"}}; });
    add([&](Mail& m) { m.attachments = {{line, "a/b", ""}}; });
    add([&](Mail& m) { m.attachments = {{"a", "a/b" + line, ""}}; });
  }
  add([](Mail& m) { m.subject = std::string(kMailSubjectBytesMax + 1, 'a'); });
  add([](Mail& m) { m.text = std::string(kMailTextBytesMax + 1, 'a'); });
  for (const std::string& id : {std::string(), std::string("a b"), std::string("<a@b>"), long_text,
                                std::string("\xc3\xbc@b")}) {
    add([&](Mail& m) { m.message_id = id; });
  }
  add([](Mail& m) { m.date = absl::InfiniteFuture(); });
  add([](Mail& m) { m.date = absl::InfinitePast(); });
  for (const char* name : {"Bcc", "to", "FROM", "Subject", "Content-Type", "", "X A", "X:"}) {
    add([&](Mail& m) { m.headers = {{name, "x"}}; });
  }
  add([&](Mail& m) { m.headers = {{"X-A", long_text}}; });
  add([](Mail& m) { m.headers.assign(kMailHeadersMax + 1, {"X-A", "x"}); });
  for (const std::string& name :
       {std::string(), std::string("a/b"), std::string("a\\b"), long_text}) {
    add([&](Mail& m) { m.attachments = {{name, "a/b", ""}}; });
  }
  for (const char* type : {"", "text", "text/plain; a=b c", "text/pl\xc3\xbc"}) {
    add([&](Mail& m) { m.attachments = {{"a", type, ""}}; });
  }
  add([](Mail& m) { m.attachments.assign(kMailAttachmentsMax + 1, {"a", "a/b", ""}); });
  add([](Mail& m) {
    m.attachments.assign(2, {"a", "a/b", std::string(kMailAttachmentBytesMax / 2 + 1, 'a')});
  });
  const SilentPort port(/*listens=*/false);  // would be UNAVAILABLE
  for (size_t i = 0; i < mails.size(); ++i) {
    const absl::Status status = MailClient().Send({.url = port.url()}, mails[i]);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << i << " " << status;
    EXPECT_FALSE(absl::StrContains(status.message(), "\n")) << status;
    EXPECT_EQ(CheckMail(mails[i]), status);
  }
}

TEST(CheckMailTest, WhatIsNoServerIsRefusedWithoutThePassword) {
  for (const std::string url :
       {"smtp://mail.example.org", "smtp://mail:25", "smtps://[::1]:465", "smtp://mail/me.test"}) {
    EXPECT_TRUE(CheckMailServer({.url = url}).ok()) << url;
  }
  for (const std::string url : {"", "mail.example.org", "http://mail", "smtp://", "smtps://",
                                "smtp://:25", "smtp:///x", "smtp://cw:very secret@mail",
                                "smtp://cw:secret@mail", "smtp://mail\r\nQUIT", "smtp:mail"}) {
    const absl::Status status = MailClient().Send({.url = url, .password = "secret"}, SomeMail());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << url << " " << status;
    EXPECT_FALSE(absl::StrContains(status.message(), "secret")) << status;
  }
}

}  // namespace
}  // namespace closewrite
