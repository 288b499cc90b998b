// People who sign in at the portal itself: a file with a line for each.
#ifndef SERVICES_PORTAL_USERS_H_
#define SERVICES_PORTAL_USERS_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "closewrite/v1/config.pb.h"

namespace closewrite::portal {

inline constexpr size_t kUsersMax = 10'000;
inline constexpr size_t kUsersFileBytesMax = 4 << 20;
inline constexpr size_t kPasswordBytesMax = 1024;
// Argon2id as OWASP recommends it where memory is scarce (Password Storage Cheat Sheet, 2024).
inline constexpr int kHashPasses = 2;
inline constexpr int kHashMemoryKib = 19'456;

struct User {
  v1::PortalRole role = v1::PORTAL_ROLE_NONE;
  std::string hash;
  std::string email;
};

// The encoded hash of a password, with a salt of its own.
absl::StatusOr<std::string> HashPassword(std::string_view password);
bool IsPasswordOf(const std::string& hash, std::string_view password);

// Lines `NAME ROLE HASH [MAIL]`; empty ones and those that begin with # are left out.
// INVALID_ARGUMENT names the line.
absl::StatusOr<std::map<std::string, User>> ParseUsers(std::string_view file,
                                                       std::string_view text);

// Reads the file anew when it has changed. Thread-safe.
class Users {
 public:
  // FAILED_PRECONDITION when others may write to it.
  static absl::StatusOr<std::unique_ptr<Users>> Load(const std::string& file);

  // As it is now. A file that has become wrong leaves everything as it was, and is logged.
  std::map<std::string, User> All();
  // PERMISSION_DENIED, without saying whether there is such a user. Takes some 20 ms, one call
  // after the other.
  absl::StatusOr<User> SignIn(const std::string& name, std::string_view password);

 private:
  explicit Users(std::string file) : file_(std::move(file)) {}
  absl::Status Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string file_;
  absl::Mutex mutex_;
  int64_t changed_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, User> users_ ABSL_GUARDED_BY(mutex_);
  absl::Mutex hashing_;  // each takes much memory
};

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_USERS_H_
