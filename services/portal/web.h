// What comes in over HTTP and what goes out, without the library that speaks it.
#ifndef SERVICES_PORTAL_WEB_H_
#define SERVICES_PORTAL_WEB_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "closewrite/v1/config.pb.h"

namespace closewrite::portal {

// Who asks.
struct Visitor {
  std::string name;   // "": has not signed in
  std::string email;  // "": not known
  v1::PortalRole role = v1::PORTAL_ROLE_NONE;
};

// A part of a form as it begins.
struct FormPart {
  std::string name;
  std::string filename;  // "": not a file
  std::string content_type;
};

// Takes a piece; false: no more is wanted.
using TakeBytes = std::function<bool(const char* data, size_t size)>;
// Likewise of a part that begins.
using TakePart = std::function<bool(const FormPart& part)>;

struct WebRequest {
  std::string method;  // "GET", "HEAD", "POST", "PATCH"
  std::string path;    // decoded, below the portal's base
  std::map<std::string, std::string> query;
  std::string address;                                  // that the connection comes from
  int64_t content_length = -1;                          // -1: not said
  std::function<std::string(const char* name)> header;  // "" when there is none
  std::function<std::string(const char* name)> cookie;
  // Read the body, once, and as it comes; false when it broke off, or was broken off.
  std::function<bool(const TakeBytes& take)> read_body;
  std::function<bool(const TakePart& part, const TakeBytes& take)> read_form;
  Visitor visitor;

  bool is_read() const { return method == "GET" || method == "HEAD"; }
  std::string Query(const char* name) const {
    const auto found = query.find(name);
    return found == query.end() ? "" : found->second;
  }
};

// Sends a piece; false: nobody listens any more.
using SendBytes = std::function<bool(std::string_view piece)>;

struct WebResponse {
  int status = 200;
  std::string type = "text/html; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  // When set, in place of `body`: called once, sends until it returns.
  std::function<void(const SendBytes& send)> stream;
  // When set: of so many bytes; read from `read` in pieces.
  int64_t file_size = -1;
  std::function<bool(int64_t offset, int64_t size, const SendBytes& send)> file;
};

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_WEB_H_
