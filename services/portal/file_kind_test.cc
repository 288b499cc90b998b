#include "services/portal/file_kind.h"

#include "gtest/gtest.h"

namespace closewrite::portal {
namespace {

using std::string_view_literals::operator""sv;

std::string Zip(const std::string& first) {
  std::string head = "PK\x03\x04" + std::string(26, '\0');
  head[26] = static_cast<char>(first.size());
  return head + first + "rest";
}

TEST(WrongKindTest, WhatIsRight) {
  EXPECT_EQ(WrongKind("a.csv", "id;name\n1;Müller\n"), "");
  EXPECT_EQ(WrongKind("a.csv", "id\n1\nM\xFCller\n"), "");  // Latin-1
  EXPECT_EQ(WrongKind("a.csv", "\xFF\xFEi\0d\0"sv), "");    // UTF-16
  EXPECT_EQ(WrongKind("a.csv", ""), "");
  EXPECT_EQ(WrongKind("A.XLSX", Zip("[Content_Types].xml")), "");
  EXPECT_EQ(WrongKind("a.ods", Zip("mimetype")), "");
  EXPECT_EQ(WrongKind("a.zip", Zip("a.exe")), "");
  EXPECT_EQ(WrongKind("a.pdf", "%PDF-1.7\n"), "");
  EXPECT_EQ(WrongKind("a.dat",
                      "\x7F"
                      "ELF\0"sv),
            "");
  EXPECT_EQ(WrongKind("README", "\0"sv), "");
}

TEST(WrongKindTest, WhatIsWrong) {
  EXPECT_EQ(WrongKind("a.xlsx", "id;name\n"),
            "\"a.xlsx\" is called .xlsx, but its content is something else: save it as a real "
            "xlsx file, or give it the ending that it should have");
  EXPECT_NE(WrongKind("a.xlsx", Zip("payload.exe")), "");
  EXPECT_NE(WrongKind("a.xlsx", ""), "");
  EXPECT_NE(WrongKind("a.csv", Zip("xl/workbook.xml")), "");
  EXPECT_NE(WrongKind("a.csv",
                      "\x7F"
                      "ELF\x02\x01\x01\0"sv),
            "");
  EXPECT_NE(WrongKind("a.png", "<svg onload=alert(1)>"), "");
  EXPECT_NE(WrongKind("a.pdf", "MZ\x90\0"sv), "");
  EXPECT_NE(WrongKind("a.xlsx", "PK\x03\x04"), "");
}

}  // namespace
}  // namespace closewrite::portal
