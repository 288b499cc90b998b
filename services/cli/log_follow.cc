#include "services/cli/log_follow.h"

#include "services/log/str_cat.h"

namespace closewrite::cli {

absl::Status FollowLog(Invocation& invocation, const LogOptions& options,
                       const std::function<bool(const v1::ReadLogResponse&)>& on_piece) {
  v1::ReadLogRequest request;
  request.set_job_id(options.job_id);
  request.set_token(options.token);
  request.set_tail_lines(options.tail_lines);
  request.set_follow(options.follow);
  request.set_parts(options.parts);
  for (const v1::LogStream stream : options.streams) request.add_streams(stream);
  bool begun = false;
  bool some = false;
  Client& client = invocation.client();
  absl::Status status = client.Follow<v1::ReadLogResponse>(
      invocation.deadline(),
      [&](grpc::ClientContext* context) { return client.jobs().ReadLog(context, request); },
      [&](const v1::ReadLogResponse& piece) {
        if (begun && piece.token() != request.token()) {
          invocation.Note(StrCat("here begins the next attempt of job ", options.job_id, " (token ",
                                 piece.token(), ")"));
        }
        begun = true;
        some = some || !piece.data().empty() || !piece.parts().empty();
        // Who comes again asks for what comes next.
        request.set_token(piece.token());
        request.set_offset(piece.next_offset());
        request.set_tail_lines(0);
        return on_piece(piece);
      });
  if (status.ok() && !some && options.tells_silence) {
    invocation.Note(StrCat("job ", options.job_id, " has printed nothing",
                           options.streams.empty() ? "" : " there",
                           options.follow ? "" : ", or has not started yet"));
  }
  return status;
}

absl::Status CopyLog(Invocation& invocation, const LogOptions& options, std::ostream& to) {
  return FollowLog(invocation, options, [&](const v1::ReadLogResponse& piece) {
    to << piece.data() << std::flush;
    return to.good();
  });
}

}  // namespace closewrite::cli
