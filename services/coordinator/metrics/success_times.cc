#include "services/coordinator/metrics/success_times.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace closewrite {
namespace {

constexpr int64_t kRowsPerRead = 1000;

absl::Time TimeOf(std::string_view note) {
  int64_t ns = 0;
  return absl::SimpleAtoi(absl::string_view(note.data(), note.size()), &ns)
             ? absl::FromUnixNanos(ns)
             : absl::InfinitePast();
}

}  // namespace

void SuccessNotes::Apply(StoreTransaction& tx) const {
  // In order, as every coordinator does it, so that no two wait for each other.
  for (const auto& [pipeline, time] : put) {
    const std::optional<std::string> note = tx.FindNote(kSuccessNotes, pipeline);
    if (note.has_value() && TimeOf(*note) >= time) continue;
    tx.PutNote(kSuccessNotes, {pipeline, absl::StrCat(absl::ToUnixNanos(time))});
  }
  for (const std::string& pipeline : erase) tx.EraseNote(kSuccessNotes, pipeline);
}

void SuccessTimes::Read(StoreReader& reader, const std::set<std::string>& pipelines,
                        absl::Time now) {
  pipelines_ = pipelines;
  std::erase_if(times_, [&](const auto& entry) { return !pipelines.contains(entry.first); });
  noted_.clear();
  std::string after;
  for (;;) {
    const std::vector<Note> notes = reader.ListNotes(kSuccessNotes, after, kRowsPerRead);
    for (const Note& note : notes) {
      noted_[note.key] = TimeOf(note.value);
      Add(note.key, TimeOf(note.value));
    }
    if (notes.size() < static_cast<size_t>(kRowsPerRead)) break;
    after = notes.back().key;
  }
  if (!looked_back_) LookBack(reader, now);
  looked_back_ = true;
}

void SuccessTimes::LookBack(StoreReader& reader, absl::Time now) {
  absl::Time since = absl::InfinitePast();
  for (const auto& [pipeline, time] : noted_) since = std::max(since, time);
  since = std::min(since, now - kSuccessLookBack);
  FinishedPlace before;
  for (int64_t seen = 0; seen < kSuccessLookBackMax; seen += kRowsPerRead) {
    const std::vector<Job> page = reader.ListFinished(since, before, kRowsPerRead);
    for (const Job& job : page) {
      if (job.state == JobState::kSucceeded) Add(job.pipeline, job.finished_at);
    }
    if (page.size() < static_cast<size_t>(kRowsPerRead)) return;
    before = {.finished_at = page.back().finished_at, .id = page.back().id};
  }
}

void SuccessTimes::Add(const std::map<std::string, absl::Time>& successes) {
  for (const auto& [pipeline, time] : successes) Add(pipeline, time);
}

void SuccessTimes::Add(const std::string& pipeline, absl::Time time) {
  if (!pipelines_.contains(pipeline)) return;
  const auto [known, added] = times_.emplace(pipeline, time);
  if (!added) known->second = std::max(known->second, time);
}

SuccessNotes SuccessTimes::TakeNotes(absl::Time now) {
  SuccessNotes notes;
  if (now < taken_at_ + kSuccessNotesEvery) return notes;
  taken_at_ = now;
  for (const auto& [pipeline, time] : times_) {
    const auto noted = noted_.find(pipeline);
    if (noted == noted_.end() || noted->second < time) notes.put.emplace(pipeline, time);
  }
  for (const auto& [pipeline, time] : noted_) {
    if (!pipelines_.contains(pipeline)) notes.erase.insert(pipeline);
  }
  return notes;
}

}  // namespace closewrite
