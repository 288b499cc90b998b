#include "services/coordinator/api/log_reader.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "services/coordinator/api/job_view.h"
#include "services/coordinator/convert.h"
#include "services/coordinator/core/attempts.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"
#include "services/volume/path.h"

namespace closewrite {

LogReader::LogReader(Store* store, const Options& options) : store_(*store), options_(options) {}

bool LogReader::OnChange(const Effects& effects) {
  return options_.follow && (effects.logs.contains(options_.job) ||
                             effects.jobs.contains(options_.job) || effects.elsewhere.jobs);
}

absl::StatusOr<LogReader::Batch> LogReader::Next() {
  absl::StatusOr<Batch> batch = absl::InternalError("nothing was read");
  absl::Status read = store_.Read([&](StoreReader& reader) {
    batch = Step(reader);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return batch;
}

absl::StatusOr<LogReader::Batch> LogReader::Step(StoreReader& reader) {
  const std::optional<Job> job = reader.GetJob(options_.job);
  if (!job.has_value()) return NoSuchJob(options_.job);
  if (token_.value == 0) {
    if (absl::Status s = Begin(reader, *job); !s.ok()) return s;
    if (token_.value == 0) {
      return Batch{.last = !options_.follow || IsFinal(job->state)};
    }
  }
  const Lease lease{job->id, token_};
  if (tail_.has_value()) {
    if (!tail_->done()) {
      tail_->Feed(ReadLogPieceBefore(reader, lease, tail_->unread(), kLogPageBytesMax));
      return Batch{.more = true};
    }
    place_ = tail_->start();
    tail_.reset();
  }
  if (place_.offset >= end_) return AtEnd(reader, *job);
  const LogPiece piece = ReadLogPiece(reader, lease, place_.offset, kLogPageBytesMax);
  if (piece.end == place_.offset) return AtEnd(reader, *job);
  Batch batch;
  v1::ReadLogResponse message = Show(piece);
  place_ = {piece.end, 0};
  if (message.data().empty() && message.parts().empty()) return Batch{.more = true};
  batch.messages.push_back(std::move(message));
  return batch;
}

v1::ReadLogResponse LogReader::Show(const LogPiece& piece) {
  v1::ReadLogResponse message;
  message.set_token(token_.value);
  message.set_next_offset(piece.end);
  for (const LogPart& part : piece.parts) {
    if (!options_.streams.Has(part.stream)) continue;
    std::string_view bytes = part.bytes;
    if (part.offset == place_.offset) {
      bytes.remove_prefix(std::min(bytes.size(), static_cast<size_t>(place_.skip)));
    }
    if (!bytes.empty()) ShowPart(part, bytes, &message);
  }
  return message;
}

void LogReader::ShowPart(const LogPart& part, std::string_view bytes,
                         v1::ReadLogResponse* message) {
  if (!options_.parts) {
    if (part.stream == LogStream::kNote && in_line_) message->mutable_data()->push_back('\n');
    message->mutable_data()->append(bytes);
    in_line_ = bytes.back() != '\n';
    return;
  }
  v1::LogPart* shown = message->add_parts();
  if (part.time_us != 0) SetTime(absl::FromUnixMicros(part.time_us), shown->mutable_time());
  shown->set_stream(static_cast<v1::LogStream>(part.stream));
  if (IsUtf8(bytes)) {
    shown->set_text(std::string(bytes));
  } else {
    shown->set_data(std::string(bytes));
  }
}

absl::Status LogReader::Begin(StoreReader& reader, const Job& job) {
  const FencingToken token = options_.token.value != 0 ? options_.token : job.token;
  if (token.value == 0) return absl::OkStatus();
  const std::optional<Attempt> attempt = AttemptOf(reader, job, token);
  if (!attempt.has_value()) {
    return WithReason(
        absl::NotFoundError(StrCat("job ", job.id.value, " has no attempt with token ", token.value,
                                   "; `closewrite job ", job.id.value, "` lists those it has")),
        "ATTEMPT_NOT_FOUND", {{"job", StrCat(job.id.value)}, {"token", StrCat(token.value)}});
  }
  token_ = token;
  end_ = options_.follow ? std::numeric_limits<int64_t>::max() : attempt->log_bytes;
  place_ = {options_.offset, 0};
  if (options_.tail_lines > 0) {
    tail_.emplace(options_.tail_lines, attempt->log_bytes, options_.streams);
  }
  return absl::OkStatus();
}

LogReader::Batch LogReader::AtEnd(StoreReader& reader, const Job& job) {
  if (!options_.follow) return Batch{.last = true};
  if (job.token > token_) {
    // Tokens of one job have no gaps, but attempts of long ago may have been forgotten.
    for (const Attempt& attempt : AttemptsOf(reader, job)) {
      if (attempt.token <= token_) continue;
      token_ = attempt.token;
      place_ = LogPlace();
      in_line_ = false;
      return Batch{.more = true};
    }
  }
  return Batch{.last = IsFinal(job.state)};
}

}  // namespace closewrite
