#include "services/access/authority.h"

#include <arpa/inet.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "services/access/openssl_objects.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

constexpr int kSerialBits = 128;
constexpr long kVersion3 = 2;  // NOLINT: OpenSSL's type; RFC 5280, 4.1.2.1
// RFC 1035, 2.3.4.
constexpr size_t kDnsNameBytesMax = 253;
constexpr size_t kDnsLabelBytesMax = 63;
constexpr size_t kIpBytesMax = 16;

absl::Status Wrong(std::string_view what) { return absl::InvalidArgumentError(ToAbsl(what)); }

bool IsDnsLabel(std::string_view label) {
  const auto allowed = [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; };
  return !label.empty() && label.size() <= kDnsLabelBytesMax && label.front() != '-' &&
         label.back() != '-' && std::all_of(label.begin(), label.end(), allowed);
}

// The bytes of an address, for inet_pton's two families; empty when it is none.
std::string IpBytes(std::string_view address) {
  const std::string text(address);
  std::array<char, kIpBytesMax> bytes = {};
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return {bytes.data(), 4};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return {bytes.data(), 16};
  return "";
}

absl::Status CheckOrder(const CertificateOrder& order) {
  if (absl::Status s = CheckIdentity(order.identity); !s.ok()) return s;
  if (order.dns_names.size() + order.ip_addresses.size() > kHostNamesMax) {
    return Wrong(StrCat("more than ", kHostNamesMax, " DNS names and IP addresses"));
  }
  for (const std::string& name : order.dns_names) {
    if (absl::Status s = CheckDnsName(name); !s.ok()) return s;
  }
  for (const std::string& address : order.ip_addresses) {
    if (absl::Status s = CheckIpAddress(address); !s.ok()) return s;
  }
  if (order.validity <= absl::ZeroDuration())
    return Wrong("a certificate must be valid for a time");
  return absl::OkStatus();
}

// Adds an extension in the words of openssl's x509v3_config(5); never with words from outside.
bool AddExtension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509V3_set_ctx_nodb(&context);
  const X509ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool AddName(X509_NAME* name, const char* kind, std::string_view value) {
  return X509_NAME_add_entry_by_txt(name, kind, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

bool AddAlternative(GENERAL_NAMES* names, int type, std::string_view bytes) {
  GeneralNamePtr name(GENERAL_NAME_new());
  ASN1_STRING* const value = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
  if (name == nullptr || value == nullptr) {
    ASN1_STRING_free(value);
    return false;
  }
  GENERAL_NAME_set0_value(name.get(), type, value);  // takes it over
  if (ASN1_STRING_set(value, bytes.data(), static_cast<int>(bytes.size())) != 1) return false;
  return sk_GENERAL_NAME_push(names, name.get()) > 0 && name.release() != nullptr;
}

bool AddAlternatives(X509* certificate, const CertificateOrder& order) {
  const GeneralNamesPtr names(GENERAL_NAMES_new());
  if (names == nullptr) return false;
  bool good = AddAlternative(names.get(), GEN_URI, IdentityUri(order.identity));
  for (const std::string& name : order.dns_names) {
    good = good && AddAlternative(names.get(), GEN_DNS, name);
  }
  for (const std::string& address : order.ip_addresses) {
    good = good && AddAlternative(names.get(), GEN_IPADD, IpBytes(address));
  }
  return good && X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0,
                                   X509V3_ADD_DEFAULT) == 1;
}

// What all certificates have: a serial that can't be guessed, validity, the owner's key.
bool Begin(X509* certificate, const PrivateKey& key, absl::Time now, absl::Time until) {
  const BignumPtr serial(BN_new());
  return serial != nullptr &&
         BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr &&
         X509_set_version(certificate, kVersion3) == 1 &&
         ASN1_TIME_set(X509_getm_notBefore(certificate), absl::ToTimeT(now - kClockSkew)) !=
             nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), absl::ToTimeT(until)) != nullptr &&
         X509_set_pubkey(certificate, key.get()) == 1;
}

bool SignAuthority(X509* certificate, std::string_view name, const PrivateKey& key) {
  X509_NAME* const subject = X509_get_subject_name(certificate);
  return AddName(subject, "CN", name) && X509_set_issuer_name(certificate, subject) == 1 &&
         AddExtension(certificate, certificate, NID_basic_constraints,
                      "critical,CA:TRUE,pathlen:0") &&
         AddExtension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") &&
         AddExtension(certificate, certificate, NID_subject_key_identifier, "hash") &&
         X509_sign(certificate, key.get(), EVP_sha256()) > 0;
}

