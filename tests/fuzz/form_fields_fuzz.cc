// Small forms that browsers send: read as they were filled in, or refused.
#include <fuzzer/FuzzedDataProvider.h>

#include <map>
#include <string>
#include <string_view>

#include "services/config/url.h"
#include "services/log/str_cat.h"
#include "services/portal/form_fields.h"
#include "services/volume/path.h"
#include "tests/fuzz/require.h"

namespace closewrite::portal {
namespace {

using Fields = std::map<std::string, std::string>;

std::string Encode(const Fields& fields) {
  std::string body;
  for (const auto& [name, value] : fields) {
    StrAppend(&body, body.empty() ? "" : "&", UrlEscaped(name), "=", UrlEscaped(value));
  }
  return body;
}

void CheckRead(std::string_view body) {
  const auto fields = ParseFields(body);
  if (!fields.ok()) {
    Require(absl::IsInvalidArgument(fields.status()), "a wrong form is an invalid argument");
    return;
  }
  Require(fields->size() <= kFieldsMax, "a form is bounded");
  size_t bytes = 0;
  for (const auto& [name, value] : *fields) bytes += name.size() + value.size();
  Require(bytes <= body.size(), "nothing grows when it is read");
  const auto again = ParseFields(Encode(*fields));
  Require(again.ok() && *again == *fields, "what was read can be written");
}

// It comes in pieces, and the reader takes no more than it said.
void CheckLimited(std::string_view body, size_t bytes_max, size_t piece_max) {
  WebRequest request;
  bool wanted = true;
  request.read_body = [&](const TakeBytes& take) {
    for (size_t at = 0; at < body.size(); at += piece_max) {
      Require(wanted, "who has enough is given no more");
      const std::string_view piece = body.substr(at, piece_max);
      wanted = take(piece.data(), piece.size());
      if (!wanted) return false;
    }
    return true;
  };
  const auto fields = ReadFields(request, bytes_max);
  Require(!fields.ok() || body.size() <= bytes_max, "a form that is too long is refused");
  if (body.size() > bytes_max) return;
  const auto whole = ParseFields(body);
  Require(whole.ok() == fields.ok() && (!whole.ok() || *whole == *fields),
          "pieces make no difference");
}

}  // namespace
}  // namespace closewrite::portal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace portal = closewrite::portal;
  portal::CheckRead(std::string_view(reinterpret_cast<const char*>(data), size));
  FuzzedDataProvider input(data, size);
  const size_t bytes_max = input.ConsumeIntegralInRange<size_t>(0, 1000);
  const size_t piece_max = input.ConsumeIntegralInRange<size_t>(1, 100);
  const std::string body = input.ConsumeRemainingBytesAsString();
  portal::CheckLimited(body, bytes_max, piece_max);
  return 0;
}
