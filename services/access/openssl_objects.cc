#include "services/access/openssl_objects.h"

#include <openssl/err.h>

#include "services/log/str_cat.h"

namespace closewrite {

absl::Status OpensslError(std::string_view what, absl::StatusCode code) {
  // The first one is the cause of those after it.
  const unsigned long error = ERR_get_error();  // NOLINT: OpenSSL's type
  ERR_clear_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  return absl::Status(code, StrCat(what, ": ", reason == nullptr ? "OpenSSL failed" : reason));
}

BioPtr BioOf(std::string_view bytes) {
  ERR_clear_error();
  return BioPtr(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

BioPtr EmptyBio() {
  ERR_clear_error();
  return BioPtr(BIO_new(BIO_s_mem()));
}

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);  // NOLINT: OpenSSL's type
  return size <= 0 ? "" : std::string(data, static_cast<size_t>(size));
}

}  // namespace closewrite
