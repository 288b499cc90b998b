#include "services/cli/event_commands.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "services/cli/file_argument.h"
#include "services/cli/flush_wait.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// Events that a follower asks for after an outage; older ones it leaves out and says so.
constexpr int64_t kCatchUpEventsMax = 10000;

struct EventsOptions {
  std::string volume;
  int64_t limit = 100;
  bool follow = false;
};

std::vector<Column> EventColumns(bool follow, bool wide) {
  std::vector<Column> columns = {{"TIME"},
                                 {"HOST", false, follow ? 8 : 0},
                                 {"KIND", false, follow ? 11 : 0},
                                 {"EVIDENCE", false, follow ? 9 : 0},
                                 {"BY", false, follow ? 7 : 0},
                                 {"SIZE", true, follow ? 8 : 0},
                                 {"JOBS", false, follow ? 6 : 0}};
  if (wide) columns.push_back({"MADE BY", false, follow ? 8 : 0});
  columns.push_back({"FILE"});
  return columns;
}

class EventPrinter {
 public:
  EventPrinter(Invocation& invocation, bool follow)
      : invocation_(invocation), follow_(follow), table_(EventColumns(follow, invocation.wide())) {}

  void Add(const v1::EventRecord& record) {
    if (invocation_.json()) return invocation_.PrintJson(ToJson(record));
    const v1::FileEvent& event = record.event();
    const auto& time = event.has_observed_at() ? event.observed_at() : record.received_at();
    // A relative time would be wrong as soon as it stands there while the stream goes on.
    std::vector<Cell> cells = {{follow_ ? Rfc3339(ToTime(time)) : invocation_.When(true, time)},
                               {record.host()},
                               {EnumName(*v1::EventKind_descriptor(), event.kind())},
                               {EnumName(*v1::Evidence_descriptor(), event.evidence())},
                               {EnumName(*v1::EventSource_descriptor(), event.source())},
                               {StrCat(event.file().size())},
                               {absl::StrJoin(record.job_ids(), ",")}};
    if (invocation_.wide()) {
      cells.emplace_back(event.caused_by_job() == 0 ? "" : StrCat("job ", event.caused_by_job()));
    }
    cells.emplace_back(VolumePathText(event.file().volume(), event.file().path()));
    table_.Add(std::move(cells));
  }

  void Flush() {
    if (!invocation_.json()) table_.Print(invocation_.out(), invocation_.style());
    invocation_.out() << std::flush;
  }

 private:
  Invocation& invocation_;
  const bool follow_;
  Table table_;
};

class EventReader {
 public:
  EventReader(Invocation& invocation, const EventsOptions& options)
      : invocation_(invocation), options_(options), printer_(invocation, options.follow) {}

  absl::StatusOr<int> Run() {
    if (options_.limit < 0) return UsageError("--limit: use 0 for no limit, or a positive number");
    const absl::Status listed = CatchUp(options_.limit);
    if (!listed.ok()) return listed;
    if (!options_.follow) return kExitOk;
    const absl::Status status = Follow();
    if (absl::IsDeadlineExceeded(status)) return kExitTimedOut;
    if (!status.ok()) return status;
    return kExitOk;
  }

 private:
  // Prints what has come since the last event that was printed: at most `limit` (0: all), oldest
  // first.
  absl::Status CatchUp(int64_t limit) {
    v1::ListEventsRequest request;
    request.set_volume(options_.volume);
    std::vector<v1::EventRecord> news;
    bool reached = false;
    Client& client = invocation_.client();
    PageLoop pages{.limit = limit};
    const absl::Status status = pages.Run<v1::ListEventsRequest, v1::ListEventsResponse>(
        client, request,
        [&](auto* context, const auto& page_request, auto* response) {
          if (reached) return grpc::Status::OK;  // an empty last page
          return client.events().ListEvents(context, page_request, response);
        },
        [&](const v1::ListEventsResponse& response) {
          for (const v1::EventRecord& record : response.events()) {
            reached = reached || (last_id_.has_value() && record.id() <= *last_id_);
            if (!reached) news.push_back(record);
          }
          return response.events_size();
        });
    if (!status.ok()) return status;
    if (pages.more && !reached && last_id_.has_value()) {
      invocation_.Note(
          StrCat("more than ", limit, " events came meanwhile; older ones are left out"));
    }
    for (auto record = news.rbegin(); record != news.rend(); ++record) printer_.Add(*record);
    if (!news.empty()) last_id_ = news.front().id();
    if (!last_id_.has_value()) last_id_ = 0;
    printer_.Flush();
    return absl::OkStatus();
  }

