#include "services/coordinator/api/event_service.h"

#include <memory>
#include <string>

#include "services/config/config.h"
#include "services/config/nearest.h"
#include "services/coordinator/api/answer_once.h"
#include "services/coordinator/api/event_watch.h"
#include "services/coordinator/api/job_view.h"
#include "services/coordinator/api/page_token.h"
#include "services/coordinator/api/push_stream.h"
#include "services/coordinator/api/violations.h"
#include "services/coordinator/api/watcher_call.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

absl::Status CheckFilter(const std::string& volume, const std::string& path) {
  Violations violations;
  if (!volume.empty()) violations.AddUnlessOk("volume", CheckName("volume", volume));
  if (!path.empty()) violations.AddUnlessOk("path", CheckRelativePath(path));
  if (!path.empty() && volume.empty()) {
    violations.Add("volume", "is empty; a path needs the volume that it lies in");
  }
  return violations.ToStatus();
}

absl::StatusOr<absl::Duration> FlushTimeout(const v1::FlushEventsRequest& request) {
  if (absl::Status s = CheckName("volume", request.volume()); !s.ok()) {
    return WrongField("volume", ToStd(s.message()));
  }
  if (!request.has_timeout()) return kFlushTimeoutDefault;
  const absl::Duration timeout = FromProto(request.timeout());
  if (timeout > absl::ZeroDuration() && timeout <= kFlushTimeoutMax) return timeout;
  return WrongField("timeout",
                    StrCat("is ", absl::FormatDuration(timeout), "; give more than 0, to ",
                           absl::FormatDuration(kFlushTimeoutMax)));
}

}  // namespace

EventService::EventService(const ApiOptions& options, WatcherBoard* board)
    : loop_(*options.loop), feed_(*options.feed), board_(*board) {}

grpc::ServerUnaryReactor* EventService::ListEvents(grpc::CallbackServerContext* context,
                                                   const v1::ListEventsRequest* request,
                                                   v1::ListEventsResponse* response) {
  return Answer(context, List(*request, response));
}

absl::Status EventService::List(const v1::ListEventsRequest& request,
                                v1::ListEventsResponse* response) {
  if (absl::Status s = CheckFilter(request.volume(), request.path()); !s.ok()) return s;
  v1::ListEventsRequest filter;
  filter.set_volume(request.volume());
  filter.set_path(request.path());
  const std::string scope = PageScope("ListEvents", filter);
  absl::StatusOr<PageRequest> page = OpenPage(scope, request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  absl::StatusOr<int64_t> before = IdCursor(*page);
  if (!before.ok()) return before.status();

  return loop_.store().Read([&](StoreReader& reader) {
    PageFill fill(*page);
    for (const EventRecord& record :
         reader.ListEvents(request.volume(), request.path(), *before, page->rows + 1)) {
      if (fill.full()) {
        response->set_next_page_token(
            NextPageToken(scope, StrCat(response->events().rbegin()->id())));
        break;
      }
      *response->add_events() = ShowEvent(record, reader);
      fill.Add(*response->events().rbegin());
    }
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::WatchEventsResponse>* EventService::WatchEvents(
    grpc::CallbackServerContext* context, const v1::WatchEventsRequest* request) {
  if (absl::Status s = CheckFilter(request->volume(), ""); !s.ok()) {
    return RefusedStream<v1::WatchEventsResponse>::Open(s);
  }
  return PushStream<v1::WatchEventsResponse>::Open(
      {.pump = &pump_,
       .feed = &feed_,
       .source = std::make_unique<EventWatch>(&loop_.store(), request->volume())});
}

grpc::ServerUnaryReactor* EventService::FlushEvents(grpc::CallbackServerContext* context,
                                                    const v1::FlushEventsRequest* request,
                                                    v1::FlushEventsResponse* response) {
  const absl::StatusOr<absl::Duration> timeout = FlushTimeout(*request);
  if (!timeout.ok()) return Answer(context, timeout.status());
  const std::string volume = request->volume();
  return WatcherCall::Open({.board = &board_,
                            .question = {.volume = volume},
                            .timeout = *timeout,
                            .finish = [this, volume](const WatcherBoard::Answered& answer) {
                              return answer.ok() ? absl::OkStatus()
                                                 : ExplainFlush(volume, answer.status());
                            }});
}

absl::Status EventService::ExplainFlush(const std::string& volume, const absl::Status& refused) {
  if (Reason(refused) != kWatcherAway) return refused;
  const Fleet fleet = CopyFleet(loop_);
  std::vector<std::string> names;
  for (const auto& [host, watcher] : fleet.watchers) {
    for (const VolumeReport& report : watcher.volumes) {
      if (report.volume == volume) return refused;
      names.push_back(report.volume);
    }
  }
  // After a restart of the coordinator watchers have time to come back.
  if (loop_.clock().Now() - fleet.started_at < fleet.session_ttl) return refused;
  return WithReason(absl::NotFoundError(StrCat("no watcher has announced a volume ", volume, ": ",
                                               SuggestNearest(volume, names))),
                    "VOLUME_NOT_FOUND", {{"volume", volume}});
}

}  // namespace closewrite
