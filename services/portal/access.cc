#include "services/portal/access.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/clock/clock.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/mail/mail_address.h"
#include "services/transport/address.h"
#include "services/volume/path.h"

namespace closewrite::portal {
namespace {

constexpr int kBitsPerByte = 8;
constexpr size_t kNameBytesShownMax = 255;

std::string AddressBytes(std::string_view text) {
  // To C it would end there.
  if (text.find('\0') != std::string_view::npos) return "";
  const std::string address(text);
  in_addr four = {};
  in6_addr six = {};
  if (inet_pton(AF_INET, address.c_str(), &four) == 1) {
    return std::string(reinterpret_cast<const char*>(&four), sizeof(four));
  }
  if (inet_pton(AF_INET6, address.c_str(), &six) == 1) {
    return std::string(reinterpret_cast<const char*>(&six), sizeof(six));
  }
  return "";
}

void SetDefault(std::string* field, const char* value) {
  if (field->empty()) *field = value;
}

// What everybody may do who has not signed in; an error when that has to be said.
absl::StatusOr<v1::PortalRole> AnonymousRole(const v1::PortalConfig& config) {
  if (config.anonymous() != v1::PORTAL_ROLE_UNSPECIFIED) return config.anonymous();
  if (!config.users().empty() || config.has_proxy()) return v1::PORTAL_ROLE_NONE;
  const absl::StatusOr<HostPort> at = ParseHostPort("listen", config.listen());
  if (!at.ok()) return at.status();
  if (IsLoopback(at->host)) return v1::PORTAL_ROLE_ADMIN;
  return absl::InvalidArgumentError(
      StrCat("listen: ", config.listen(),
             " can be reached from other hosts, and nobody would have to sign in; name `users` or "
             "`proxy`, or say what strangers may do, such as `anonymous: uploader`"));
}

}  // namespace

absl::StatusOr<AddressBlock> ParseAddressBlock(std::string_view text) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(ToAbsl(text), absl::MaxSplits('/', 1));
  AddressBlock block{.bytes = AddressBytes(ToStd(parts.first))};
  block.bits = static_cast<int>(block.bytes.size()) * kBitsPerByte;
  const int bits_max = block.bits;
  const bool right = !block.bytes.empty() &&
                     (parts.second.empty() || (absl::SimpleAtoi(parts.second, &block.bits) &&
                                               block.bits >= 0 && block.bits <= bits_max));
  if (right) return block;
  return absl::InvalidArgumentError(
      StrCat(Quote(text), " is no address; give one such as 127.0.0.1 or 10.1.0.0/16"));
}

bool IsIn(const AddressBlock& block, std::string_view address) {
  const std::string bytes = AddressBytes(address);
  if (bytes.size() != block.bytes.size()) return false;
  for (int bit = 0; bit < block.bits; ++bit) {
    const size_t at = static_cast<size_t>(bit / kBitsPerByte);
    const int mask = 0x80 >> (bit % kBitsPerByte);
    if (((bytes[at] ^ block.bytes[at]) & mask) != 0) return false;
  }
  return true;
}

bool IsOwnHost(std::string_view header, std::string_view public_url) {
  const auto host_of = [](std::string_view text) {
    std::string_view host = text.substr(0, text.find('/'));
    const size_t colon = host.rfind(':');
    const bool in_brackets = !host.empty() && host.back() == ']';
    if (colon != std::string_view::npos && !in_brackets) host = host.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return absl::AsciiStrToLower(ToAbsl(host));
  };
  const std::string host = host_of(header);
  if (host == "localhost" || !AddressBytes(host).empty()) return true;
  const size_t scheme = public_url.find("://");
  return scheme != std::string_view::npos && host == host_of(public_url.substr(scheme + 3));
}