  // The stream begins at some moment after it was asked for. So the reader fetches what it may have
  // missed before it opens the stream again, and once more when the first message tells that the
  // stream stands.
  absl::Status Follow() {
    v1::WatchEventsRequest request;
    request.set_volume(options_.volume);
    Client& client = invocation_.client();
    absl::Status failed;
    bool opened = false;
    bool gap = false;
    const absl::Status status = client.Follow<v1::WatchEventsResponse>(
        invocation_.deadline(),
        [&](grpc::ClientContext* context) {
          if (opened) CatchUp(kCatchUpEventsMax).IgnoreError();  // if it fails, so does the stream
          opened = true;
          gap = true;
          return client.events().WatchEvents(context, request);
        },
        [&](const v1::WatchEventsResponse& response) {
          if (gap) failed = CatchUp(kCatchUpEventsMax);
          gap = !failed.ok();
          if (absl::IsUnavailable(failed)) failed = absl::OkStatus();  // the stream breaks as well
          if (!gap && response.event().id() > *last_id_) {
            printer_.Add(response.event());
            printer_.Flush();
            last_id_ = response.event().id();
          }
          return failed.ok() && invocation_.out().good();
        });
    return failed.ok() ? status : failed;
  }

  Invocation& invocation_;
  const EventsOptions options_;
  EventPrinter printer_;
  std::optional<int64_t> last_id_;  // newest event that was printed
};

Command EventsCommand() {
  Command command{"events", "[-f] [--volume V] [--limit N]",
                  "List what watchers have seen, oldest first."};
  command.examples = "closewrite events -f -o json\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<EventsOptions>();
    app.add_flag("-f,--follow", options->follow, "Go on with new events as they come");
    app.add_option("--volume", options->volume, "Only of this volume");
    app.add_option("-n,--limit", options->limit, "At most so many old ones; 0: all")
        ->capture_default_str();
    return [options](Invocation& invocation) { return EventReader(invocation, *options).Run(); };
  };
  return command;
}

absl::StatusOr<int> Flush(Invocation& invocation, const std::string& volume) {
  const bool is_told = invocation.deadline() != absl::InfiniteFuture();
  const absl::Time deadline =
      is_told ? invocation.deadline() : invocation.now() + kFlushTimeoutDefault;
  const absl::Status status = FlushVolume(invocation, volume, deadline);
  if (absl::IsDeadlineExceeded(status)) {
    invocation.Note(StrCat("volume ", volume, " was not flushed in time: ", status.message()));
    return kExitTimedOut;
  }
  if (!status.ok()) return status;
  if (invocation.json()) invocation.PrintJson({{"volume", volume}, {"flushed", true}});
  return kExitOk;
}

Command FlushCommand() {
  Command command{"flush", "VOLUME",
                  "Wait until everything that has happened in a volume is known."};
  command.examples = "closewrite flush unenriched --timeout 1m\n";
  command.declare = [](CLI::App& app) -> Action {
    auto volume = std::make_shared<std::string>();
    app.add_option("VOLUME", *volume, "Its watcher is waited for; 30s without --timeout")
        ->required();
    return [volume](Invocation& invocation) { return Flush(invocation, *volume); };
  };
  return command;
}

}  // namespace

std::vector<Command> EventCommands() { return {EventsCommand(), FlushCommand()}; }

}  // namespace closewrite::cli
