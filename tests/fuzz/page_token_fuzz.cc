// Tokens of pages: they open the list that they were made for, and nothing else does.
#include <fuzzer/FuzzedDataProvider.h>

#include <string>
#include <string_view>

#include "services/coordinator/api/page_token.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"
#include "tests/fuzz/require.h"

namespace closewrite {
namespace {

void CheckRefused(const absl::Status& status) {
  Require(absl::IsInvalidArgument(status), "a wrong token is an invalid argument");
  Require(IsUtf8(ToStd(status.message())), "an error is text");
}

void CheckMade(const std::string& scope, const std::string& other, const std::string& cursor,
               int32_t rows) {
  const std::string token = NextPageToken(scope, cursor);
  Require(IsUtf8(token), "a token is text");
  const auto page = OpenPage(scope, rows, token);
  if (rows < 0 || cursor.empty() || token.size() > kPageTokenBytesMax) {
    Require(!page.ok(), "what ended nowhere is no page");
    return CheckRefused(page.status());
  }
  Require(page.ok() && page->cursor == cursor, "a token brings its cursor back");
  Require(page->rows >= 1 && page->rows <= kPageRowsMax, "a page is bounded");
  if (scope != other) CheckRefused(OpenPage(other, rows, token).status());
  const auto id = IdCursor(*page);
  if (!id.ok()) return CheckRefused(id.status());
  Require(*id > 0, "a row has a number");
}

}  // namespace
}  // namespace closewrite

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace cw = closewrite;
  FuzzedDataProvider input(data, size);
  const std::string scope = input.ConsumeRandomLengthString(40);
  const std::string other = input.ConsumeRandomLengthString(40);
  const std::string cursor = input.ConsumeRandomLengthString(60);
  cw::CheckMade(scope, other, cursor, input.ConsumeIntegral<int32_t>());
  const std::string token = input.ConsumeRemainingBytesAsString();
  const auto page = cw::OpenPage(scope, 0, token);
  if (!page.ok()) {
    cw::CheckRefused(page.status());
  } else if (!token.empty()) {
    // Base64 has several ways to end a text, all of which mean the same.
    const auto again = cw::OpenPage(scope, 0, cw::NextPageToken(scope, page->cursor));
    cw::Require(again.ok() && again->cursor == page->cursor, "a token can be made again");
  }
  return 0;
}
