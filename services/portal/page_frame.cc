#include "services/portal/page_frame.h"

#include <array>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "google/protobuf/util/json_util.h"
#include "services/log/str_cat.h"
#include "services/page/html_text.h"
#include "services/portal/assets.h"
#include "services/portal/coordinator_calls.h"
#include "services/text/time_text.h"
#include "services/version/version.h"

namespace closewrite::portal {
namespace {

struct Entry {
  const char* path;
  const char* text;
  v1::PortalRole role;
};
constexpr std::array kMenu = {
    Entry{"/", "Upload", v1::PORTAL_ROLE_UPLOADER},
    Entry{"/overview", "Overview", v1::PORTAL_ROLE_OPERATOR},
    Entry{"/jobs", "Jobs", v1::PORTAL_ROLE_OPERATOR},
    Entry{"/tasks", "Tasks", v1::PORTAL_ROLE_OPERATOR},
    Entry{"/locks", "Locks", v1::PORTAL_ROLE_OPERATOR},
    Entry{"/executors", "Executors", v1::PORTAL_ROLE_OPERATOR},
    Entry{"/watchers", "Watchers", v1::PORTAL_ROLE_OPERATOR},
};

std::string Menu(const Visitor& visitor, std::string_view here) {
  std::string html;
  for (const Entry& entry : kMenu) {
    if (visitor.role < entry.role) continue;
    StrAppend(&html, "<li><a href=\"", kBase, entry.path, "\"",
              here == entry.path ? " aria-current=\"page\"" : "", ">", entry.text, "</a></li>");
  }
  if (html.empty()) return "";
  return StrCat("<nav aria-label=\"Main\"><ul>", html, "</ul></nav>");
}

std::string Who(const Site& site, const Visitor& visitor) {
  if (visitor.name.empty()) {
    return site.has_users ? StrCat("<p class=\"who\">", Link("/sign-in", "Sign in"), "</p>") : "";
  }
  std::string html = StrCat("<div class=\"who\"><span>", HtmlText(visitor.name), "</span>");
  if (site.has_users) StrAppend(&html, ActionForm("/sign-out", "Sign out"));
  return StrCat(html, "</div>");
}

std::string Frame(const Site& site, const WebRequest& request, const Page& page) {
  std::string live;
  if (page.live) StrAppend(&live, " data-live-page");
  return StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"",
      kBase, "/assets/icon.svg\">\n<link rel=\"stylesheet\" href=\"", kBase,
      AssetPath("portal.css"), "\">\n<script src=\"", kBase, AssetPath("portal.js"),
      "\" defer></script>\n<title>", HtmlText(page.title), " – ", HtmlText(site.title),
      "</title>\n</head>\n<body data-base=\"", kBase, "\" data-csrf=\"@csrf@\"", live,
      ">\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n<header class=\"top\">",
      "<a class=\"brand\" href=\"", kBase, "/\">", HtmlText(site.title), "</a>",
      Menu(request.visitor, page.here), Who(site, request.visitor),
      "</header>\n<main id=\"main\" tabindex=\"-1\">\n", page.html, "</main>\n<footer>closewrite ",
      kVersion, "<span id=\"live-state\" role=\"status\"></span>", "</footer>\n</body>\n</html>\n");
}

}  // namespace

Page ErrorPage(int status, std::string_view title, std::string_view sentence) {
  Page page{.status = status, .title = std::string(title)};
  page.html = StrCat("<h1>", HtmlText(title), "</h1>\n", Note("bad", HtmlText(sentence)), "<p>",
                     Link("/", "Back to the beginning"), "</p>\n");
  page.json = {{"error", sentence}};
  return page;
}

Page ErrorPage(const absl::Status& status) {
  const int http = HttpStatusOf(status);
  return ErrorPage(http,
                   http == 404   ? "There is nothing here"
                   : http == 503 ? "Not just now"
                   : http == 501 ? "Not here yet"
                                 : "That did not work",
                   Sentence(status));
}

Page Redirect(std::string path) {
  Page page{.status = 303, .title = "Elsewhere"};
  page.location = std::move(path);
  page.json = {{"location", page.location}};
  return page;
}

bool WantsJson(const WebRequest& request) {
  const std::string format = request.Query("format");
  if (!format.empty()) return format == "json";
  const std::string accept = request.header("Accept");
  return absl::StrContains(accept, "application/json") && !absl::StrContains(accept, "text/html");
}

void AddSecurityHeaders(const Site& site, WebResponse* response) {
  for (const auto& [name, value] : {
           std::pair{"Content-Security-Policy",
                     "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
                     "connect-src 'self'; form-action 'self'; base-uri 'none'; "
                     "frame-ancestors 'none'"},
           // Addresses of uploads open them, so they are told to nobody.
           std::pair{"Referrer-Policy", "no-referrer"},
           std::pair{"X-Content-Type-Options", "nosniff"},
           std::pair{"X-Frame-Options", "DENY"},
           std::pair{"Cross-Origin-Resource-Policy", "same-origin"},
           std::pair{"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
       }) {
    response->headers.emplace_back(name, value);
  }
  // Browsers complain of these where there is no TLS.
  if (absl::StartsWith(site.public_url, "https:")) {
    response->headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
    response->headers.emplace_back("Strict-Transport-Security", "max-age=31536000");
  }
}

WebResponse Answer(const Site& site, const WebRequest& request, const std::string& form_token,
                   const Page& page) {
  WebResponse response;
  response.status = page.status;
  response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("Vary", "Accept, Cookie");
  if (!page.cookie.empty()) response.headers.emplace_back("Set-Cookie", page.cookie);
  const bool as_json = WantsJson(request);
  if (!page.location.empty()) {
    response.headers.emplace_back("Location", StrCat(site.base, page.location));
    if (as_json) response.status = 200;
  }
  if (as_json) {
    nlohmann::json json = page.json;
    if (json.is_object()) json["csrf"] = form_token;
    response.type = "application/json";
    response.body = json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    return response;
  }
  response.body =
      absl::StrReplaceAll(Frame(site, request, page), {{kBase, site.base}, {"@csrf@", form_token}});
  return response;
}

nlohmann::json ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return {};
  return nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
}

std::string Link(std::string_view path, std::string_view text) {
  return StrCat("<a href=\"", kBase, HtmlText(path), "\">", HtmlText(text), "</a>");
}

std::string ActionForm(std::string_view path, std::string_view text, std::string_view confirm,
                       std::string_view css) {
  return StrCat("<form class=\"action\" method=\"post\" action=\"", kBase, HtmlText(path), "\"",
                confirm.empty() ? "" : StrCat(" data-confirm=\"", HtmlText(confirm), "\""), ">",
                kFormToken, "<button class=\"", css, "\">", HtmlText(text), "</button></form>");
}

std::string TimeHtml(absl::Time time) {
  return StrCat("<time datetime=\"", Rfc3339(time), "\">",
                absl::FormatTime("%d %b %H:%M:%S UTC", time, absl::UTCTimeZone()), "</time>");
}

std::string TimeHtml(bool has, const google::protobuf::Timestamp& time) {
  return has ? TimeHtml(ToTime(time)) : "–";
}

std::string UrlPart(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      encoded += c;
    } else {
      absl::StrAppendFormat(&encoded, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::string Note(std::string_view css, std::string_view html) {
  return StrCat("<p class=\"note ", css, "\" role=\"", css == "bad" ? "alert" : "note", "\">", html,
                "</p>\n");
}

}  // namespace closewrite::portal
