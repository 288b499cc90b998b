#include "services/access/token_book.h"

#include "services/log/log.h"

namespace closewrite {

absl::StatusOr<std::unique_ptr<TokenBook>> TokenBook::Load(const std::string& file,
                                                           const Clock* clock) {
  auto book = std::unique_ptr<TokenBook>(new TokenBook(file, clock));
  absl::MutexLock lock(&book->mutex_);
  if (absl::Status s = book->Read(); !s.ok()) return s;
  book->look_at_ = clock->Now() + kTokensLookEvery;
  return book;
}

absl::Status TokenBook::Read() {
  absl::StatusOr<TokensFile> read = ReadTokensFile(file_);
  if (!read.ok()) {
    version_ = TokensFileVersion(file_);
    return read.status();
  }
  version_ = read->version;
  absl::StatusOr<TokenOwners> owners = ParseTokens(file_, read->text);
  if (!owners.ok()) return owners.status();
  owners_ = *std::move(owners);
  return absl::OkStatus();
}

void TokenBook::ReadIfChanged() {
  const absl::Time now = clock_->Now();
  if (now < look_at_) return;
  look_at_ = now + kTokensLookEvery;
  if (TokensFileVersion(file_) == version_) return;
  if (const absl::Status read = Read(); !read.ok()) {
    LogWarn("the tokens stay as they were; an empty file takes all of them away",
            {{"file", file_}, {"error", read.message()}});
    return;
  }
  LogInfo("tokens read", {{"file", file_}, {"tokens", owners_.size()}});
}

std::optional<Caller> TokenBook::Find(std::string_view token) {
  if (!IsToken(token)) return std::nullopt;
  const std::string hash = TokenHash(token);
  absl::MutexLock lock(&mutex_);
  ReadIfChanged();
  const auto found = owners_.find(hash);
  if (found == owners_.end()) return std::nullopt;
  return Caller{.role = found->second.role, .name = found->second.name};
}

}  // namespace closewrite
