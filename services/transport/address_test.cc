#include "services/transport/address.h"

#include <string>

#include "gtest/gtest.h"

namespace closewrite {
namespace {

TEST(AddressTest, LoopbackIsThisHostAlone) {
  for (const char* host : {"127.0.0.1", "127.8.9.1", "localhost", "::1"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host : {"128.0.0.1", "126.255.255.255", "0.0.0.0", "::", "::2", "", "127.1",
                           "localhost.example.org", "127.0.0.1.example.org", "vm-a"}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

// To C a text ends at a NUL byte, so that an address with more behind it was taken for one.
TEST(AddressTest, AnAddressIsAllOfItsText) {
  using std::string_literals::operator""s;
  EXPECT_FALSE(IsLoopback("127.0.0.1\0.example.org"s));
}

}  // namespace
}  // namespace closewrite
