#include "services/coordinator/api/log_reader.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "services/coordinator/api/job_view.h"
#include "services/coordinator/core/attempts.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite {

LogReader::LogReader(Store* store, const Options& options) : store_(*store), options_(options) {}

bool LogReader::OnChange(const Effects& effects) {
  return options_.follow &&
         (effects.logs.contains(options_.job) || effects.jobs.contains(options_.job) ||
          effects.elsewhere.jobs);
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
      tail_->Feed(reader.ReadLog(lease, tail_->piece_offset(), tail_->piece_size()));
      return Batch{.more = true};
    }
    offset_ = tail_->start();
    tail_.reset();
  }
  const int64_t wanted = std::min(kLogPageBytesMax, end_ - offset_);
  std::string data = wanted > 0 ? reader.ReadLog(lease, offset_, wanted) : "";
  if (data.empty()) return AtEnd(reader, *job);
  offset_ += static_cast<int64_t>(data.size());
  Batch batch;
  v1::ReadLogResponse& message = batch.messages.emplace_back();
  message.set_token(token_.value);
  message.set_data(std::move(data));
  return batch;
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
  if (options_.tail_lines > 0) {
    tail_.emplace(options_.tail_lines, attempt->log_bytes, kLogPageBytesMax);
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
      offset_ = 0;
      return Batch{.more = true};
    }
  }
  return Batch{.last = IsFinal(job.state)};
}

}  // namespace closewrite
