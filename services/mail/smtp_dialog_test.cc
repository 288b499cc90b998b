#include "services/mail/smtp_dialog.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

TEST(SmtpDialogTest, NothingIsNoRefusal) {
  SmtpDialog dialog;
  EXPECT_FALSE(dialog.refused());
  EXPECT_FALSE(dialog.refused_for_good());
  dialog.Received("220 mail.test\r\n");
  EXPECT_FALSE(dialog.refused());
}

struct Refusal {
  std::string command;
  std::string reply;
  bool for_good = false;
};

TEST(SmtpDialogTest, WhatIsRefusedForGood) {
  for (const auto& [command, reply, for_good] :
       std::vector<Refusal>{{"MAIL FROM:<a@b>", "550 5.7.1 banned", true},
                            {"MAIL FROM:<a@b> SIZE=9", "552 5.3.4 too large", true},
                            {"RCPT TO:<c@d>", "550 5.1.1 no such user", true},
                            {"DATA", "554 5.7.1 spam", true},
                            {"RCPT TO:<c@d>", "550", true},
                            {"MAIL FROM:<a@b>", "451 4.3.0 later", false},
                            {"RCPT TO:<c@d>", "452 4.5.3 too many", false},
                            {"DATA", "421 4.3.2 going down", false},
                            {"MAIL FROM:<a@b>", "530 5.7.0 authentication required", false},
                            {"RCPT TO:<c@d>", "535 5.7.8 no", false},
                            {"EHLO me", "502 5.5.1 what?", false},
                            {"STARTTLS", "500 what?", false}}) {
    SmtpDialog dialog;
    dialog.Received("220 mail.test\r\n");
    dialog.Sent(StrCat(command, "\r\n"));
    EXPECT_FALSE(dialog.refused());
    dialog.Received(StrCat(reply, "\r\n"));
    EXPECT_TRUE(dialog.refused()) << reply;
    EXPECT_EQ(dialog.refused_for_good(), for_good) << command << ": " << reply;
    EXPECT_EQ(dialog.Describe(), StrCat(command, ": ", reply));
  }
}

TEST(SmtpDialogTest, RefusalAtTheConnection) {
  SmtpDialog dialog;
  dialog.Received("554 5.7.1 not you\r\n");
  EXPECT_TRUE(dialog.refused());
  EXPECT_FALSE(dialog.refused_for_good());
  EXPECT_EQ(dialog.Describe(), "at the connection: 554 5.7.1 not you");
}

TEST(SmtpDialogTest, NothingOfALoginIsKept) {
  SmtpDialog dialog;
  for (const auto& [said, answered] :
       std::vector<std::pair<std::string, std::string>>{{"AUTH PLAIN c2VjcmV0", "334 "},
                                                        {"c2VjcmV0", "334 UGFzc3dvcmQ6"},
                                                        {"c2VjcmV0", "535 5.7.8 wrong"}}) {
    dialog.Sent(StrCat(said, "\r\n"));
    dialog.Received(StrCat(answered, "\r\n"));
  }
  EXPECT_TRUE(dialog.refused());
  EXPECT_FALSE(dialog.refused_for_good());
  EXPECT_EQ(dialog.Describe(), "login: 535 5.7.8 wrong");
}

TEST(SmtpDialogTest, AnswerOfSeveralLinesIsOne) {
  SmtpDialog dialog;
  dialog.Sent("RCPT TO:<c@d>\r\n");
  dialog.Received("550-5.1.1 no such user;\r\n");
  dialog.Received("550-\r\n");
  dialog.Received("550 5.1.1 ask\x1b[31m somebody\r\n");
  EXPECT_EQ(dialog.Describe(),
            "RCPT TO:<c@d>: 550-5.1.1 no such user;  5.1.1 ask\\x1b[31m somebody");
}

TEST(SmtpDialogTest, AnswerToTheEndOfAMailIsNotThatToItsBeginning) {
  SmtpDialog dialog;
  dialog.Sent("DATA\r\n");
  dialog.Received("354 go on\r\n");
  EXPECT_FALSE(dialog.refused());
  dialog.Received("554 5.6.0 no\r\n");
  EXPECT_TRUE(dialog.refused_for_good());
  EXPECT_EQ(dialog.Describe(), "DATA: 554 5.6.0 no");
}

TEST(SmtpDialogTest, RefusalStaysWhenTheClientSaysGoodbye) {
  SmtpDialog dialog;
  dialog.Sent("RCPT TO:<c@d>\r\n");
  dialog.Received("550 5.1.1 no\r\n");
  dialog.Sent("QUIT\r\n");
  dialog.Received("221 bye\r\n");
  EXPECT_TRUE(dialog.refused_for_good());
  EXPECT_EQ(dialog.Describe(), "RCPT TO:<c@d>: 550 5.1.1 no");
}

TEST(SmtpDialogTest, AnswersAreCut) {
  SmtpDialog dialog;
  dialog.Sent("DATA\r\n");
  const std::string line = StrCat("550-", std::string(100, 'x'), "\r\n");
  for (int i = 0; i < 100; ++i) dialog.Received(line);
  EXPECT_EQ(dialog.Describe().size(), std::string("DATA: ").size() + SmtpDialog::kReplyBytesMax);
  EXPECT_TRUE(absl::StartsWith(dialog.Describe(), "DATA: 550-xxx"));
}

}  // namespace
}  // namespace closewrite
