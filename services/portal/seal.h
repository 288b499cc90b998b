// What the portal hands to browsers and knows again: sealed with a key that only it has.
#ifndef SERVICES_PORTAL_SEAL_H_
#define SERVICES_PORTAL_SEAL_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace closewrite::portal {

// Random bytes from the kernel, in hexadecimal digits.
std::string RandomHex(size_t bytes);

// In a time that does not tell how much is right.
bool SameText(std::string_view a, std::string_view b);

// Thread-safe.
class Seal {
 public:
  explicit Seal(std::string key) : key_(std::move(key)) {}
  // The key lies in `directory`/key, and is made where it is not. Without a directory it is another
  // one at each start.
  static absl::StatusOr<Seal> Load(const std::string& directory);

  // HMAC-SHA256 of `text` in hexadecimal digits. `purpose` keeps what is sealed for different ends
  // apart.
  std::string Of(std::string_view purpose, std::string_view text) const;

 private:
  std::string key_;
};

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_SEAL_H_
