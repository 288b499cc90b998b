#include "services/access/certificate.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <time.h>

#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "services/access/openssl_objects.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

constexpr size_t kIpv4Bytes = 4;
constexpr size_t kIpv6Bytes = 16;
// As X509_get_ext_d2i says that there is no such extension.
constexpr int kNoExtension = -1;

// Without it OpenSSL would ask at the terminal.
int NoPassword(char* /*buffer*/, int /*size*/, int /*writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

absl::Status CheckSize(std::string_view pem) {
  if (pem.size() <= kPemBytesMax) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat("more than ", kPemBytesMax, " bytes"));
}

absl::StatusOr<absl::Time> TimeOf(const ASN1_TIME* time) {
  tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return OpensslError("certificate's validity");
  return absl::FromTM(parts, absl::UTCTimeZone());
}

std::string NameText(const X509_NAME* name) {
  const BioPtr bio = EmptyBio();
  // RFC 2253 would have all but ASCII escaped.
  constexpr unsigned long kFlags = XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;  // NOLINT
  if (bio == nullptr || X509_NAME_print_ex(bio.get(), name, 0, kFlags) < 0) return "";
  return TextOf(bio.get());
}

std::string BytesOf(const ASN1_STRING* text) {
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     static_cast<size_t>(ASN1_STRING_length(text)));
}

std::string IpText(const std::string& bytes) {
  std::array<char, INET6_ADDRSTRLEN> text = {};
  const bool is_ip = bytes.size() == kIpv4Bytes || bytes.size() == kIpv6Bytes;
  const int family = bytes.size() == kIpv4Bytes ? AF_INET : AF_INET6;
  if (!is_ip || inet_ntop(family, bytes.data(), text.data(), text.size()) == nullptr) {
    return absl::BytesToHexString(bytes);
  }
  return text.data();
}

std::string SerialText(const X509* certificate) {
  const BignumPtr number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  char* digits = number == nullptr ? nullptr : BN_bn2hex(number.get());
  std::string text = digits == nullptr ? "" : digits;
  OPENSSL_free(digits);
  return text;
}

// `AB:CD:...`.
std::string FingerprintText(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return "";
  return absl::StrJoin(digest.begin(), digest.begin() + size, ":",
                       [](std::string* out, unsigned char byte) {
                         constexpr char kDigits[] = "0123456789ABCDEF";
                         *out += kDigits[byte >> 4];
                         *out += kDigits[byte & 15];
                       });
}

}  // namespace

PrivateKey::PrivateKey(EVP_PKEY* key) : key_(key, EVP_PKEY_free) {}

absl::StatusOr<PrivateKey> PrivateKey::Make() {
  ERR_clear_error();
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  if (key == nullptr) return OpensslError("make a key", absl::StatusCode::kUnavailable);
  return PrivateKey(key);
}

absl::StatusOr<PrivateKey> PrivateKey::Read(std::string_view pem) {
  if (absl::Status s = CheckSize(pem); !s.ok()) return s;
  const BioPtr bio = BioOf(pem);
  bool asked = false;
  EVP_PKEY* const key = PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, &asked);
  if (key != nullptr) return PrivateKey(key);
  const absl::Status error = OpensslError("not a private key in PEM's form");
  if (!asked) return error;
  return absl::InvalidArgumentError(
      "the private key needs a password, which nobody could give when a service starts; store it "
      "without one, such as by `openssl pkey`");
}

absl::StatusOr<std::string> PrivateKey::Pem() const {
  const BioPtr bio = EmptyBio();
  if (bio == nullptr || PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0,
                                                      nullptr, nullptr) != 1) {
    return OpensslError("write the key", absl::StatusCode::kInternal);
  }
  return TextOf(bio.get());
}

Certificate::Certificate(X509* certificate) : certificate_(certificate, X509_free) {}

absl::StatusOr<Certificate> Certificate::Of(X509* certificate) {
  Certificate made(certificate);
  ERR_clear_error();
  made.subject_ = NameText(X509_get_subject_name(certificate));
  made.issuer_ = NameText(X509_get_issuer_name(certificate));
  made.serial_ = SerialText(certificate);
  made.fingerprint_ = FingerprintText(certificate);
  made.is_authority_ = X509_check_ca(certificate) == 1;
  if (absl::Status s = made.ReadTimes(); !s.ok()) return s;
  if (absl::Status s = made.ReadNames(); !s.ok()) return s;
  return made;
}

absl::Status Certificate::ReadTimes() {
  const auto not_before = TimeOf(X509_get0_notBefore(get()));
  if (!not_before.ok()) return not_before.status();
  const auto not_after = TimeOf(X509_get0_notAfter(get()));
  if (!not_after.ok()) return not_after.status();
  not_before_ = *not_before;
  not_after_ = *not_after;
  return absl::OkStatus();
}

absl::Status Certificate::ReadNames() {
  int critical = 0;
  const GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(get(), NID_subject_alt_name, &critical, nullptr)));
  if (names == nullptr) {
    if (critical == kNoExtension) return absl::OkStatus();
    return OpensslError("certificate's subject alternative names");
  }
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type);
    const auto* text = static_cast<const ASN1_STRING*>(value);
    if (type == GEN_URI) uris_.push_back(BytesOf(text));
    if (type == GEN_DNS) dns_names_.push_back(BytesOf(text));
    if (type == GEN_IPADD) ip_addresses_.push_back(IpText(BytesOf(text)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Certificate>> Certificate::ReadAll(std::string_view pem) {
  if (absl::Status s = CheckSize(pem); !s.ok()) return s;
  const BioPtr bio = BioOf(pem);
  std::vector<Certificate> certificates;
  for (;;) {
    X509* const next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr);
    if (next == nullptr) break;
    absl::StatusOr<Certificate> certificate = Of(next);
    if (!certificate.ok()) return certificate.status();
    certificates.push_back(*std::move(certificate));
    if (certificates.size() > kCertificatesMax) {
      return absl::InvalidArgumentError(StrCat("more than ", kCertificatesMax, " certificates"));
    }
  }
  // Where nothing more begins, the file has ended; everything else is a broken certificate.
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!ended || certificates.empty()) return OpensslError("not a certificate in PEM's form");
  ERR_clear_error();
  return certificates;
}

absl::StatusOr<std::string> Certificate::Pem() const {
  const BioPtr bio = EmptyBio();
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), get()) != 1) {
    return OpensslError("write the certificate", absl::StatusCode::kInternal);
  }
  return TextOf(bio.get());
}

absl::Status CheckBelongTogether(const Certificate& certificate, const PrivateKey& key) {
  ERR_clear_error();
  if (X509_check_private_key(certificate.get(), key.get()) == 1) return absl::OkStatus();
  return OpensslError("the key is not that of the certificate");
}

absl::Status CheckIssued(const std::vector<Certificate>& chain,
                         const std::vector<Certificate>& authorities,
                         std::optional<absl::Time> when) {
  if (chain.empty()) return absl::InvalidArgumentError("there is no certificate");
  ERR_clear_error();
  const X509StorePtr store(X509_STORE_new());
  const X509StoreContextPtr context(X509_STORE_CTX_new());
  struct FreeStack {
    void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
  };
  const std::unique_ptr<STACK_OF(X509), FreeStack> between(sk_X509_new_null());
  bool ready = store != nullptr && context != nullptr && between != nullptr;
  for (const Certificate& authority : authorities) {
    ready = ready && X509_STORE_add_cert(store.get(), authority.get()) == 1;
  }
  for (size_t i = 1; i < chain.size(); ++i) {
    ready = ready && sk_X509_push(between.get(), chain[i].get()) > 0;
  }
  if (!ready ||
      X509_STORE_CTX_init(context.get(), store.get(), chain[0].get(), between.get()) != 1) {
    return OpensslError("check the certificate", absl::StatusCode::kInternal);
  }
  X509_VERIFY_PARAM* const rules = X509_STORE_CTX_get0_param(context.get());
  if (when.has_value()) {
    X509_VERIFY_PARAM_set_time(rules, absl::ToTimeT(*when));
  } else {
    X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_NO_CHECK_TIME);
  }
  if (X509_verify_cert(context.get()) == 1) return absl::OkStatus();
  ERR_clear_error();
  const int error = X509_STORE_CTX_get_error(context.get());
  const X509* wrong = X509_STORE_CTX_get_current_cert(context.get());
  return absl::InvalidArgumentError(
      StrCat("certificate ",
             Quote(wrong == nullptr ? chain[0].subject() : NameText(X509_get_subject_name(wrong))),
             " can't be trusted: ", X509_verify_cert_error_string(error)));
}

}  // namespace closewrite
