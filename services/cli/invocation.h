// What one run of the command line knows: its options, its outputs, its coordinator.
#ifndef SERVICES_CLI_INVOCATION_H_
#define SERVICES_CLI_INVOCATION_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/repeated_field.h"
#include "services/cli/client.h"
#include "services/cli/console.h"
#include "services/cli/exit_code.h"
#include "services/cli/json.h"
#include "services/cli/settings.h"
#include "services/cli/table.h"

namespace closewrite::cli {

enum class Format { kTable, kWide, kJson, kName, kCsv, kHtml };

// Used by one thread.
class Invocation {
 public:
  // INVALID_ARGUMENT (usage) names the option that is wrong. A `local` one asks no coordinator, and
  // so it does not matter what is wrong with the file of contexts.
  static absl::StatusOr<std::unique_ptr<Invocation>> Make(Console* console,
                                                          const GlobalOptions& options,
                                                          bool local = false);

  std::ostream& out() { return *console_->out; }
  std::ostream& err() { return *console_->err; }
  Console& console() { return *console_; }
  const GlobalOptions& options() const { return options_; }
  const std::string& coordinator() const { return settings_.coordinator.value; }
  // Null: no TLS.
  const std::shared_ptr<grpc::ChannelCredentials>& credentials() const { return credentials_; }
  // This host as the fleet may know it.
  const std::string& host() const { return settings_.host.value; }
  absl::Time now() const { return console_->clock->Now(); }

  // The coordinator's client, made at first use.
  Client& client();

  // What -o says; `fallback` when it is not given.
  Format format(Format fallback = Format::kTable) const { return format_.value_or(fallback); }
  bool format_given() const { return format_.has_value(); }
  bool json() const { return format_ == Format::kJson; }
  bool wide() const { return format_ == Format::kWide; }
  Style style() const;
  // For tables: relative on a terminal, RFC 3339 elsewhere; "" for a time that is not set.
  std::string When(bool is_set, const google::protobuf::Timestamp& time) const;

  // When this command's wait ends; the infinite future without --timeout.
  absl::Time deadline() const { return deadline_; }

  // A line on stderr.
  void Note(std::string_view text);
  // A line for each thing that is odd, as answers of the coordinator have them.
  void Warn(const google::protobuf::RepeatedPtrField<std::string>& warnings);
  // Prints one object as a line.
  void PrintJson(const Json& json);

 private:
  Invocation(Console* console, const GlobalOptions& options)
      : console_(console), options_(options) {}

  Console* const console_;
  const GlobalOptions options_;
  Settings settings_;
  std::shared_ptr<grpc::ChannelCredentials> credentials_;
  std::optional<Format> format_;
  std::optional<absl::Duration> timeout_;
  absl::Duration connect_timeout_;
  absl::Time deadline_ = absl::InfiniteFuture();
  bool color_ = false;
  std::unique_ptr<Client> client_;
};

// Sends one kind of List call until all pages are read or `limit` elements (0: no limit) are there.
// `page` makes one call for at most `size` elements and returns how many came; `more` says that
// some were left.
struct PageLoop {
  static constexpr int kPageMax = 1000;
  int64_t limit = 0;
  bool more = false;

  template <class Request, class Response, class Make, class Take>
  absl::Status Run(Client& client, Request request, Make call, Take take);
};

template <class Request, class Response, class Make, class Take>
absl::Status PageLoop::Run(Client& client, Request request, Make call, Take take) {
  for (int64_t seen = 0;;) {
    const int64_t wanted = limit == 0 ? kPageMax : std::min<int64_t>(kPageMax, limit - seen);
    request.set_page_size(static_cast<int>(wanted));
    Response response;
    absl::Status status = client.Call(
        [&](grpc::ClientContext* context) { return call(context, request, &response); });
    if (!status.ok()) return status;
    seen += take(response);
    more = !response.next_page_token().empty();
    if (!more || (limit != 0 && seen >= limit)) return absl::OkStatus();
    request.set_page_token(response.next_page_token());
  }
}

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_INVOCATION_H_