// The subject is for people who look at it with other tools. It has the role in it so that it can
// never be that of an authority.
bool SignOwner(X509* certificate, const CertificateOrder& order, X509* issuer,
               const PrivateKey& issuers_key) {
  X509_NAME* const subject = X509_get_subject_name(certificate);
  return AddName(subject, "OU", RoleName(order.identity.role)) &&
         AddName(subject, "CN", order.identity.name) &&
         X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
         AddExtension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
         AddExtension(certificate, issuer, NID_key_usage, "critical,digitalSignature") &&
         AddExtension(certificate, issuer, NID_ext_key_usage, "serverAuth,clientAuth") &&
         AddExtension(certificate, issuer, NID_subject_key_identifier, "hash") &&
         AddExtension(certificate, issuer, NID_authority_key_identifier, "keyid:always") &&
         AddAlternatives(certificate, order) &&
         X509_sign(certificate, issuers_key.get(), EVP_sha256()) > 0;
}

}  // namespace

absl::Status CheckDnsName(std::string_view name) {
  std::string_view rest = name.substr(0, 2) == "*." ? name.substr(2) : name;
  bool good = !rest.empty() && name.size() <= kDnsNameBytesMax;
  for (size_t start = 0; good && start <= rest.size();) {
    const size_t end = std::min(rest.find('.', start), rest.size());
    good = IsDnsLabel(rest.substr(start, end - start));
    start = end + 1;
  }
  if (good && !IpBytes(name).empty()) return Wrong(StrCat(name, " is an IP address, no DNS name"));
  if (good) return absl::OkStatus();
  return Wrong(StrCat(Quote(name), " is no DNS name; write one such as vm-a.example.org"));
}

absl::Status CheckIpAddress(std::string_view address) {
  if (!IpBytes(address).empty()) return absl::OkStatus();
  return Wrong(StrCat(Quote(address), " is no IP address; write one such as 10.1.0.5 or fd00::5"));
}

absl::StatusOr<Authority> Authority::Make(std::string_view name, absl::Duration validity,
                                          absl::Time now) {
  if (name.empty() || name.size() > kAuthorityNameBytesMax || Display(name) != name) {
    return Wrong(StrCat("authority's name ", Quote(name), " is not allowed; use 1 to ",
                        kAuthorityNameBytesMax, " bytes of text in one line"));
  }
  if (validity <= absl::ZeroDuration()) return Wrong("an authority must be valid for a time");
  absl::StatusOr<PrivateKey> key = PrivateKey::Make();
  if (!key.ok()) return key.status();
  X509Ptr made(X509_new());
  if (made == nullptr || !Begin(made.get(), *key, now, now + validity) ||
      !SignAuthority(made.get(), name, *key)) {
    return OpensslError("make an authority", absl::StatusCode::kInternal);
  }
  absl::StatusOr<Certificate> certificate = Certificate::Of(made.release());
  if (!certificate.ok()) return certificate.status();
  return Authority({*std::move(certificate)}, 0, *std::move(key));
}

absl::StatusOr<Authority> Authority::Read(std::string_view certificates_pem,
                                          std::string_view key_pem) {
  absl::StatusOr<PrivateKey> key = PrivateKey::Read(key_pem);
  if (!key.ok()) return key.status();
  absl::StatusOr<std::vector<Certificate>> trusted = Certificate::ReadAll(certificates_pem);
  if (!trusted.ok()) return trusted.status();
  for (size_t own = 0; own < trusted->size(); ++own) {
    const Certificate& certificate = (*trusted)[own];
    if (!CheckBelongTogether(certificate, *key).ok()) continue;
    if (!certificate.is_authority()) {
      return Wrong(
          StrCat("certificate ", Quote(certificate.subject()), " is that of no authority"));
    }
    return Authority(*std::move(trusted), own, *std::move(key));
  }
  return Wrong(trusted->size() == 1 ? "the authority's key is not that of its certificate"
                                    : "the authority's key is that of none of the certificates");
}

absl::StatusOr<Certificate> Authority::Issue(const CertificateOrder& order, const PrivateKey& key,
                                             absl::Time now) const {
  if (absl::Status s = CheckOrder(order); !s.ok()) return s;
  const absl::Time end = certificate().not_after();
  if (now >= end) {
    return absl::FailedPreconditionError(
        StrCat("the authority ", Quote(certificate().subject()), " has expired at ",
               absl::FormatTime(absl::RFC3339_sec, end, absl::UTCTimeZone()),
               "; make a new one, and trust both for a while"));
  }
  ERR_clear_error();
  X509Ptr made(X509_new());
  if (made == nullptr || !Begin(made.get(), key, now, std::min(now + order.validity, end)) ||
      !SignOwner(made.get(), order, certificate().get(), key_)) {
    return OpensslError("issue a certificate", absl::StatusCode::kInternal);
  }
  return Certificate::Of(made.release());
}

}  // namespace closewrite
