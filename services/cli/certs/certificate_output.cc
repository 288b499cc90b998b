#include "services/cli/certs/certificate_output.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

constexpr size_t kLabelColumn = 13;

bool IsValid(const Certificate& certificate, absl::Time now) {
  return now >= certificate.not_before() && now < certificate.not_after();
}

void PrintAsJson(Invocation& invocation, const std::string& file, const Certificate& certificate,
                 std::string_view problem) {
  const auto identity = certificate.identity();
  const bool has_role = identity.ok();
  invocation.PrintJson({{"file", file},
                        {"role", has_role ? Json(RoleName(identity->role)) : Json()},
                        {"name", has_role ? Json(identity->name) : Json()},
                        {"grants", has_role ? Json(identity->grants) : Json(Json::array())},
                        {"dns", certificate.dns_names()},
                        {"ip", certificate.ip_addresses()},
                        {"authority", certificate.is_authority()},
                        {"subject", certificate.subject()},
                        {"issuer", certificate.issuer()},
                        {"not_before", Rfc3339(certificate.not_before())},
                        {"not_after", Rfc3339(certificate.not_after())},
                        {"valid", IsValid(certificate, invocation.now())},
                        {"serial", certificate.serial()},
                        {"fingerprint", certificate.fingerprint()},
                        {"problem", problem.empty() ? Json() : Json(problem)}});
}

Color ValidityColor(const Certificate& certificate, absl::Time now) {
  constexpr absl::Duration kSoon = absl::Hours(30 * 24);
  if (!IsValid(certificate, now)) return Color::kRed;
  return certificate.not_after() - now < kSoon ? Color::kYellow : Color::kNone;
}

}  // namespace

std::string OwnerText(const Certificate& certificate) {
  const auto identity = certificate.identity();
  if (identity.ok()) return StrCat(RoleName(identity->role), " ", identity->name);
  return StrCat(certificate.is_authority() ? "authority " : "", Display(certificate.subject()));
}

std::string ValidityText(const Certificate& certificate, absl::Time now) {
  if (now < certificate.not_before()) return "not valid yet";
  if (now < certificate.not_after()) {
    return StrCat("expires in ", AgeText(certificate.not_after() - now));
  }
  return StrCat("EXPIRED ", AgeText(now - certificate.not_after()), " ago");
}

void PrintCertificate(Invocation& invocation, const std::string& file,
                      const Certificate& certificate, std::string_view problem) {
  if (invocation.json()) return PrintAsJson(invocation, file, certificate, problem);
  const absl::Time now = invocation.now();
  const auto line = [&](std::string_view label, std::string_view value, Color color) {
    if (value.empty()) return;
    const std::string text = Display(value);
    invocation.out() << "  " << label << std::string(kLabelColumn - label.size(), ' ')
                     << (invocation.style().color ? Paint(text, color) : text) << "\n";
  };
  invocation.out() << OwnerText(certificate) << "\n";
  line("file", file, Color::kNone);
  const auto identity = certificate.identity();
  if (identity.ok() && !identity->grants.empty()) {
    line(StrCat(GrantWord(identity->role), "s"), absl::StrJoin(identity->grants, ", "),
         Color::kNone);
  }
  line("dns", absl::StrJoin(certificate.dns_names(), ", "), Color::kNone);
  line("ip", absl::StrJoin(certificate.ip_addresses(), ", "), Color::kNone);
  line("valid until",
       StrCat(Rfc3339(certificate.not_after()), ", ", ValidityText(certificate, now)),
       ValidityColor(certificate, now));
  line("issuer", certificate.issuer(), Color::kNone);
  line("fingerprint", certificate.fingerprint(), Color::kNone);
  line("wrong", problem, Color::kRed);
}

}  // namespace closewrite::cli
