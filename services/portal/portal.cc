#include "services/portal/portal.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/clock/clock.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/page/html_text.h"
#include "services/portal/assets.h"
#include "services/portal/form_fields.h"
#include "services/transport/tls_expiry.h"
#include "services/volume/path.h"

namespace closewrite::portal {
namespace {

constexpr int kForbidden = 403;
constexpr int kNotFound = 404;
constexpr int kBusy = 503;
constexpr int kMisdirected = 421;
constexpr int kUnauthorized = 401;
constexpr size_t kBrowserBytes = 16;

WebResponse PlainText(int status, std::string_view text) {
  WebResponse response{.status = status, .type = "text/plain; charset=utf-8"};
  response.body = std::string(text);
  return response;
}

WebResponse AssetResponse(const std::string& name) {
  const Asset* const asset = FindAsset(name);
  if (asset == nullptr) return PlainText(kNotFound, "There is no such file.\n");
  WebResponse response{.type = std::string(asset->type)};
  response.body = std::string(asset->body);
  response.headers.emplace_back("Cache-Control", "public, max-age=31536000, immutable");
  return response;
}

// The form is of a page of ours: browsers say where a request comes from.
bool IsFromHere(const WebRequest& request) {
  const std::string site = request.header("Sec-Fetch-Site");
  return site.empty() || site == "same-origin" || site == "none";
}

std::string Cookie(const Site& site, std::string_view name, std::string_view value,
                   std::string_view more) {
  const bool is_https = absl::StartsWith(site.public_url, "https:");
  return StrCat(name, "=", value, "; Path=", site.base, "/; HttpOnly; SameSite=Lax",
                is_https ? "; Secure" : "", more);
}

Page SignInPage(const std::string& message, const std::string& next) {
  Page page{.title = "Sign in", .here = "/sign-in"};
  page.html = StrCat(
      "<h1>Sign in</h1>\n", message.empty() ? "" : Note("bad", HtmlText(message)),
      "<form class=\"card narrow-form\" method=\"post\" action=\"", kBase, "/sign-in\">",
      kFormToken, "<input type=\"hidden\" name=\"next\" value=\"", HtmlText(next),
      "\"><p><label for=\"name\">Name</label><input id=\"name\" name=\"name\" "
      "autocomplete=\"username\" required></p><p><label for=\"password\">Password</label><input "
      "id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" "
      "required></p><p class=\"buttons\"><button class=\"main\">Sign in</button></p></form>\n");
  page.json = {{"error", message.empty() ? "nobody is signed in: sign in at /sign-in" : message}};
  return page;
}

// A page of ours, and nothing that a browser would take for another host.
std::string NextPath(const std::string& next) {
  const bool is_ours = absl::StartsWith(next, "/") && !absl::StartsWith(next, "//") &&
                       !absl::StrContains(next, "\\") && CheckRelativePath(next.substr(1)).ok();
  return is_ours ? next : "/";
}

}  // namespace

absl::Status Portal::Configure(const v1::PortalConfig& config) {
  if (config.listen().empty()) {
    return absl::InvalidArgumentError("listen: is missing; say `listen: 127.0.0.1:7403`");
  }
  if (config.coordinator().empty()) {
    return absl::InvalidArgumentError("coordinator: is missing; say `coordinator: HOST:7400`");
  }
  site_.title = config.title().empty() ? "Closewrite" : config.title();
  if (site_.title.size() > kTitleBytesMax) {
    return absl::InvalidArgumentError(StrCat("title: has more than ", kTitleBytesMax, " bytes"));
  }
  site_.public_url = std::string(absl::StripSuffix(config.public_url(), "/"));
  if (!site_.public_url.empty()) {
    const size_t scheme = site_.public_url.find("://");
    const bool is_http = absl::StartsWith(site_.public_url, "http://") ||
                         absl::StartsWith(site_.public_url, "https://");
    if (!is_http || site_.public_url.find_first_of("?# \"<>") != std::string::npos) {
      return absl::InvalidArgumentError(
          "public_url: is no address; say one such as https://portal.example.org");
    }
    const size_t path = site_.public_url.find('/', scheme + 3);
    if (path != std::string::npos) site_.base = site_.public_url.substr(path);
  }
  std::map<std::string, std::string> volumes;
  for (const auto& [name, mount] : config.volumes()) {
    if (absl::Status s = CheckName("volume", name); !s.ok()) return s;
    if (!absl::StartsWith(mount.path(), "/")) {
      return absl::InvalidArgumentError(
          StrCat("volumes.", name, ".path: must be absolute, such as /mnt/", name));
    }
    volumes[name] = mount.path();
  }
  absl::StatusOr<std::unique_ptr<Access>> access = Access::Make(config);
  if (!access.ok()) return access.status();
  access_ = *std::move(access);
  site_.has_users = access_->has_users();
  absl::StatusOr<std::unique_ptr<Tls>> tls = Tls::OfConfig(config, Role::kPortal);
  if (!tls.ok()) return tls.status();
  tls_ = *std::move(tls);
  calls_ =
      std::make_unique<CoordinatorCalls>(config.coordinator(), ChannelCredentialsOf(tls_.get()));
  uploads_ =
      std::make_unique<UploadHandler>(calls_.get(), access_.get(), &site_, std::move(volumes));
  operators_ = std::make_unique<OperatorHandler>(calls_.get());
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Portal>> Portal::Start(const v1::PortalConfig& config) {
  auto portal = std::unique_ptr<Portal>(new Portal);
  if (absl::Status s = portal->Configure(config); !s.ok()) return s;
  if (portal->site_.public_url.empty()) {
    portal->site_.public_url = StrCat("http://", config.listen());
  }
  absl::StatusOr<std::unique_ptr<HttpServer>> server = HttpServer::Start(
      {.listen = config.listen(),
       .handle = [portal = portal.get()](WebRequest& request, WebResponse* response) {
         portal->Handle(request, response);
       }});
  if (!server.ok()) return server.status();
  portal->server_ = *std::move(server);
  if (absl::Status s = portal->ServeMetrics(config.metrics()); !s.ok()) return s;
  LogInfo("serving", {{"listen", config.listen()}, {"port", portal->port()}});
  return portal;
}

absl::Status Portal::ServeMetrics(const std::string& listen) {
  if (listen.empty()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<MetricsServer>> metrics =
      MetricsServer::Start(listen, "portal", [this] {
        const HttpServer::Numbers numbers = server_->numbers();
        const auto metric = [](const char* name, const char* help, MetricType type, int64_t value) {
          return Metric{
              .name = name, .help = help, .type = type, .value = static_cast<double>(value)};
        };
        std::vector<Metric> metrics{
            metric("closewrite_portal_requests_total", "Requests over HTTP.", MetricType::kCounter,
                   numbers.requests),
            metric("closewrite_portal_errors_total", "Answers of 500 and more.",
                   MetricType::kCounter, numbers.errors),
            metric("closewrite_portal_refused_connections_total", "Connections beyond the limit.",
                   MetricType::kCounter, numbers.refused),
            metric("closewrite_portal_connections", "Connections that are open.",
                   MetricType::kGauge, numbers.connections),
            metric("closewrite_portal_live_pages", "Pages that are kept up to date.",
                   MetricType::kGauge, live_)};
        AddCertificateMetric("closewrite_portal_", tls_.get(), &metrics);
        return metrics;
      });
  if (!metrics.ok()) return metrics.status();
  metrics_ = *std::move(metrics);
  return absl::OkStatus();
}

void Portal::Shutdown() {
  if (!stopping_.HasBeenNotified()) stopping_.Notify();
  if (metrics_ != nullptr) metrics_->Shutdown();
  if (server_ != nullptr) server_->Shutdown();
}

void Portal::Handle(WebRequest& request, WebResponse* response) {
  if (!IsOwnHost(request.header("Host"), site_.public_url)) {
    *response = PlainText(kMisdirected,
                          "The portal is not known by this name: whoever runs it may say so in "
                          "`public_url`.\n");
    return AddSecurityHeaders(site_, response);
  }
  if (!site_.base.empty() && absl::StartsWith(request.path, site_.base)) {
    request.path = request.path.substr(site_.base.size());
    if (request.path.empty()) request.path = "/";
  }
  std::string browser = request.cookie(kBrowserCookie);
  const bool is_new = browser.size() != 2 * kBrowserBytes;
  if (is_new) browser = RandomHex(kBrowserBytes);
  request.visitor = access_->WhoIs(request);
  *response = Route(request, access_->FormToken(browser));
  if (is_new && !absl::StartsWith(request.path, "/assets/")) {
    response->headers.emplace_back("Set-Cookie", Cookie(site_, kBrowserCookie, browser, ""));
  }
  AddSecurityHeaders(site_, response);
}

WebResponse Portal::Route(WebRequest& request, const std::string& token) {
  const std::string& path = request.path;
  if (request.is_read() && path == "/healthz") return PlainText(200, "ok\n");
  if (request.is_read() && absl::StartsWith(path, "/assets/")) {
    return AssetResponse(path.substr(path.rfind('/') + 1));
  }
  if (absl::StartsWith(path, "/uploads/") && (request.is_read() || request.method == "PATCH")) {
    return ReadUpload(request, token);
  }
  if (request.is_read() && path == "/live") return Live(request, token);
  return Answer(site_, request, token, request.is_read() ? Read(request, path) : Write(request));
}

Page Portal::Read(const WebRequest& request, const std::string& path) {
  if (path == "/sign-in" && site_.has_users) return SignInPage("", request.Query("next"));
  // Whoever knows its address may see an upload.
  if (absl::StartsWith(path, "/uploads/")) {
    return uploads_->Status(path.substr(sizeof("/uploads/") - 1));
  }
  const bool is_upload = path == "/" || absl::StartsWith(path, "/pages/");
  const v1::PortalRole needed = is_upload ? v1::PORTAL_ROLE_UPLOADER : v1::PORTAL_ROLE_OPERATOR;
  if (request.visitor.role < needed) {
    if (site_.has_users && request.visitor.name.empty()) {
      Page page = SignInPage("", path);
      page.status = kUnauthorized;
      return page;
    }
    return ErrorPage(kForbidden, "This is not for you",
                     request.visitor.name.empty()
                         ? "You have not signed in, and strangers may not see this page."
                         : "Your role does not include this page; ask whoever runs the portal.");
  }
  if (path == "/") return uploads_->List();
  if (is_upload) return uploads_->Show(path.substr(sizeof("/pages/") - 1), request.visitor);
  return operators_->Show(request, path);
}

Page Portal::Write(WebRequest& request) {
  if (request.method != "POST" || !IsFromHere(request)) {
    return ErrorPage(kForbidden, "That was not taken", "It does not come from a page of ours.");
  }
  const std::string& path = request.path;
  if (absl::StartsWith(path, "/pages/")) {
    if (request.visitor.role < v1::PORTAL_ROLE_UPLOADER) return Read(request, path);
    return uploads_->TakeForm(request, path.substr(sizeof("/pages/") - 1));
  }
  const absl::StatusOr<std::map<std::string, std::string>> fields =
      ReadFields(request, kSmallFormBytesMax);
  if (!fields.ok()) return ErrorPage(fields.status());
  const auto sent = fields->find("csrf");
  const std::string token = sent == fields->end() ? request.header("X-Form-Token") : sent->second;
  if (!access_->IsFormToken(request.cookie(kBrowserCookie), token)) {
    return ErrorPage(kForbidden, "That was not taken",
                     "The form is too old: go back, reload the page, and try again.");
  }
  if (path == "/sign-in" && site_.has_users) return SignIn(request, *fields);
  if (path == "/sign-out") {
    Page page = Redirect("/");
    page.cookie = Cookie(site_, kSessionCookie, "", "; Max-Age=0");
    return page;
  }
  UploadAddress address;
  if (absl::StartsWith(path, "/uploads/") && absl::EndsWith(path, "/drop") &&
      ParseUploadAddress(ToStd(absl::StripSuffix(absl::StripPrefix(path, "/uploads/"), "/drop")),
                         &address)) {
    return uploads_->Drop(address);
  }
  if (path == "/uploads" && request.visitor.role >= v1::PORTAL_ROLE_UPLOADER) {
    return uploads_->Begin(request, *fields);
  }
  if (request.visitor.role < v1::PORTAL_ROLE_OPERATOR) {
    return ErrorPage(kForbidden, "This is not for you", "Your role does not include this.");
  }
  return operators_->Act(request, path);
}

Page Portal::SignIn(WebRequest& request, const std::map<std::string, std::string>& fields) {
  const auto field = [&](const char* name) {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string() : found->second;
  };
  const absl::StatusOr<std::string> session =
      access_->SignIn(field("name"), field("password"), request.address);
  if (!session.ok()) {
    Page page = SignInPage(std::string(session.status().message()), field("next"));
    page.status = kForbidden;
    return page;
  }
  Page page = Redirect(NextPath(field("next")));
  page.cookie = Cookie(site_, kSessionCookie, *session,
                       StrCat("; Max-Age=", absl::ToInt64Seconds(kSignedInMax)));
  return page;
}

WebResponse Portal::ReadUpload(WebRequest& request, const std::string& token) {
  const std::vector<std::string> parts = absl::StrSplit(request.path, '/', absl::SkipEmpty());
  UploadAddress address;
  if (parts.size() < 2 || !ParseUploadAddress(parts[1], &address)) {
    return Answer(site_, request, token, uploads_->Status(""));
  }
  int64_t job = 0;
  int index = 0;
  if (parts.size() == 5 && parts[2] == "results" && request.is_read() &&
      absl::SimpleAtoi(parts[3], &job) && absl::SimpleAtoi(parts[4], &index)) {
    return uploads_->Result(address, job, index);
  }
  if (parts.size() != 2) return PlainText(kNotFound, "There is nothing here.\n");
  if (request.method == "PATCH") return uploads_->TakePiece(request, address);
  if (request.method == "HEAD") return uploads_->Offset(address);
  return Answer(site_, request, token, uploads_->Status(parts[1]));
}

WebResponse Portal::Live(const WebRequest& request, const std::string& token) {
  const std::string path = request.Query("path");
  if (!absl::StartsWith(path, "/")) return PlainText(kNotFound, "There is no such page.\n");
  if (++live_ > kLivePagesMax) {
    --live_;
    WebResponse response = PlainText(kBusy, "Too many pages are live: reload to see changes.\n");
    response.headers.emplace_back("Retry-After", "30");
    return response;
  }
  WebRequest asked{.method = "GET", .visitor = request.visitor};
  asked.query = request.query;
  asked.query.erase("path");
  asked.header = [](const char*) { return std::string(); };
  asked.cookie = asked.header;
  asked.path = path;
  WebResponse response{.type = "text/event-stream"};
  response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("X-Accel-Buffering", "no");
  // It counts from here, and until the stream has ended or was never begun.
  const auto place = std::shared_ptr<void>(nullptr, [this](void*) { --live_; });
  response.stream = [this, asked, token, place](const SendBytes& send) {
    SendLive(asked, asked.path, token, send);
  };
  return response;
}

void Portal::SendLive(const WebRequest& request, const std::string& path, const std::string& token,
                      const SendBytes& send) {
  const absl::Duration until = SinceBoot() + kLiveMax;
  size_t shown = 0;
  absl::Duration beat = SinceBoot();
  do {
    const Page page = Read(request, path);
    const std::string html =
        absl::StrReplaceAll(page.html, {{kBase, site_.base}, {"@csrf@", token}});
    const size_t now = std::hash<std::string>()(html);
    if (now != shown) {
      shown = now;
      beat = SinceBoot();
      const nlohmann::json event = {{"html", html}, {"live", page.live}, {"status", page.status}};
      const std::string data = event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
      if (!send(StrCat("data: ", data, "\n\n"))) return;
      if (!page.live && page.status < kBusy) return;
    } else if (SinceBoot() - beat > kLiveBeat) {
      beat = SinceBoot();
      if (!send(": still here\n\n")) return;
    }
  } while (SinceBoot() < until && !stopping_.WaitForNotificationWithTimeout(kLivePause));
}

}  // namespace closewrite::portal
