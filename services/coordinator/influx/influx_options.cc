#include "services/coordinator/influx/influx_options.h"

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "services/config/nearest.h"
#include "services/config/url.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

absl::Status Wrong(std::string_view key, std::string_view what) {
  return absl::InvalidArgumentError(StrCat("influx.", key, ": ", what));
}

absl::StatusOr<ExtraTags> ParseTags(const v1::InfluxConfig& config) {
  ExtraTags tags;
  for (const std::string& tag : config.tags()) {
    if (tag == "host") {
      tags.host = true;
    } else if (tag == "attempt") {
      tags.attempt = true;
    } else if (tag == "pipeline") {
      tags.pipeline = true;
    } else {
      return Wrong("tags", StrCat("\"", tag, "\" is none; ",
                                  SuggestNearest(tag, {"attempt", "host", "pipeline"})));
    }
  }
  return tags;
}

// Fills in from the environment what the configuration leaves open.
v1::InfluxConfig Completed(v1::InfluxConfig config,
                           const std::function<std::string(const std::string&)>& environment) {
  const std::string host = environment("INFLUX_HOST");
  if (config.url().empty() && !host.empty()) {
    config.set_url(InfluxUrl(host, environment("INFLUX_PORT")));
  }
  const bool v2 = !config.bucket().empty();
  if (config.database().empty() && !v2) config.set_database(environment("INFLUX_DB"));
  if (config.username().empty()) config.set_username(environment("INFLUX_USERNAME"));
  if (config.password().empty()) config.set_password(environment("INFLUX_PASSWORD"));
  if (config.token().empty()) config.set_token(environment("INFLUX_TOKEN"));
  return config;
}

absl::StatusOr<HttpRequest> WriteRequest(const v1::InfluxConfig& config) {
  if (config.url().empty()) return Wrong("url", "is missing; say `url: http://influx-host:8086`");
  if (!absl::StartsWith(config.url(), "http://") && !absl::StartsWith(config.url(), "https://")) {
    return Wrong("url", StrCat("\"", config.url(), "\" must begin with http:// or https://"));
  }
  if (absl::StrContains(config.url(), "@")) {
    return Wrong("url", "has a user in it; use the keys username and password");
  }
  const std::string base(absl::StripSuffix(config.url(), "/"));
  HttpRequest request;
  request.headers = {"Content-Type: text/plain; charset=utf-8"};
  if (!config.bucket().empty()) {
    if (!config.database().empty()) {
      return Wrong("database", "is of InfluxDB 1, and `bucket` of InfluxDB 2; say one of them");
    }
    if (config.org().empty()) return Wrong("org", "is missing; a bucket belongs to one");
    request.url = StrCat(base, "/api/v2/write?org=", UrlEscaped(config.org()),
                         "&bucket=", UrlEscaped(config.bucket()), "&precision=ms");
    if (!config.token().empty()) {
      request.headers.push_back(StrCat("Authorization: Token ", config.token()));
    }
    return request;
  }
  if (config.database().empty()) {
    return Wrong("database", "is missing; say the database, or the bucket of an InfluxDB 2");
  }
  request.url = StrCat(base, "/write?db=", UrlEscaped(config.database()), "&precision=ms");
  request.username = config.username();
  request.password = config.password();
  return request;
}

}  // namespace

absl::StatusOr<std::optional<InfluxOptions>> InfluxOptionsFrom(
    const v1::CoordinatorConfig& config,
    const std::function<std::string(const std::string&)>& environment) {
  const bool by_environment =
      !environment("INFLUX_HOST").empty() && !environment("INFLUX_DB").empty();
  if (!config.has_influx() && !by_environment) return std::nullopt;
  const v1::InfluxConfig influx = Completed(config.influx(), environment);
  InfluxOptions options;
  const absl::StatusOr<ExtraTags> tags = ParseTags(influx);
  if (!tags.ok()) return tags.status();
  options.tags = *tags;
  const absl::StatusOr<HttpRequest> write = WriteRequest(influx);
  if (!write.ok()) return write.status();
  options.write = *write;
  options.shown = write->url;
  if (influx.buffer_max() != 0) options.points_max = influx.buffer_max();
  if (options.points_max < kPointsMaxMin || options.points_max > kPointsMaxMax) {
    return Wrong("buffer_max", StrCat("is ", options.points_max, "; give ", kPointsMaxMin, " to ",
                                      kPointsMaxMax, " points"));
  }
  return options;
}

}  // namespace closewrite
