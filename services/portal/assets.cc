#include "services/portal/assets.h"

#include <array>
#include <functional>
#include <utility>

#include "absl/strings/str_format.h"
#include "services/log/str_cat.h"
#include "services/page/report_style.h"

// Made by the linker of the files in assets/.
extern "C" {
extern const char _binary_portal_css_start[];
extern const char _binary_portal_css_end[];
extern const char _binary_portal_js_start[];
extern const char _binary_portal_js_end[];
extern const char _binary_icon_svg_start[];
extern const char _binary_icon_svg_end[];
}

namespace closewrite::portal {
namespace {

std::string_view Between(const char* start, const char* end) {
  return {start, static_cast<size_t>(end - start)};
}

// The report's style, of which charts and tables are part, and what the portal adds.
const std::string& Style() {
  static const auto* const style = new std::string(
      StrCat(ReportStyle(), Between(_binary_portal_css_start, _binary_portal_css_end)));
  return *style;
}

}  // namespace

const Asset* FindAsset(std::string_view name) {
  static const auto* const assets = new std::array<std::pair<std::string_view, Asset>, 3>{
      {{"portal.css", {"text/css; charset=utf-8", Style()}},
       {"portal.js",
        {"text/javascript; charset=utf-8",
         Between(_binary_portal_js_start, _binary_portal_js_end)}},
       {"icon.svg", {"image/svg+xml", Between(_binary_icon_svg_start, _binary_icon_svg_end)}}}};
  for (const auto& [each, asset] : *assets) {
    if (each == name) return &asset;
  }
  return nullptr;
}

std::string AssetPath(std::string_view name) {
  const Asset* const asset = FindAsset(name);
  const size_t version = asset == nullptr ? 0 : std::hash<std::string_view>()(asset->body);
  return StrCat("/assets/", name, "?v=", absl::StrFormat("%x", version));
}

}  // namespace closewrite::portal
