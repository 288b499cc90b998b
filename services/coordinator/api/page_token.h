// Pages of lists: opaque tokens that fit only the list that they were made for.
#ifndef SERVICES_COORDINATOR_API_PAGE_TOKEN_H_
#define SERVICES_COORDINATOR_API_PAGE_TOKEN_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"

namespace closewrite {

inline constexpr int64_t kPageRowsDefault = 100;
inline constexpr int64_t kPageRowsMax = 1000;
// A page is cut when it has grown past this, as gRPC clients refuse messages over 4 MiB unless they
// are told otherwise (GRPC_DEFAULT_MAX_RECV_MESSAGE_LENGTH, grpc_types.h).
inline constexpr size_t kPageBytesMax = 3 << 20;
inline constexpr size_t kPageTokenBytesMax = 8 << 10;

// What a token is bound to: the call, and everything that decides what it lists. `filter` is a
// message without page size and token.
std::string PageScope(std::string_view method, const google::protobuf::Message& filter);

struct PageRequest {
  int64_t rows = 0;
  std::string cursor;  // where the page before ended; "" for the first page
};

// INVALID_ARGUMENT: a negative size, or a token that was not made for this scope.
absl::StatusOr<PageRequest> OpenPage(std::string_view scope, int32_t page_size,
                                     std::string_view page_token);
std::string NextPageToken(std::string_view scope, std::string_view cursor);

// Counts what a page holds so far.
class PageFill {
 public:
  explicit PageFill(const PageRequest& page) : rows_left_(page.rows) {}
  void Add(const google::protobuf::Message& row) {
    --rows_left_;
    bytes_ += row.ByteSizeLong();
  }
  // True when what comes next belongs to the next page. Never before the first row.
  bool full() const { return rows_left_ <= 0 || bytes_ >= kPageBytesMax; }

 private:
  int64_t rows_left_;
  size_t bytes_ = 0;
};

// For lists by descending id: the id that the page before ended with, 0 for the first page.
absl::StatusOr<int64_t> IdCursor(const PageRequest& page);

// For lists by descending time, those of one time by descending id: the place that the page before
// ended with; as it is made, before all, for the first page.
struct TimeCursor {
  absl::Time at = absl::InfiniteFuture();
  int64_t id = 0;
};
absl::StatusOr<TimeCursor> ReadTimeCursor(const PageRequest& page);
std::string WriteTimeCursor(const TimeCursor& cursor);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_PAGE_TOKEN_H_
