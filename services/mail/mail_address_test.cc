#include "services/mail/mail_address.h"

#include <gtest/gtest.h>

#include <string>

namespace closewrite {
namespace {

TEST(MailAddressTest, AddressesOfPeopleAndMachines) {
  for (const char* address :
       {"a@b", "root@vm-a", "first.last@example.org", "team+alarms@mail.example.org", "o'neil@x.ie",
        "a!#$%&*/=?^_`{|}~@example.org", "me@[192.0.2.1]", "me@xn--bcher-kva.example"}) {
    EXPECT_TRUE(IsMailAddress(address)) << address;
  }
}

TEST(MailAddressTest, WhatIsNone) {
  for (const std::string address : {"",
                                    "@",
                                    "a",
                                    "a@",
                                    "@b",
                                    "a@b@c",
                                    "a b@c",
                                    " a@b",
                                    "a@b ",
                                    "a@b,c@d",
                                    "a@b;c@d",
                                    "a@\tb",
                                    "a@b\r\nRCPT TO:<c@d>",
                                    "a@b\n",
                                    "<a@b>",
                                    "Me <a@b>",
                                    "a>@b",
                                    "\"a\"@b",
                                    "a(c)@b",
                                    "a\\@b",
                                    "m\xc3\xbcller@b",
                                    "a@b\xc3\xbc",
                                    "a\x7f@b"}) {
    EXPECT_FALSE(IsMailAddress(address)) << address;
  }
  EXPECT_FALSE(IsMailAddress(std::string("a@b\0", 4)));
  EXPECT_FALSE(IsMailAddress(std::string("a\0@b", 4)));
}

TEST(MailAddressTest, LengthHasALimit) {
  const std::string local(kMailAddressBytesMax - 2, 'a');
  EXPECT_TRUE(IsMailAddress(local + "@b"));
  EXPECT_FALSE(IsMailAddress(local + "a@b"));
}

}  // namespace
}  // namespace closewrite
