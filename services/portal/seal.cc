#include "services/portal/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/escaping.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"

namespace closewrite::portal {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr size_t kKeyFileBytesMax = 256;

absl::StatusOr<std::string> ReadKey(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok()) return ErrnoStatus(errno, "open", path);
  std::string key(kKeyFileBytesMax, '\0');
  const ssize_t got = read(file.get(), key.data(), key.size());
  if (got < static_cast<ssize_t>(kKeyBytes)) {
    return absl::FailedPreconditionError(
        StrCat("state: ", path, " is no key; remove it, and a new one is made"));
  }
  key.resize(static_cast<size_t>(got));
  return key;
}

}  // namespace

std::string RandomHex(size_t bytes) {
  std::string random(bytes, '\0');
  size_t have = 0;
  while (have < bytes) {
    const ssize_t got = getrandom(random.data() + have, bytes - have, 0);
    if (got > 0) have += static_cast<size_t>(got);
  }
  return absl::BytesToHexString(random);
}

bool SameText(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char differ = 0;
  for (size_t i = 0; i < a.size(); ++i) differ |= static_cast<unsigned char>(a[i] ^ b[i]);
  return differ == 0;
}

absl::StatusOr<Seal> Seal::Load(const std::string& directory) {
  if (directory.empty()) return Seal(RandomHex(kKeyBytes));
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, "make state directory", directory);
  }
  const std::string path = StrCat(directory, "/key");
  absl::StatusOr<std::string> key = ReadKey(path);
  if (absl::IsNotFound(key.status())) {
    const std::string made = RandomHex(kKeyBytes);
    const std::string fresh = StrCat(path, ".new");
    {
      const Fd file(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
      if (!file.ok()) return ErrnoStatus(errno, "make", fresh);
      if (write(file.get(), made.data(), made.size()) != static_cast<ssize_t>(made.size()) ||
          fsync(file.get()) != 0) {
        return ErrnoStatus(errno, "write", fresh);
      }
    }
    if (rename(fresh.c_str(), path.c_str()) != 0) return ErrnoStatus(errno, "make", path);
    key = ReadKey(path);
  }
  if (!key.ok()) return key.status();
  return Seal(*std::move(key));
}

std::string Seal::Of(std::string_view purpose, std::string_view text) const {
  const std::string whole = StrCat(purpose, ":", text);
  std::string digest(EVP_MD_size(EVP_sha256()), '\0');
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(whole.data()), whole.size(),
       reinterpret_cast<unsigned char*>(digest.data()), nullptr);
  return absl::BytesToHexString(digest);
}

}  // namespace closewrite::portal