absl::StatusOr<std::unique_ptr<Access>> Access::Make(const v1::PortalConfig& config) {
  absl::StatusOr<Seal> seal = Seal::Load(config.state());
  if (!seal.ok()) return seal.status();
  auto access = std::unique_ptr<Access>(new Access(*std::move(seal), config));
  const absl::StatusOr<v1::PortalRole> anonymous = AnonymousRole(config);
  if (!anonymous.ok()) return anonymous.status();
  access->config_.set_anonymous(*anonymous);
  if (config.has_proxy()) {
    v1::ProxySignIn* const proxy = access->config_.mutable_proxy();
    SetDefault(proxy->mutable_user_header(), "X-Forwarded-User");
    SetDefault(proxy->mutable_email_header(), "X-Forwarded-Email");
    SetDefault(proxy->mutable_groups_header(), "X-Forwarded-Groups");
    if (proxy->everybody() == v1::PORTAL_ROLE_UNSPECIFIED) {
      proxy->set_everybody(v1::PORTAL_ROLE_UPLOADER);
    }
    if (proxy->from().empty() || proxy->from_size() > kProxiesMax) {
      return absl::InvalidArgumentError(
          StrCat("proxy.from: has ", proxy->from_size(), " addresses; give 1 to ", kProxiesMax,
                 ": whoever else sends these headers must not be believed"));
    }
    for (const std::string& from : proxy->from()) {
      absl::StatusOr<AddressBlock> block = ParseAddressBlock(from);
      if (!block.ok()) {
        return absl::InvalidArgumentError(StrCat("proxy.from: ", block.status().message()));
      }
      access->proxies_.push_back(*std::move(block));
    }
  }
  if (!config.users().empty()) {
    absl::StatusOr<std::unique_ptr<Users>> users = Users::Load(config.users());
    if (!users.ok()) return users.status();
    access->users_ = *std::move(users);
  }
  return access;
}

bool Access::IsProxy(const std::string& address) const {
  return std::any_of(proxies_.begin(), proxies_.end(),
                     [&](const AddressBlock& block) { return IsIn(block, address); });
}

Visitor Access::WhoIs(const WebRequest& request) {
  Visitor visitor = FromProxy(request);
  if (visitor.name.empty()) visitor = FromSession(request);
  visitor.role = std::max(visitor.role, config_.anonymous());
  return visitor;
}

Visitor Access::FromProxy(const WebRequest& request) const {
  Visitor visitor;
  if (!IsProxy(request.address)) return visitor;
  const v1::ProxySignIn& proxy = config_.proxy();
  visitor.name = request.header(proxy.user_header().c_str()).substr(0, kNameBytesShownMax);
  if (visitor.name.empty()) return visitor;
  visitor.name = Display(visitor.name);
  const std::string email = request.header(proxy.email_header().c_str());
  if (IsMailAddress(email)) visitor.email = email;
  visitor.role = proxy.everybody();
  const std::string groups = request.header(proxy.groups_header().c_str());
  for (const absl::string_view group : absl::StrSplit(groups, ',')) {
    const auto found = proxy.groups().find(std::string(absl::StripAsciiWhitespace(group)));
    if (found != proxy.groups().end()) visitor.role = std::max(visitor.role, found->second);
  }
  return visitor;
}

// `NAME.EXPIRES.SEAL`; the seal covers the hash too, so that a new password signs everybody out.
Visitor Access::FromSession(const WebRequest& request) {
  Visitor visitor;
  if (users_ == nullptr) return visitor;
  const std::string cookie = request.cookie(kSessionCookie);
  const std::vector<std::string> parts = absl::StrSplit(cookie, '~');
  int64_t expires = 0;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[1], &expires) ||
      absl::FromUnixSeconds(expires) < WallTime()) {
    return visitor;
  }
  const std::map<std::string, User> users = users_->All();
  const auto found = users.find(parts[0]);
  if (found == users.end()) return visitor;
  const std::string seal =
      seal_.Of("session", StrCat(parts[0], "~", parts[1], "~", found->second.hash));
  if (!SameText(seal, parts[2])) return visitor;
  return {.name = parts[0], .email = found->second.email, .role = found->second.role};
}

bool Access::MayTry(const std::string& address, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  std::erase_if(failures_,
                [&](const auto& entry) { return now - entry.second.last > kSignInPause; });
  const auto found = failures_.find(address);
  if (found == failures_.end()) return failures_.size() < kSignInAddressesMax;
  return found->second.count < kSignInFailuresMax;
}

absl::StatusOr<std::string> Access::SignIn(const std::string& name, std::string_view password,
                                           const std::string& address) {
  const absl::Time now = WallTime();
  if (users_ == nullptr) return absl::PermissionDeniedError("nobody signs in here");
  if (!MayTry(address, now)) {
    return absl::ResourceExhaustedError("there were too many wrong passwords: wait some minutes");
  }
  const absl::StatusOr<User> user = users_->SignIn(name, password);
  if (!user.ok()) {
    LogWarn("a sign-in failed", {{"user", Display(name)}, {"address", address}});
    absl::MutexLock lock(&mutex_);
    Failures& failures = failures_[address];
    ++failures.count;
    failures.last = now;
    return user.status();
  }
  const std::string begin = StrCat(name, "~", absl::ToUnixSeconds(now + kSignedInMax));
  return StrCat(begin, "~", seal_.Of("session", StrCat(begin, "~", user->hash)));
}

}  // namespace closewrite::portal
