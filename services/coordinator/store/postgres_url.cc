#include "services/coordinator/store/postgres_url.h"

#include <postgresql/libpq-fe.h>

#include <cstring>
#include <map>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace closewrite {
namespace {

constexpr char kForm[] =
    "write postgresql://user@host/database, with libpq's parameters after a `?`, and "
    "`notifications=off` behind a pooler of transactions";

// What holds unless the URL says something else. A server that is silent is given up after about
// ten seconds, and of several hosts the one that takes writes is used.
constexpr std::pair<const char*, const char*> kDefaults[] = {
    {"fallback_application_name", "closewrite-coordinator"},
    {"connect_timeout", "5"},
    {"keepalives_idle", "5"},
    {"keepalives_interval", "2"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "10000"},
    {"target_session_attrs", "read-write"},
};

// What our code relies on.
constexpr std::pair<const char*, const char*> kFixed[] = {{"client_encoding", "UTF8"}};

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("the store's URL ", what, ": ", kForm));
}

// Takes our own parameter out of the URL.
absl::StatusOr<bool> TakeNotifications(std::string* url) {
  const size_t question = url->find('?');
  if (question == std::string::npos) return true;
  bool notifications = true;
  std::vector<std::string> kept;
  for (const absl::string_view pair : absl::StrSplit(url->substr(question + 1), '&')) {
    if (!absl::StartsWith(pair, "notifications=")) {
      kept.emplace_back(pair);
    } else if (pair == "notifications=on" || pair == "notifications=off") {
      notifications = pair == "notifications=on";
    } else {
      return Wrong("says neither notifications=on nor notifications=off");
    }
  }
  url->resize(question);
  const std::string rest = absl::StrJoin(kept, "&");
  if (!rest.empty()) absl::StrAppend(url, "?", rest);
  return notifications;
}

std::string NameOf(const std::map<std::string, std::string>& values) {
  const auto value = [&](const char* keyword, const char* otherwise) -> std::string {
    const auto found = values.find(keyword);
    return found == values.end() || found->second.empty() ? otherwise : found->second;
  };
  return absl::StrCat("postgresql://", value("user", "(default user)"), "@",
                      value("host", value("hostaddr", "(local socket)").c_str()), ":",
                      value("port", "5432"), "/", value("dbname", "(default database)"));
}

}  // namespace

absl::StatusOr<PostgresUrl> ParsePostgresUrl(const std::string& url) {
  if (!absl::StartsWith(url, "postgresql://") && !absl::StartsWith(url, "postgres://")) {
    return Wrong("does not begin with postgresql://");
  }
  std::string for_libpq = url;
  const absl::StatusOr<bool> notifications = TakeNotifications(&for_libpq);
  if (!notifications.ok()) return notifications.status();
  // What libpq says about it may quote the password, so it is not passed on.
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(for_libpq.c_str(), nullptr), &PQconninfoFree);
  if (options == nullptr) return Wrong("can't be read");
  std::map<std::string, std::string> values(std::begin(kDefaults), std::end(kDefaults));
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) values[option->keyword] = option->val;
  }
  PostgresUrl parsed;
  parsed.notifications = *notifications;
  parsed.name = NameOf(values);
  for (const auto& [keyword, value] : kFixed) values[keyword] = value;
  parsed.parameters.assign(values.begin(), values.end());
  return parsed;
}

}  // namespace closewrite
