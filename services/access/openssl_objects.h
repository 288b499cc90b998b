// OpenSSL's objects as values that free themselves, and its errors as statuses.
#ifndef SERVICES_ACCESS_OPENSSL_OBJECTS_H_
#define SERVICES_ACCESS_OPENSSL_OBJECTS_H_

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace closewrite {

template <auto kFree>
struct FreedBy {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};

using BioPtr = std::unique_ptr<BIO, FreedBy<BIO_free_all>>;
using BignumPtr = std::unique_ptr<BIGNUM, FreedBy<BN_free>>;
using X509Ptr = std::unique_ptr<X509, FreedBy<X509_free>>;
using X509ExtensionPtr = std::unique_ptr<X509_EXTENSION, FreedBy<X509_EXTENSION_free>>;
using X509StorePtr = std::unique_ptr<X509_STORE, FreedBy<X509_STORE_free>>;
using X509StoreContextPtr = std::unique_ptr<X509_STORE_CTX, FreedBy<X509_STORE_CTX_free>>;
using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, FreedBy<GENERAL_NAMES_free>>;
using GeneralNamePtr = std::unique_ptr<GENERAL_NAME, FreedBy<GENERAL_NAME_free>>;

// `what`, and the reason that OpenSSL has for the call that has just failed in this thread; its
// queue of errors is empty afterwards.
absl::Status OpensslError(std::string_view what,
                          absl::StatusCode code = absl::StatusCode::kInvalidArgument);

// For reading bytes that outlive it, or for collecting what is written. Null when there is no
// memory.
BioPtr BioOf(std::string_view bytes);
BioPtr EmptyBio();
std::string TextOf(BIO* bio);

}  // namespace closewrite

#endif  // SERVICES_ACCESS_OPENSSL_OBJECTS_H_
