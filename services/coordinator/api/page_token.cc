#include "services/coordinator/api/page_token.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "services/coordinator/api/violations.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr size_t kFingerprintBytes = 8;
// Stands between the parts of a cursor.
constexpr char kBetween = '/';

// FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv). The same in every process, so that a
// token outlives a restart; it guards against mistakes, not against attacks: a cursor says no more
// than what the caller could ask for anyway.
std::string Fingerprint(std::string_view scope) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : scope) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  std::string bytes(kFingerprintBytes, '\0');
  for (char& c : bytes) {
    c = static_cast<char>(hash & 0xff);
    hash >>= 8;
  }
  return bytes;
}

absl::Status WrongToken() {
  return WrongField("page_token",
                    "did not come from this call with this filter; start again without a token");
}

}  // namespace

std::string PageScope(std::string_view method, const google::protobuf::Message& filter) {
  return StrCat(method, std::string_view("\0", 1), filter.SerializeAsString());
}

absl::StatusOr<PageRequest> OpenPage(std::string_view scope, int32_t page_size,
                                     std::string_view page_token) {
  if (page_size < 0) return WrongField("page_size", "is negative; give 1 to 1000, or 0 for 100");
  PageRequest page;
  page.rows = page_size == 0 ? kPageRowsDefault : std::min<int64_t>(page_size, kPageRowsMax);
  if (page_token.empty()) return page;
  std::string bytes;
  if (page_token.size() > kPageTokenBytesMax ||
      !absl::WebSafeBase64Unescape(ToAbsl(page_token), &bytes) ||
      bytes.size() <= kFingerprintBytes ||
      bytes.substr(0, kFingerprintBytes) != Fingerprint(scope)) {
    return WrongToken();
  }
  page.cursor = bytes.substr(kFingerprintBytes);
  return page;
}

std::string NextPageToken(std::string_view scope, std::string_view cursor) {
  return absl::WebSafeBase64Escape(StrCat(Fingerprint(scope), cursor));
}

absl::StatusOr<int64_t> IdCursor(const PageRequest& page) {
  if (page.cursor.empty()) return 0;
  int64_t id = 0;
  if (!absl::SimpleAtoi(page.cursor, &id) || id <= 0) return WrongToken();
  return id;
}

absl::StatusOr<TimeCursor> ReadTimeCursor(const PageRequest& page) {
  if (page.cursor.empty()) return TimeCursor();
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(page.cursor, absl::MaxSplits(kBetween, 1));
  int64_t nanos = 0;
  int64_t id = 0;
  if (!absl::SimpleAtoi(parts.first, &nanos) || !absl::SimpleAtoi(parts.second, &id) || id <= 0) {
    return WrongToken();
  }
  return TimeCursor{absl::FromUnixNanos(nanos), id};
}

std::string WriteTimeCursor(const TimeCursor& cursor) {
  return StrCat(absl::ToUnixNanos(cursor.at), std::string_view(&kBetween, 1), cursor.id);
}

}  // namespace closewrite
