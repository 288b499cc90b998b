// What all pages have around them, and how they are answered: as HTML or as JSON.
#ifndef SERVICES_PORTAL_PAGE_FRAME_H_
#define SERVICES_PORTAL_PAGE_FRAME_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "google/protobuf/timestamp.pb.h"
#include "services/portal/web.h"

namespace closewrite::portal {

// What does not change while the portal runs.
struct Site {
  std::string title;
  std::string base;        // "" or "/closewrite": stands before all paths
  std::string public_url;  // with the base, without a slash at its end
  bool has_users = false;  // people sign in here
};

// A page before it is framed.
struct Page {
  int status = 200;
  std::string title;
  std::string here;      // path of the entry of the menu that it belongs to
  std::string html;      // of its main part
  nlohmann::json json;   // the same for programs
  bool live = false;     // what has `data-live` is kept up to date
  std::string location;  // when it is elsewhere
  std::string cookie;    // that is to be set
};

// A page that says what is wrong.
Page ErrorPage(int status, std::string_view title, std::string_view sentence);
Page ErrorPage(const absl::Status& status);
// To another page of ours.
Page Redirect(std::string path);

// `form_token`: of the forms on it.
WebResponse Answer(const Site& site, const WebRequest& request, const std::string& form_token,
                   const Page& page);
// Set on every answer.
void AddSecurityHeaders(const Site& site, WebResponse* response);
bool WantsJson(const WebRequest& request);

// Of a message of the API, as JSON has it: fields by their names in the .proto.
nlohmann::json ToJson(const google::protobuf::Message& message);

// Pieces.
// A hidden field with a form's token, which the frame fills in.
inline constexpr char kFormToken[] = "<input type=\"hidden\" name=\"csrf\" value=\"@csrf@\">";
// Links and forms begin with this, which the frame replaces by the base.
inline constexpr char kBase[] = "@base@";
std::string Link(std::string_view path, std::string_view text);
// One button.
std::string ActionForm(std::string_view path, std::string_view text, std::string_view confirm = "",
                       std::string_view css = "");
// `<time>` that scripts show in the visitor's own zone.
std::string TimeHtml(absl::Time time);
std::string TimeHtml(bool has, const google::protobuf::Timestamp& time);
// Percent-encoded, for one part of a path or a query.
std::string UrlPart(std::string_view text);
std::string Note(std::string_view css, std::string_view html);

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_PAGE_FRAME_H_
