#include "services/portal/access.h"

#include "gtest/gtest.h"
#include "services/portal/users.h"

namespace closewrite::portal {
namespace {

WebRequest From(const std::string& address, std::map<std::string, std::string> headers) {
  WebRequest request{.address = address};
  request.header = [headers](const char* name) {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  };
  request.cookie = [](const char*) { return std::string(); };
  return request;
}

TEST(AccessTest, StrangersAreLetInOnLoopbackAlone) {
  v1::PortalConfig config;
  config.set_listen("127.0.0.1:0");
  auto access = Access::Make(config);
  ASSERT_TRUE(access.ok()) << access.status();
  EXPECT_EQ((*access)->WhoIs(From("127.0.0.1", {})).role, v1::PORTAL_ROLE_ADMIN);
  config.set_listen("0.0.0.0:7403");
  EXPECT_NE(Access::Make(config).status().message().find("anonymous: uploader"),
            absl::string_view::npos);
  config.set_anonymous(v1::PORTAL_ROLE_UPLOADER);
  EXPECT_EQ((*Access::Make(config))->WhoIs(From("10.1.2.3", {})).role, v1::PORTAL_ROLE_UPLOADER);
}

TEST(AccessTest, OnlyTheProxyIsBelieved) {
  v1::PortalConfig config;
  config.set_listen("0.0.0.0:7403");
  config.mutable_proxy()->add_from("10.1.0.0/16");
  (*config.mutable_proxy()->mutable_groups())["ops"] = v1::PORTAL_ROLE_OPERATOR;
  auto access = Access::Make(config);
  ASSERT_TRUE(access.ok()) << access.status();
  const std::map<std::string, std::string> headers = {{"X-Forwarded-User", "ann"},
                                                      {"X-Forwarded-Email", "ann@example.org"},
                                                      {"X-Forwarded-Groups", "staff, ops"}};
  const Visitor ann = (*access)->WhoIs(From("10.1.2.3", headers));
  EXPECT_EQ(ann.name, "ann");
  EXPECT_EQ(ann.email, "ann@example.org");
  EXPECT_EQ(ann.role, v1::PORTAL_ROLE_OPERATOR);
  EXPECT_EQ((*access)->WhoIs(From("10.2.2.3", headers)).role, v1::PORTAL_ROLE_NONE);
  EXPECT_EQ((*access)->WhoIs(From("", headers)).role, v1::PORTAL_ROLE_NONE);
  EXPECT_EQ((*access)->WhoIs(From("10.1.2.3", {})).role, v1::PORTAL_ROLE_NONE);
  config.mutable_proxy()->clear_from();
  EXPECT_FALSE(Access::Make(config).ok());
}

TEST(AccessTest, Blocks) {
  EXPECT_TRUE(IsIn(*ParseAddressBlock("::1"), "::1"));
  EXPECT_FALSE(IsIn(*ParseAddressBlock("0.0.0.0/0"), "::1"));
  EXPECT_TRUE(IsIn(*ParseAddressBlock("2001:db8::/33"), "2001:db8:7fff::1"));
  EXPECT_FALSE(IsIn(*ParseAddressBlock("2001:db8::/33"), "2001:db8:8000::1"));
  for (const char* wrong : {"", "10.0.0.0/33", "10.0.0/8", "x", "10.0.0.0/-1"}) {
    EXPECT_FALSE(ParseAddressBlock(wrong).ok()) << wrong;
  }
}

// To C a text ends at a NUL byte, so that an address with more behind it was taken for one.
TEST(AccessTest, AnAddressIsAllOfItsText) {
  using std::string_literals::operator""s;
  EXPECT_FALSE(ParseAddressBlock("127.0.0.1\0.example.org"s).ok());
  EXPECT_FALSE(IsOwnHost("127.0.0.1\0.example.org"s, ""));
}

TEST(AccessTest, NamesOfOthersAreNotOurs) {
  const std::string url = "https://Portal.example.org:8443/closewrite";
  for (const char* host : {"localhost", "localhost:7403", "127.0.0.1:7403", "[::1]:7403", "[::1]",
                           "10.1.2.3", "portal.example.org:8443", "PORTAL.example.org"}) {
    EXPECT_TRUE(IsOwnHost(host, url)) << host;
  }
  for (const char* host : {"", "evil.example.org", "portal.example.org.evil.org", "x",
                           "localhost.evil.org:7403", "127.0.0.1.evil.org"}) {
    EXPECT_FALSE(IsOwnHost(host, url)) << host;
  }
}

TEST(UsersTest, PasswordsAreHashed) {
  const absl::StatusOr<std::string> hash = HashPassword("correct horse");
  ASSERT_TRUE(hash.ok());
  EXPECT_TRUE(IsPasswordOf(*hash, "correct horse"));
  EXPECT_FALSE(IsPasswordOf(*hash, "correct horsf"));
  EXPECT_NE(*hash, *HashPassword("correct horse"));
  EXPECT_FALSE(HashPassword("").ok());
  const auto users = ParseUsers("u", "# people\n\nann operator " + *hash + " ann@example.org\n");
  ASSERT_TRUE(users.ok()) << users.status();
  EXPECT_EQ(users->at("ann").role, v1::PORTAL_ROLE_OPERATOR);
  EXPECT_EQ(users->at("ann").email, "ann@example.org");
}

TEST(UsersTest, WrongLinesAreNamed) {
  EXPECT_EQ(ParseUsers("u", "\nann boss $argon2id$x\n").status().message(),
            "u:2: \"boss\" is no role; say uploader, operator or admin");
  EXPECT_FALSE(ParseUsers("u", "ann operator secret\n").ok());
  EXPECT_FALSE(ParseUsers("u", "ann operator\n").ok());
  EXPECT_FALSE(ParseUsers("u", "a/b admin $argon2id$x\n").ok());
  EXPECT_FALSE(ParseUsers("u", "ann admin $argon2id$x\nann admin $argon2id$y\n").ok());
}

}  // namespace
}  // namespace closewrite::portal
