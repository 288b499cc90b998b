#include "services/coordinator/core/rate_book.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace closewrite {
namespace {

// A note a rate: `limit period full_at turn_at`, times in nanoseconds since 1970.
constexpr char kRates[] = "rate";
constexpr size_t kFields = 4;

std::string Encode(const StoredRate& stored) {
  return absl::StrCat(stored.rate.limit, " ", absl::ToInt64Nanoseconds(stored.rate.period), " ",
                      absl::ToUnixNanos(stored.bucket.full_at), " ",
                      absl::ToUnixNanos(stored.turn_at));
}

absl::Time TimeOf(int64_t nanos) {
  if (nanos == absl::ToUnixNanos(absl::InfiniteFuture())) return absl::InfiniteFuture();
  if (nanos == absl::ToUnixNanos(absl::InfinitePast())) return absl::InfinitePast();
  return absl::FromUnixNanos(nanos);
}

std::optional<StoredRate> Decode(const std::string& name, const std::string& text) {
  const std::vector<std::string> fields = absl::StrSplit(text, ' ');
  int64_t numbers[kFields];
  if (fields.size() != kFields) return std::nullopt;
  for (size_t i = 0; i < kFields; ++i) {
    if (!absl::SimpleAtoi(fields[i], &numbers[i])) return std::nullopt;
  }
  return StoredRate{.name = name,
                    .rate = {.limit = numbers[0], .period = absl::Nanoseconds(numbers[1])},
                    .bucket = {TimeOf(numbers[2])},
                    .turn_at = TimeOf(numbers[3])};
}

void Put(StoreTransaction& tx, const StoredRate& stored) {
  tx.PutNote(kRates, {stored.name, Encode(stored)});
}

std::string Words(const Rate& rate) {
  return absl::StrCat(rate.limit, " per ", absl::FormatDuration(rate.period));
}

bool Same(const Rate& a, const Rate& b) { return a.limit == b.limit && a.period == b.period; }

// As `rate` has it by now.
StoredRate With(StoredRate stored, const Rate& rate, absl::Time now) {
  if (Same(stored.rate, rate)) return stored;
  stored.bucket = WithRate(stored.rate, rate, stored.bucket, now);
  stored.rate = rate;
  return stored;
}

}  // namespace

std::vector<StoredRate> ListRates(StoreReader& reader) {
  std::vector<StoredRate> rates;
  for (const Note& note : reader.ListNotes(kRates, "", kRatesMax)) {
    std::optional<StoredRate> stored = Decode(note.key, note.value);
    if (stored.has_value()) rates.push_back(*std::move(stored));
  }
  return rates;
}

std::optional<StoredRate> FindRate(StoreReader& reader, const std::string& name) {
  const std::optional<std::string> note = reader.FindNote(kRates, name);
  return note.has_value() ? Decode(name, *note) : std::nullopt;
}

absl::Status DefineRate(StoreTransaction& tx, const std::string& name, const Rate& rate,
                        absl::Time now) {
  const std::optional<StoredRate> stored = FindRate(tx, name);
  if (!stored.has_value() && tx.CountNotes(kRates, kRatesMax) >= kRatesMax) {
    return absl::ResourceExhaustedError(absl::StrCat("there are ", kRatesMax, " rates already"));
  }
  Put(tx, stored.has_value() ? With(*stored, rate, now) : StoredRate{.name = name, .rate = rate});
  return absl::OkStatus();
}

void DefineOwnRate(StoreTransaction& tx, Fleet* fleet, const std::optional<NamedRate>& rate,
                   absl::Time now) {
  if (!rate.has_value()) return;
  (void)DefineRate(tx, rate->name, rate->rate, now);
  fleet->rate_until.erase(rate->name);
}

absl::Status TakeRate(StoreTransaction& tx, const RateRequest& request, absl::Time now,
                      absl::Duration* wait) {
  std::optional<StoredRate> stored = FindRate(tx, request.name);
  if (!stored.has_value()) {
    if (!request.expected.has_value()) {
      return absl::NotFoundError(
          absl::StrCat("there is no rate ", request.name,
                       ": name it in a pipeline (`rate:`), or say `--limit` and `--per` here"));
    }
    if (absl::Status s = DefineRate(tx, request.name, *request.expected, now); !s.ok()) return s;
    stored = StoredRate{.name = request.name, .rate = *request.expected};
  }
  if (request.expected.has_value() && !Same(*request.expected, stored->rate)) {
    return absl::FailedPreconditionError(
        absl::StrCat("rate ", request.name, " is ", Words(stored->rate), ", not ",
                     Words(*request.expected), ": `closewrite rate set` changes it for all"));
  }
  const absl::Time at = AllowedAt(stored->rate, stored->bucket, now, request.calls);
  if (at == absl::InfiniteFuture()) {
    return absl::InvalidArgumentError(absl::StrCat("calls: ", request.calls, " at once; rate ",
                                                   request.name, " has ", Words(stored->rate)));
  }
  *wait = at - now;
  if (*wait > request.wait_max) {
    return absl::ResourceExhaustedError(absl::StrCat("rate ", request.name, " (",
                                                     Words(stored->rate), ") allows it in ",
                                                     absl::FormatDuration(*wait)));
  }
  stored->bucket = After(stored->rate, stored->bucket, at, request.calls);
  Put(tx, *stored);
  return absl::OkStatus();
}

absl::Time TakeRateForJob(StoreTransaction& tx, const std::string& name, const Rate& rate,
                          absl::Time now) {
  StoredRate stored = FindRate(tx, name).value_or(StoredRate{.name = name, .rate = rate});
  const bool kept = stored.turn_at != absl::InfiniteFuture();
  const absl::Time at = kept ? stored.turn_at : AllowedAt(stored.rate, stored.bucket, now, 1);
  if (kept && at > now) return at;
  if (!kept) stored.bucket = After(stored.rate, stored.bucket, at, 1);
  stored.turn_at = at > now ? at : absl::InfiniteFuture();
  Put(tx, stored);
  return std::max(at, now);
}

absl::Time RateAllows(StoreReader& reader, const std::string& name, absl::Time now) {
  const std::optional<StoredRate> stored = FindRate(reader, name);
  if (!stored.has_value()) return now;
  if (stored->turn_at != absl::InfiniteFuture()) return std::max(now, stored->turn_at);
  return AllowedAt(stored->rate, stored->bucket, now, 1);
}

}  // namespace closewrite
