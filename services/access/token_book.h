// Whose token is that? What the coordinator asks when somebody shows one.
#ifndef SERVICES_ACCESS_TOKEN_BOOK_H_
#define SERVICES_ACCESS_TOKEN_BOOK_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/access/caller.h"
#include "services/access/token.h"
#include "services/clock/clock.h"

namespace closewrite {

// The file is looked at no more often than this, and only when somebody asks.
inline constexpr absl::Duration kTokensLookEvery = absl::Seconds(1);

// A file of tokens, read anew when it has changed. One that has become wrong, or is gone, leaves
// everything as it was, and is logged once: a slip of an editor or of whatever brings the file here
// must not lock everybody out, and says nothing of who should be. To take tokens away, take their
// lines away; an empty file takes all. A coordinator that starts wants the file whole. Thread-safe.
class TokenBook {
 public:
  // Errors as ReadTokensFile and ParseTokens have them. `clock` outlives it.
  static absl::StatusOr<std::unique_ptr<TokenBook>> Load(const std::string& file,
                                                         const Clock* clock);

  // Who shows it; nothing when it is nobody's. It is found by its hash, so the time that this takes
  // tells nothing of the tokens that there are.
  std::optional<Caller> Find(std::string_view token);

 private:
  TokenBook(std::string file, const Clock* clock) : file_(std::move(file)), clock_(clock) {}
  absl::Status Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReadIfChanged() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string file_;
  const Clock* const clock_;
  absl::Mutex mutex_;
  absl::Time look_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::string version_ ABSL_GUARDED_BY(mutex_);  // that was read last, right or wrong
  TokenOwners owners_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite

#endif  // SERVICES_ACCESS_TOKEN_BOOK_H_
