#include "services/access/token.h"

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

const std::string kHash = std::string(64, 'a');

std::string Refusal(const std::string& text) {
  const auto parsed = ParseTokens("tokens", text);
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(parsed.status().message());
}

TEST(Token, AreRandom) {
  const std::string token = MakeToken();
  EXPECT_EQ(token.size(), 46);
  EXPECT_TRUE(absl::StartsWith(token, "cw_"));
  EXPECT_TRUE(IsToken(token)) << token;
  EXPECT_NE(token, MakeToken());
}

TEST(Token, WhatIsNoneIsSeen) {
  EXPECT_TRUE(IsToken(StrCat("cw_", std::string(43, 'a'))));
  EXPECT_FALSE(IsToken(StrCat("cw_", std::string(42, 'a'))));
  EXPECT_FALSE(IsToken(StrCat("cw_", std::string(44, 'a'))));
  EXPECT_FALSE(IsToken(StrCat("cw_", std::string(42, 'a'), "=")));
  EXPECT_FALSE(IsToken(std::string(46, 'a')));
  EXPECT_FALSE(IsToken("letmein"));
  EXPECT_FALSE(IsToken(""));
}

TEST(Token, HashIsSha256) {
  // FIPS 180-2, appendix B.1.
  EXPECT_EQ(absl::BytesToHexString(TokenHash("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Token, LinesGoThereAndBack) {
  const std::string token = MakeToken();
  const std::string line = TokenLine({"jane@example.org", Role::kOperator}, TokenHash(token));
  EXPECT_TRUE(absl::StartsWith(line, "jane@example.org operator sha256:"));
  const auto owners = ParseTokens(
      "tokens", StrCat("# people\n\n", line,
                       "\r\n\t r-scripts  program\tsha256:", std::string(64, 'A'), "\n  # end"));
  ASSERT_TRUE(owners.ok()) << owners.status();
  EXPECT_EQ(owners->size(), 2);
  const auto jane = owners->find(TokenHash(token));
  ASSERT_NE(jane, owners->end());
  EXPECT_EQ(jane->second.name, "jane@example.org");
  EXPECT_EQ(jane->second.role, Role::kOperator);
  EXPECT_EQ(owners->count(std::string(32, '\xAA')), 1);
  EXPECT_TRUE(ParseTokens("tokens", "").ok());
}

TEST(Token, WrongLinesAreNamed) {
  const std::string good = StrCat("jane admin sha256:", kHash, "\n");
  EXPECT_EQ(Refusal(good + "\njane viewer\n"),
            "tokens:3: give NAME ROLE sha256:HEX, as `closewrite token new` does");
  EXPECT_EQ(Refusal(good + good), "tokens:2: jane is there twice");
  EXPECT_EQ(Refusal(StrCat(good, "joe viewer sha256:", kHash)),
            "tokens:2: this is the token of jane, too");
  EXPECT_TRUE(
      absl::StrContains(Refusal(StrCat("jane boss sha256:", kHash)), "\"boss\" is no role"));
  for (const char* role : {"coordinator", "watcher", "executor", "portal"}) {
    EXPECT_TRUE(absl::StrContains(Refusal(StrCat("vm-a ", role, " sha256:", kHash)),
                                  StrCat("the role ", role, " has no tokens; viewer, uploader")));
  }
  EXPECT_TRUE(absl::StrContains(Refusal(StrCat("ja/ne admin sha256:", kHash)),
                                "admin name \"ja/ne\" is not allowed"));
  for (const std::string& hash :
       {std::string(64, 'a'), StrCat("sha256:", std::string(63, 'a')),
        StrCat("sha256:", std::string(64, 'g')), StrCat("md5:", kHash), std::string("sha256:")}) {
    EXPECT_TRUE(absl::StrContains(Refusal(StrCat("jane admin ", hash)),
                                  "is not sha256: and 64 hexadecimal digits; make such a line"));
  }
  EXPECT_TRUE(absl::StrContains(Refusal(StrCat("jane admin ", MakeToken())),
                                "it is a token, which nobody else should know"));
  EXPECT_TRUE(
      absl::StrContains(Refusal(StrCat("jane admin sha256:", kHash, " x")), "tokens:1: give"));
}

TEST(Token, HaveAnEnd) {
  std::string text;
  for (size_t i = 0; i <= kTokensMax; ++i) {
    StrAppend(&text, TokenLine({StrCat("u", i), Role::kViewer}, TokenHash(StrCat(i))), "\n");
  }
  EXPECT_EQ(Refusal(text), "tokens:10001: more than 10000 tokens");
}

}  // namespace
}  // namespace closewrite
