#include "services/coordinator/core/news.h"

#include "absl/strings/str_split.h"

namespace closewrite {
namespace {

constexpr char kWork[] = "work";
constexpr char kPublish[] = "publish";
constexpr char kJobs[] = "jobs";
constexpr char kRevoked = '!';

}  // namespace

void News::Add(const News& other) {
  work |= other.work;
  publish |= other.publish;
  jobs |= other.jobs;
  revoked.insert(other.revoked.begin(), other.revoked.end());
}

std::string EncodeNews(const News& news, size_t bytes_max) {
  std::string text;
  const auto add = [&](const std::string& word) {
    if (text.size() + word.size() + 1 > bytes_max) return;
    if (!text.empty()) text += ' ';
    text += word;
  };
  if (news.work) add(kWork);
  if (news.publish) add(kPublish);
  if (news.jobs) add(kJobs);
  for (const SessionId& session : news.revoked) add(kRevoked + session);
  return text;
}

News DecodeNews(std::string_view text) {
  News news;
  for (const absl::string_view word :
       absl::StrSplit(absl::string_view(text.data(), text.size()), ' ')) {
    if (word == kWork) {
      news.work = true;
    } else if (word == kPublish) {
      news.publish = true;
    } else if (word == kJobs) {
      news.jobs = true;
    } else if (!word.empty() && word.front() == kRevoked) {
      news.revoked.emplace(word.substr(1));
    } else {
      return News::Anything();
    }
  }
  return news;
}

}  // namespace closewrite
