#include "services/cli/increment_import.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "services/cli/records.h"
#include "services/cli/time_text.h"
#include "services/config/duration.h"
#include "services/config/url.h"
#include "services/http/http_client.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// What one call of the API takes.
constexpr size_t kImportedPerCallMax = 1000;
// The convention of R's package rmeta: what `read_increment` asks for, of all jobs at once.
constexpr char kQuery[] =
    "SELECT last(\"increment\") FROM \"task\" WHERE \"type\" = 'load' GROUP BY \"job\", "
    "\"datasource\"";

struct ImportOptions {
  std::string url;
  std::string database;
  std::string username;
  std::string password;
  bool dry_run = false;
};

// Fills in from the environment what the command line leaves open.
absl::Status Complete(Invocation& invocation, ImportOptions* options) {
  const auto environment = [&](const char* name) { return invocation.console().environment(name); };
  if (options->url.empty() && !environment("INFLUX_HOST").empty()) {
    options->url = InfluxUrl(environment("INFLUX_HOST"), environment("INFLUX_PORT"));
  }
  if (options->database.empty()) options->database = environment("INFLUX_DB");
  if (options->username.empty()) options->username = environment("INFLUX_USERNAME");
  if (options->password.empty()) options->password = environment("INFLUX_PASSWORD");
  if (options->url.empty() || options->database.empty()) {
    return UsageError("which InfluxDB? Give --url and --database, or INFLUX_HOST and INFLUX_DB");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::Increment>> Ask(Invocation& invocation,
                                               const ImportOptions& options) {
  HttpRequest request;
  request.url = StrCat(options.url, "/query?db=", UrlEscaped(options.database),
                       "&epoch=ms&q=", UrlEscaped(kQuery));
  request.username = options.username;
  request.password = options.password;
  Interrupts& interrupts = *invocation.console().interrupts;
  const absl::StatusOr<HttpAnswer> answer =
      HttpClient().Send(request, [&] { return interrupts.Pending(); });
  if (absl::IsCancelled(answer.status())) return answer.status();
  if (!answer.ok()) {
    return absl::UnavailableError(
        StrCat("InfluxDB at ", options.url, " does not answer: ", answer.status().message()));
  }
  absl::StatusOr<std::vector<v1::Increment>> increments = ParseIncrements(answer->body);
  if (answer->code == 200 && increments.ok()) return increments;
  return absl::FailedPreconditionError(
      StrCat("InfluxDB at ", options.url, " answers HTTP ", answer->code, ": ",
             increments.ok() ? answer->body.substr(0, 200) : increments.status().message()));
}

absl::StatusOr<int> Import(Invocation& invocation, ImportOptions options) {
  if (absl::Status s = Complete(invocation, &options); !s.ok()) return s;
  const auto found = Ask(invocation, options);
  if (!found.ok()) return found.status();
  Records records(invocation, {"JOB", "DATASOURCE", "INCREMENT", "LOGGED"});
  const auto add = [&](const v1::Increment& each) {
    records.Add(each, {each.job(), each.datasource(), StrCat(each.increment()),
                       records.When(each.has_at(), each.at())});
  };
  if (options.dry_run) {
    std::for_each(found->begin(), found->end(), add);
    records.Print();
    invocation.Note(StrCat("dry run: ", found->size(), " found, nothing was changed"));
    return kExitOk;
  }
  size_t taken = 0;
  Client& client = invocation.client();
  for (size_t from = 0; from < found->size(); from += kImportedPerCallMax) {
    v1::ImportIncrementsRequest request;
    request.set_request_id(NewRequestId());
    const size_t end = std::min(found->size(), from + kImportedPerCallMax);
    for (size_t i = from; i < end; ++i) *request.add_increments() = (*found)[i];
    v1::ImportIncrementsResponse response;
    const absl::Status status = client.Call([&](grpc::ClientContext* context) {
      return client.monitor().ImportIncrements(context, request, &response);
    });
    if (!status.ok()) return status;
    taken += response.taken_size();
    std::for_each(response.taken().begin(), response.taken().end(), add);
  }
  records.Print();
  invocation.Note(StrCat(found->size(), " found, ", taken,
                         " taken over; the others were there already, as high or higher"));
  return kExitOk;
}

}  // namespace

absl::StatusOr<std::vector<v1::Increment>> ParseIncrements(const std::string& answer) {
  const Json json = Json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("that is not what InfluxDB answers");
  if (json.contains("error")) return absl::InvalidArgumentError(json["error"].dump());
  std::vector<v1::Increment> increments;
  try {
    for (const Json& result : json.at("results")) {
      if (result.contains("error")) return absl::InvalidArgumentError(result["error"].dump());
      if (!result.contains("series")) continue;
      for (const Json& series : result.at("series")) {
        const Json& value = series.at("values").at(0);
        v1::Increment increment;
        increment.set_job(series.at("tags").at("job").get<std::string>());
        increment.set_type("load");
        increment.set_datasource(series.at("tags").at("datasource").get<std::string>());
        increment.set_increment(value.at(1).get<int64_t>());
        *increment.mutable_at() = ToProto(absl::FromUnixMillis(value.at(0).get<int64_t>()));
        // What has no name can't be asked for.
        if (increment.job().empty() || increment.datasource().empty()) continue;
        increments.push_back(std::move(increment));
      }
    }
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(StrCat("that is not what was asked for: ", error.what()));
  }
  return increments;
}

Command IncrementImportCommand() {
  Command command{"increment import",
                  "[--url URL] [--database DB] [--username U] [--password P] [--dry-run]",
                  "Take over the marks that an InfluxDB has: the newest `task` point of each job "
                  "and data source. Marks that are lower than ours are left alone."};
  command.csv = true;
  command.examples =
      "closewrite increment import --url http://influx:8086 --database meta --dry-run\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<ImportOptions>();
    app.add_option("--url", options->url,
                   "Such as http://influx:8086; by default INFLUX_HOST and INFLUX_PORT");
    app.add_option("--database", options->database, "By default INFLUX_DB");
    app.add_option("--username", options->username, "By default INFLUX_USERNAME");
    app.add_option("--password", options->password,
                   "By default INFLUX_PASSWORD, which other users can't see");
    app.add_flag("--dry-run", options->dry_run, "Only show what is there; change nothing");
    return [options](Invocation& invocation) { return Import(invocation, *options); };
  };
  return command;
}

}  // namespace closewrite::cli
