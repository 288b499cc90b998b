#include "services/access/authority.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "services/access/openssl_objects.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

class AuthorityTest : public testing::Test {
 protected:
  static Authority MakeAuthority(std::string_view name = "Test CA") {
    absl::StatusOr<Authority> made = Authority::Make(name, 3650 * kDay, Now());
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }

  static PrivateKey MakeKey() {
    absl::StatusOr<PrivateKey> key = PrivateKey::Make();
    EXPECT_TRUE(key.ok()) << key.status();
    return *std::move(key);
  }

  static absl::Time Now() { return absl::FromUnixSeconds(1'795'773'600); }  // 2026-11-27T10:00Z

  static CertificateOrder Order() {
    return {.identity = {Role::kWatcher, "vm-b", {"unenriched", "raw"}},
            .dns_names = {"vm-b", "*.example.org"},
            .ip_addresses = {"10.1.0.5", "fd00::5"},
            .validity = 90 * kDay};
  }

  // What a file would have of it, read again.
  static Certificate Reread(const Certificate& certificate) {
    absl::StatusOr<std::vector<Certificate>> read = Certificate::ReadAll(*certificate.Pem());
    EXPECT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->size(), 1);
    return read->front();
  }

  static std::string Refusal(const CertificateOrder& order) {
    const auto issued = MakeAuthority().Issue(order, MakeKey(), Now());
    EXPECT_EQ(issued.status().code(), absl::StatusCode::kInvalidArgument) << issued.status();
    return std::string(issued.status().message());
  }
};

TEST_F(AuthorityTest, SaysWhatItIs) {
  const Certificate made = Reread(MakeAuthority("Überwachung").certificate());
  EXPECT_EQ(made.subject(), "CN=Überwachung");
  EXPECT_EQ(made.issuer(), made.subject());
  EXPECT_TRUE(made.is_authority());
  EXPECT_EQ(made.not_before(), Now() - absl::Minutes(5));
  EXPECT_EQ(made.not_after(), Now() + 3650 * kDay);
  EXPECT_EQ(X509_get_pathlen(made.get()), 0);
  EXPECT_EQ(X509_get_key_usage(made.get()), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
  EXPECT_TRUE(absl::StrContains(made.identity().status().message(), "has no role"));
}

TEST_F(AuthorityTest, WhatIsIssuedSaysWhatWasOrdered) {
  const Authority authority = MakeAuthority();
  const PrivateKey key = MakeKey();
  const auto issued = authority.Issue(Order(), key, Now());
  ASSERT_TRUE(issued.ok()) << issued.status();
  const Certificate read = Reread(*issued);
  const auto identity = read.identity();
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(*identity, Order().identity);
  EXPECT_EQ(read.uris(),
            std::vector<std::string>({"closewrite://watcher/vm-b?volume=unenriched&volume=raw"}));
  EXPECT_EQ(read.dns_names(), Order().dns_names);
  EXPECT_EQ(read.ip_addresses(), Order().ip_addresses);
  EXPECT_EQ(read.subject(), "CN=vm-b,OU=watcher");
  EXPECT_EQ(read.issuer(), "CN=Test CA");
  EXPECT_EQ(read.not_before(), Now() - absl::Minutes(5));
  EXPECT_EQ(read.not_after(), Now() + 90 * kDay);
  EXPECT_FALSE(read.is_authority());
  EXPECT_EQ(X509_get_key_usage(read.get()), KU_DIGITAL_SIGNATURE);
  EXPECT_EQ(X509_get_extended_key_usage(read.get()), XKU_SSL_SERVER | XKU_SSL_CLIENT);
  EXPECT_EQ(read.fingerprint().size(), 32 * 3 - 1);
  EXPECT_EQ(read.fingerprint(), issued->fingerprint());
}

TEST_F(AuthorityTest, SerialsAreRandomAndLong) {
  const Authority authority = MakeAuthority();
  const PrivateKey key = MakeKey();
  std::vector<std::string> serials;
  size_t longest = 0;
  for (int i = 0; i < 8; ++i) {
    serials.push_back(authority.Issue(Order(), key, Now())->serial());
    longest = std::max(longest, serials.back().size());
    EXPECT_LE(serials.back().size(), 32);
  }
  EXPECT_EQ(longest, 32);  // that all eight begin with a zero byte, nobody will see
  std::sort(serials.begin(), serials.end());
  EXPECT_EQ(std::unique(serials.begin(), serials.end()), serials.end());
}

TEST_F(AuthorityTest, KeysAreP256InPkcs8) {
  const PrivateKey key = MakeKey();
  const auto pem = key.Pem();
  ASSERT_TRUE(pem.ok()) << pem.status();
  EXPECT_TRUE(absl::StartsWith(*pem, "-----BEGIN PRIVATE KEY-----\n"));
  char group[80] = {};
  size_t size = 0;
  ASSERT_EQ(EVP_PKEY_get_group_name(key.get(), group, sizeof(group), &size), 1);
  EXPECT_STREQ(group, SN_X9_62_prime256v1);
  const auto read = PrivateKey::Read(*pem);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(EVP_PKEY_eq(read->get(), key.get()), 1);
}

TEST_F(AuthorityTest, ChainsEndAtTheirAuthority) {
  const Authority authority = MakeAuthority();
  const Authority other = MakeAuthority();  // of the same name
  const Certificate issued = *authority.Issue(Order(), MakeKey(), Now());
  EXPECT_TRUE(CheckIssued({issued}, authority.trusted(), Now()).ok());
  EXPECT_TRUE(CheckIssued({issued}, {other.certificate(), authority.certificate()}, Now()).ok());
  const absl::Status foreign = CheckIssued({issued}, other.trusted(), Now());
  EXPECT_EQ(foreign.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(foreign.message(), "\"CN=vm-b,OU=watcher\" can't be trusted: "))
      << foreign;
  EXPECT_FALSE(CheckIssued({}, authority.trusted(), Now()).ok());
  EXPECT_FALSE(CheckIssued({issued}, {}, Now()).ok());
}

TEST_F(AuthorityTest, ValidityCountsWhereItIsAsked) {
  const Authority authority = MakeAuthority();
  const Certificate issued = *authority.Issue(Order(), MakeKey(), Now());
  EXPECT_TRUE(CheckIssued({issued}, authority.trusted(), Now() - absl::Minutes(4)).ok());
  const auto late = CheckIssued({issued}, authority.trusted(), Now() + 91 * kDay);
  EXPECT_TRUE(absl::StrContains(late.message(), "certificate has expired")) << late;
  const auto early = CheckIssued({issued}, authority.trusted(), Now() - absl::Minutes(6));
  EXPECT_TRUE(absl::StrContains(early.message(), "certificate is not yet valid")) << early;
  EXPECT_TRUE(CheckIssued({issued}, authority.trusted(), {}).ok());
}

// What an authority has issued can issue nothing itself, whoever has its key.
TEST_F(AuthorityTest, OwnersAreNoAuthorities) {
  const Authority authority = MakeAuthority();
  const PrivateKey key = MakeKey();
  const Certificate watcher = *authority.Issue(Order(), key, Now());
  const auto usurper = Authority::Read(*watcher.Pem(), *key.Pem());
  EXPECT_TRUE(absl::StrContains(usurper.status().message(), "is that of no authority"))
      << usurper.status();
}

TEST_F(AuthorityTest, ReadsItself) {
  const Authority authority = MakeAuthority();
  const Authority older = MakeAuthority("Older CA");
  const std::string both = StrCat(*older.certificate().Pem(), *authority.certificate().Pem());
  const auto read = Authority::Read(both, *authority.key().Pem());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->certificate().subject(), "CN=Test CA");
  EXPECT_EQ(read->trusted().size(), 2);
  const auto issued = read->Issue(Order(), MakeKey(), Now());
  ASSERT_TRUE(issued.ok()) << issued.status();
  EXPECT_TRUE(CheckIssued({*issued}, authority.trusted(), Now()).ok());
  EXPECT_EQ(Authority::Read(*older.certificate().Pem(), *authority.key().Pem()).status().message(),
            "the authority's key is not that of its certificate");
  EXPECT_EQ(Authority::Read(both, *MakeKey().Pem()).status().message(),
            "the authority's key is that of none of the certificates");
}

TEST_F(AuthorityTest, KeysAndCertificatesBelongTogether) {
  const Authority authority = MakeAuthority();
  const PrivateKey key = MakeKey();
  const Certificate issued = *authority.Issue(Order(), key, Now());
  EXPECT_TRUE(CheckBelongTogether(issued, key).ok());
  EXPECT_EQ(CheckBelongTogether(issued, MakeKey()).message(),
            "the key is not that of the certificate: key values mismatch");
}

TEST_F(AuthorityTest, NothingOutlivesItsAuthority) {
  const auto authority = Authority::Make("Short CA", 10 * kDay, Now());
  ASSERT_TRUE(authority.ok());
  EXPECT_EQ(authority->Issue(Order(), MakeKey(), Now())->not_after(), Now() + 10 * kDay);
  const auto late = authority->Issue(Order(), MakeKey(), Now() + 10 * kDay);
  EXPECT_EQ(late.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(absl::StrContains(late.status().message(), "has expired at 2026-12-07T"))
      << late.status();
}

TEST_F(AuthorityTest, WrongOrdersAreRefused) {
  CertificateOrder order = Order();
  order.identity.grants.clear();
  EXPECT_TRUE(absl::StrContains(Refusal(order), "a watcher needs the volumes"));
  order = Order();
  order.dns_names.push_back("a,URI:closewrite://admin/x");
  EXPECT_TRUE(absl::StrContains(Refusal(order), "is no DNS name"));
  order = Order();
  order.ip_addresses = {"vm-b"};
  EXPECT_TRUE(absl::StrContains(Refusal(order), "\"vm-b\" is no IP address"));
  order = Order();
  order.validity = absl::ZeroDuration();
  EXPECT_TRUE(absl::StrContains(Refusal(order), "valid for a time"));
  order = Order();
  order.dns_names.assign(kHostNamesMax, "a");
  EXPECT_TRUE(absl::StrContains(Refusal(order), "more than 64 DNS names and IP addresses"));
  for (const std::string& name : {std::string(), std::string("a\nb"), std::string(65, 'a')}) {
    EXPECT_FALSE(Authority::Make(name, kDay, Now()).ok()) << name;
  }
  EXPECT_FALSE(Authority::Make("x", absl::ZeroDuration(), Now()).ok());
}

TEST_F(AuthorityTest, DnsNamesAndAddresses) {
  for (const char* name : {"vm-a", "vm-a.example.org", "*.example.org", "a_b", "0.example.org"}) {
    EXPECT_TRUE(CheckDnsName(name).ok()) << name;
  }
  for (const char* name : {"", ".", "a.", ".a", "a..b", "-a", "a-", "*", "a.*", "a b", "10.1.0.5",
                           "vm-a:7400", "https://vm-a"}) {
    EXPECT_FALSE(CheckDnsName(name).ok()) << name;
  }
  EXPECT_FALSE(CheckDnsName(std::string(64, 'a')).ok());
  for (const char* address : {"", "10.1", "10.1.0.5/24", "10.1.0.5:7400", "[::1]", "vm-a"}) {
    EXPECT_FALSE(CheckIpAddress(address).ok()) << address;
  }
}

TEST_F(AuthorityTest, WhatIsNoPemIsToldSo) {
  for (const std::string& text : {std::string(), std::string("hello"), *MakeKey().Pem()}) {
    EXPECT_EQ(Certificate::ReadAll(text).status().message(),
              "not a certificate in PEM's form: no start line");
  }
  const std::string pem = *MakeAuthority().certificate().Pem();
  EXPECT_FALSE(Certificate::ReadAll(pem.substr(0, pem.size() / 2)).ok());
  EXPECT_FALSE(Certificate::ReadAll(pem + pem.substr(0, pem.size() / 2)).ok());
  std::string broken = pem;
  broken[100] = broken[100] == 'A' ? 'B' : 'A';
  broken[101] = '*';
  EXPECT_FALSE(Certificate::ReadAll(broken).ok());
  EXPECT_TRUE(absl::StrContains(PrivateKey::Read(pem).status().message(), "not a private key"));
  EXPECT_TRUE(absl::StrContains(
      Certificate::ReadAll(std::string(kPemBytesMax + 1, 'x')).status().message(), "more than"));
  std::string many;
  for (size_t i = 0; i <= kCertificatesMax; ++i) many += pem;
  EXPECT_TRUE(absl::StrContains(Certificate::ReadAll(many).status().message(),
                                "more than 64 certificates"));
}

TEST_F(AuthorityTest, KeysWithAPasswordAreToldSo) {
  const PrivateKey key = MakeKey();
  const BioPtr bio = EmptyBio();
  char password[] = "secret";
  ASSERT_EQ(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), EVP_aes_128_cbc(), password, 6,
                                          nullptr, nullptr),
            1);
  const auto read = PrivateKey::Read(TextOf(bio.get()));
  EXPECT_TRUE(absl::StrContains(read.status().message(), "needs a password")) << read.status();
}

}  // namespace
}  // namespace closewrite
