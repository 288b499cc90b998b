// Who a visitor of the portal is: by a cookie that it has sealed, or by headers of a proxy, and by
// nothing that a stranger could send.
#include <fuzzer/FuzzedDataProvider.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/portal/access.h"
#include "services/volume/path.h"
#include "tests/fuzz/require.h"

namespace closewrite::portal {
namespace {

constexpr char kPassword[] = "a password";
constexpr char kProxy[] = "10.1.2.3";

// A portal with one user, who has signed in once.
struct Portal {
  Portal() {
    std::string folder = (std::filesystem::temp_directory_path() / "access-XXXXXX").string();
    Require(mkdtemp(folder.data()) != nullptr, "a folder can be made");
    const std::string users = folder + "/users";
    std::ofstream(users) << "ann operator " << *HashPassword(kPassword) << " ann@example.org\n";
    Require(chmod(users.c_str(), 0600) == 0, "a file can be closed to others");
    v1::PortalConfig config;
    config.set_listen("0.0.0.0:7403");
    config.set_users(users);
    config.mutable_proxy()->add_from(StrCat(kProxy, "/32"));
    (*config.mutable_proxy()->mutable_groups())["ops"] = v1::PORTAL_ROLE_ADMIN;
    auto made = Access::Make(config);
    Require(made.ok(), "the portal can be made", made.status().ToString());
    access = *std::move(made);
    const auto signed_in = access->SignIn("ann", kPassword, "127.0.0.1");
    Require(signed_in.ok(), "she can sign in");
    cookie = *signed_in;
  }

  std::unique_ptr<Access> access;
  std::string cookie;
};

WebRequest Request(const std::string& address, const std::string& cookie,
                   const std::map<std::string, std::string>& headers) {
  WebRequest request{.address = address};
  request.header = [headers](const char* name) {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  };
  request.cookie = [cookie](const char*) { return cookie; };
  return request;
}

// The right cookie, but for some bytes.
std::string Changed(FuzzedDataProvider* input, std::string cookie) {
  if (input->ConsumeBool()) return input->ConsumeRandomLengthString(100);
  for (int i = input->ConsumeIntegralInRange(0, 3); i > 0; --i) {
    const size_t at = input->ConsumeIntegralInRange<size_t>(0, cookie.size());
    const std::string piece = input->ConsumeRandomLengthString(4);
    cookie.replace(at, input->ConsumeIntegralInRange<size_t>(0, 4), piece);
  }
  return cookie;
}

void CheckCookie(FuzzedDataProvider* input, Portal& portal) {
  const std::string cookie = Changed(input, portal.cookie);
  const Visitor visitor = portal.access->WhoIs(Request("10.9.9.9", cookie, {}));
  Require((visitor.name == "ann") == (cookie == portal.cookie), "only her own cookie is hers",
          cookie);
  Require(visitor.role == (visitor.name.empty() ? v1::PORTAL_ROLE_NONE : v1::PORTAL_ROLE_OPERATOR),
          "a stranger may nothing");
}

void CheckProxy(FuzzedDataProvider* input, Portal& portal) {
  const std::map<std::string, std::string> headers = {
      {"X-Forwarded-User", input->ConsumeRandomLengthString(300)},
      {"X-Forwarded-Email", input->ConsumeRandomLengthString(40)},
      {"X-Forwarded-Groups", input->ConsumeRandomLengthString(40)}};
  const Visitor stranger = portal.access->WhoIs(Request("10.1.2.4", "", headers));
  Require(stranger.name.empty() && stranger.role == v1::PORTAL_ROLE_NONE,
          "who is no proxy is not believed");
  const Visitor visitor = portal.access->WhoIs(Request(kProxy, "", headers));
  Require(IsUtf8(visitor.name), "a name can be shown");
  Require(visitor.role != v1::PORTAL_ROLE_ADMIN || !visitor.name.empty(), "nobody is no admin");
}

void CheckBlock(const std::string& text, const std::string& address) {
  const auto block = ParseAddressBlock(text);
  if (!block.ok()) {
    Require(absl::IsInvalidArgument(block.status()), "a wrong block is an invalid argument");
    return;
  }
  Require(block->bytes.size() == 4 || block->bytes.size() == 16, "an address has 4 or 16 bytes");
  Require(block->bits >= 0 && block->bits <= static_cast<int>(block->bytes.size()) * 8,
          "no block is smaller than one address");
  const std::string first = text.substr(0, text.find('/'));
  Require(first.find('\0') == std::string::npos, "an address is all of its text");
  Require(IsIn(*block, first), "a block holds its own address", text);
  (void)IsIn(*block, address);
}

void CheckHost(const std::string& header) {
  constexpr char kUrl[] = "https://portal.example.org/up";
  if (!IsOwnHost(header, kUrl)) return;
  const std::string name = header.substr(0, header.find_first_of(":/"));
  Require(name.find('\0') == std::string::npos, "a name is all of its text");
  Require(IsOwnHost(header, kUrl) == IsOwnHost(header, "http://PORTAL.example.ORG:80"),
          "a name is the same in any case");
}

}  // namespace
}  // namespace closewrite::portal

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  setenv("CLOSEWRITE_LOG", "error", 1);
  closewrite::InitLog("fuzz");
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace portal = closewrite::portal;
  static auto* const made = new portal::Portal;
  FuzzedDataProvider input(data, size);
  portal::CheckCookie(&input, *made);
  portal::CheckProxy(&input, *made);
  const std::string block = input.ConsumeRandomLengthString(60);
  portal::CheckBlock(block, input.ConsumeRandomLengthString(40));
  const std::string host = input.ConsumeRemainingBytesAsString();
  portal::CheckHost(host);
  return 0;
}
