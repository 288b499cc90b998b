#include "tests/hostile/findings.h"

#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::hostile {
namespace {

// A message may repeat what it refuses.
constexpr size_t kMessageBytesMax = 300;

}  // namespace

bool IsRefusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
      return true;
    default:
      return false;
  }
}

void Findings::Add(std::string_view what, const absl::Status& answer, bool good) {
  good_ = good_ && good;
  if (good && tries_.size() >= kTriesToldMax) return;
  const std::string message = Display(ToStd(answer.message()));
  tries_.push_back({{"try", Display(what)},
                    {"code", absl::StatusCodeToString(answer.code())},
                    {"message", std::string(Beginning(message, kMessageBytesMax))},
                    {"good", good}});
}

void Findings::Count(std::string_view what, const std::map<absl::StatusCode, int64_t>& answers,
                     bool good) {
  good_ = good_ && good;
  nlohmann::json codes = nlohmann::json::object();
  for (const auto& [code, count] : answers) codes[absl::StatusCodeToString(code)] = count;
  counts_.push_back({{"try", std::string(what)}, {"codes", codes}, {"good", good}});
}

void Findings::Number(std::string_view what, int64_t number) {
  numbers_[std::string(what)] = number;
}

std::string Findings::Line(std::string_view misdeed) const {
  const nlohmann::json line = {{"misdeed", std::string(misdeed)},
                               {"good", good()},
                               {"tries", tries_},
                               {"counts", counts_},
                               {"numbers", numbers_}};
  return line.dump();
}

}  // namespace closewrite::hostile
