#include "services/mail/mail_header.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr char kUnknown[] = "\xef\xbf\xbd";

// What a reader makes of encoded words, which are all of a value.
std::string Decode(std::string_view header) {
  std::string text;
  for (const absl::string_view word :
       absl::StrSplit(ToAbsl(header), absl::ByAnyChar(" \r\n"), absl::SkipEmpty())) {
    if (word.size() < 12 || word.substr(0, 10) != "=?UTF-8?B?") continue;
    std::string bytes;
    EXPECT_TRUE(absl::Base64Unescape(word.substr(10, word.size() - 12), &bytes)) << word;
    text += bytes;
  }
  return text;
}

void ExpectShortLines(std::string_view header, size_t bytes_max) {
  for (const absl::string_view line : absl::StrSplit(ToAbsl(header), "\r\n")) {
    EXPECT_LE(line.size(), bytes_max) << line;
    for (const char c : line) EXPECT_TRUE(c >= ' ' && c <= '~') << line;
  }
}

TEST(MailHeaderTest, PlainTextStaysAsItIs) {
  EXPECT_EQ(MailTextHeader("Subject", "3 jobs failed"), "Subject: 3 jobs failed");
  EXPECT_EQ(MailTextHeader("Subject", "a?=b, (c) <d@e> \"f\""), "Subject: a?=b, (c) <d@e> \"f\"");
}

TEST(MailHeaderTest, LongTextIsFoldedAtItsSpaces) {
  std::string text = "w0";
  for (int i = 1; i < 100; ++i) StrAppend(&text, " w", std::string(i % 17, 'x'), i);
  const std::string header = MailTextHeader("Subject", text);
  ExpectShortLines(header, 78);
  EXPECT_EQ(absl::StrReplaceAll(header, {{"\r\n ", " "}}), StrCat("Subject: ", text));
}

TEST(MailHeaderTest, AnythingElseIsEncoded) {
  EXPECT_EQ(MailTextHeader("Subject", "gr\xc3\xbc\xc3\x9f dich"),
            "Subject: =?UTF-8?B?Z3LDvMOfIGRpY2g=?=");
  for (const std::string& text :
       {std::string("=?UTF-8?B?Z3I=?="), std::string("two  spaces"), std::string(" a"),
        std::string("a "), std::string("tab\there"), std::string("\x1b[31m"), std::string(70, 'w'),
        std::string("\xf0\x9f\x94\xa5 fire")}) {
    const std::string header = MailTextHeader("Subject", text);
    EXPECT_EQ(Decode(header), text) << header;
    ExpectShortLines(header, 76);
  }
}

TEST(MailHeaderTest, EncodedTextIsCutBetweenCharacters) {
  for (const std::string_view character : {"\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x94\xa5"}) {
    for (int shift = 0; shift < 4; ++shift) {
      std::string text(shift, 'a');
      for (int i = 0; i < 100; ++i) text += character;
      const std::string header = MailTextHeader("X-Some-Long-Name-Of-A-Header", text);
      ExpectShortLines(header, 76);
      EXPECT_EQ(Decode(header), text);
      for (const absl::string_view line : absl::StrSplit(header, "\r\n")) {
        const std::string part = Decode(ToStd(line));
        EXPECT_EQ(ToUtf8(part), part) << line;
      }
    }
  }
}

TEST(MailHeaderTest, EmptyTextIsNoText) {
  EXPECT_EQ(Decode(MailTextHeader("Subject", "")), "");
  EXPECT_EQ(MailTextHeader("Subject", "").substr(0, 8), "Subject:");
}

TEST(MailHeaderTest, BytesThatAreNoTextBecomeASign) {
  EXPECT_EQ(ToUtf8("abc"), "abc");
  EXPECT_EQ(ToUtf8("\xc3\xbc"), "\xc3\xbc");
  EXPECT_EQ(ToUtf8("a\xff"), StrCat("a", kUnknown));
  EXPECT_EQ(ToUtf8("\xff\xfe\xc3\xbcz"), StrCat(kUnknown, kUnknown, "\xc3\xbcz"));
  EXPECT_EQ(ToUtf8("\xe2\x82"), StrCat(kUnknown, kUnknown));
  EXPECT_EQ(Decode(MailTextHeader("Subject", "in/\xff.csv")), StrCat("in/", kUnknown, ".csv"));
}

TEST(MailHeaderTest, AddressesStandOneALine) {
  EXPECT_EQ(MailAddressHeader("To", {"a@b"}), "To: a@b");
  EXPECT_EQ(MailAddressHeader("To", {"a@b", "c@d", "e@f"}), "To: a@b,\r\n c@d,\r\n e@f");
}

TEST(MailHeaderTest, DateIsThatOfMail) {
  EXPECT_EQ(MailDateHeader(absl::FromUnixSeconds(1795680300)),
            "Date: Thu, 26 Nov 2026 08:05:00 +0000");
  EXPECT_EQ(MailDateHeader(absl::FromUnixMillis(999)), "Date: Thu, 01 Jan 1970 00:00:00 +0000");
}

TEST(MailHeaderTest, NameOfAnAttachment) {
  EXPECT_EQ(MailAttachmentHeader("report 1.csv"),
            "Content-Disposition: attachment;\r\n filename=\"report 1.csv\"");
  EXPECT_EQ(MailAttachmentHeader("a\"b"),
            "Content-Disposition: attachment;\r\n filename*0*=UTF-8''a%22b");
  const std::string header = MailAttachmentHeader(StrCat(std::string(100, 'x'), "\xc3\xbc"));
  ExpectShortLines(header, 78);
  EXPECT_NE(header.find(";\r\n filename*1*=xxx"), std::string::npos) << header;
  EXPECT_NE(header.find("%C3%BC"), std::string::npos) << header;
}

TEST(MailHeaderTest, WhatMayStandInAHeader) {
  EXPECT_TRUE(IsHeaderText(""));
  EXPECT_TRUE(IsHeaderText("\t\x7f\xff"));
  for (const std::string_view text : {"a\nb", "a\r", "\r\n", "\n"})
    EXPECT_FALSE(IsHeaderText(text));
  EXPECT_FALSE(IsHeaderText(std::string_view("a\0", 2)));
  EXPECT_TRUE(IsHeaderName("X-Priority"));
  for (const std::string_view name : {"", "a:", "a b", "a\n", "\xc3\xbc"}) {
    EXPECT_FALSE(IsHeaderName(name)) << name;
  }
  EXPECT_FALSE(IsHeaderName(std::string(100, 'a')));
}

}  // namespace
}  // namespace closewrite
