// Who may do what: who a visitor is, and whether a form is one of ours.
#ifndef SERVICES_PORTAL_ACCESS_H_
#define SERVICES_PORTAL_ACCESS_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/config.pb.h"
#include "services/portal/seal.h"
#include "services/portal/users.h"
#include "services/portal/web.h"

namespace closewrite::portal {

inline constexpr absl::Duration kSignedInMax = absl::Hours(12);
// Failures of one address until it has to wait.
inline constexpr int kSignInFailuresMax = 10;
inline constexpr absl::Duration kSignInPause = absl::Minutes(5);
inline constexpr size_t kSignInAddressesMax = 10'000;
inline constexpr int kProxiesMax = 64;

inline constexpr char kSessionCookie[] = "closewrite_session";
inline constexpr char kBrowserCookie[] = "closewrite_browser";

// A block of addresses, such as `10.1.0.0/16`.
struct AddressBlock {
  std::string bytes;  // 4 or 16
  int bits = 0;
};
absl::StatusOr<AddressBlock> ParseAddressBlock(std::string_view text);
bool IsIn(const AddressBlock& block, std::string_view address);

// Whether a Host header names this portal: by an address, as localhost, or as `public_url` does. A
// name of somebody else's that was made to point here must not: to the browser its page would be
// one of ours.
bool IsOwnHost(std::string_view header, std::string_view public_url);

// Thread-safe.
class Access {
 public:
  // INVALID_ARGUMENT and others say which key of the configuration is wrong.
  static absl::StatusOr<std::unique_ptr<Access>> Make(const v1::PortalConfig& config);

  Visitor WhoIs(const WebRequest& request);
  bool has_users() const { return users_ != nullptr; }

  // The value of kSessionCookie. PERMISSION_DENIED; RESOURCE_EXHAUSTED after too many failures.
  absl::StatusOr<std::string> SignIn(const std::string& name, std::string_view password,
                                     const std::string& address);

  // What forms carry, by the browser's cookie.
  std::string FormToken(std::string_view browser) const { return seal_.Of("form", browser); }
  bool IsFormToken(std::string_view browser, std::string_view token) const {
    return !browser.empty() && SameText(FormToken(browser), token);
  }

 private:
  Access(Seal seal, v1::PortalConfig config) : config_(std::move(config)), seal_(std::move(seal)) {}
  Visitor FromProxy(const WebRequest& request) const;
  Visitor FromSession(const WebRequest& request);
  bool IsProxy(const std::string& address) const;
  bool MayTry(const std::string& address, absl::Time now);

  struct Failures {
    int count = 0;
    absl::Time last;
  };

  v1::PortalConfig config_;  // with its defaults
  const Seal seal_;
  std::vector<AddressBlock> proxies_;
  std::unique_ptr<Users> users_;
  absl::Mutex mutex_;
  std::map<std::string, Failures> failures_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_ACCESS_H_
