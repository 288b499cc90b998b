#include "services/cli/error_text.h"

#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "google/rpc/error_details.pb.h"
#include "services/cli/table.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// Lines of hints; more would push the message off the screen.
constexpr size_t kHintsMax = 20;

void AddFieldHints(const absl::Cord& payload, std::vector<std::string>* hints) {
  google::rpc::BadRequest request;
  if (!request.ParseFromString(std::string(payload))) return;
  for (const auto& violation : request.field_violations()) {
    hints->push_back(StrCat(violation.field(), ": ", violation.description()));
  }
}

void AddNearestHint(const absl::Cord& payload, std::vector<std::string>* hints) {
  google::rpc::ErrorInfo info;
  if (!info.ParseFromString(std::string(payload))) return;
  const auto nearest = info.metadata().find("nearest");
  if (nearest == info.metadata().end() || nearest->second.empty()) return;
  hints->push_back(StrCat("did you mean ", nearest->second, "?"));
}

// The part of a hint that would be new to the reader of `message`.
bool Told(absl::string_view message, const std::string& hint) {
  const size_t colon = hint.find(": ");
  const std::string core = colon == std::string::npos ? hint : hint.substr(colon + 2);
  const size_t quoted = core.find("did you mean ");
  if (quoted == 0) {
    return absl::StrContains(message, core.substr(13, core.size() - 14));  // the name alone
  }
  return absl::StrContains(message, core);
}

}  // namespace

std::string ErrorText(const absl::Status& status) {
  if (absl::IsCancelled(status)) return "";
  std::vector<std::string> hints;
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    if (absl::EndsWith(type, "google.rpc.BadRequest")) AddFieldHints(payload, &hints);
    if (absl::EndsWith(type, "google.rpc.ErrorInfo")) AddNearestHint(payload, &hints);
  });
  std::string text = StrCat("closewrite: ",
                            status.message().empty() ? absl::StatusCodeToString(status.code())
                                                     : Printable(ToStd(status.message())),
                            "\n");
  size_t shown = 0;
  for (const std::string& hint : hints) {
    if (Told(status.message(), hint) || ++shown > kHintsMax) continue;
    StrAppend(&text, "  ", Printable(hint), "\n");
  }
  return text;
}

}  // namespace closewrite::cli
