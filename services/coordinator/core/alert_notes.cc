#include "services/coordinator/core/alert_notes.h"

#include <utility>

#include "services/coordinator/core/note_json.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr char kOpen[] = "incident";
constexpr char kPast[] = "past incident";
constexpr char kLost[] = "lost executor";
constexpr char kBaseline[] = "baseline";
constexpr char kOverflow[] = "overflow";

std::string KeyOf(const IncidentKey& key) {
  return StrCat(key.owner, "\n", static_cast<int>(key.rule), "\n", key.subject);
}

std::string PastKey(const Incident& incident) {
  return StrCat(NewestFirstKey(incident.opened_at), "\n", KeyOf(incident.key));
}

std::string Encode(const Incident& incident) {
  return DumpNote({{"owner", incident.key.owner},
                   {"rule", static_cast<int>(incident.key.rule)},
                   {"subject", incident.key.subject},
                   {"message", incident.message},
                   {"emails", incident.to.emails},
                   {"webhook", incident.to.webhook},
                   {"remind_every", absl::ToInt64Nanoseconds(incident.remind_every)},
                   {"opened_at", NoteTime(incident.opened_at)},
                   {"told_at", NoteTime(incident.told_at)},
                   {"reminders", incident.reminders},
                   {"cleared_at", NoteTime(incident.cleared_at)}});
}

std::optional<Incident> DecodeIncident(const std::string& value) {
  const std::optional<nlohmann::json> json = ParseNote(value);
  if (!json.has_value()) return std::nullopt;
  Incident incident;
  int rule = 0;
  TakeField(*json, "owner", &incident.key.owner);
  TakeField(*json, "rule", &rule);
  TakeField(*json, "subject", &incident.key.subject);
  TakeField(*json, "message", &incident.message);
  TakeField(*json, "emails", &incident.to.emails);
  TakeField(*json, "webhook", &incident.to.webhook);
  TakeField(*json, "remind_every", &incident.remind_every);
  TakeField(*json, "opened_at", &incident.opened_at);
  TakeField(*json, "told_at", &incident.told_at);
  TakeField(*json, "reminders", &incident.reminders);
  TakeField(*json, "cleared_at", &incident.cleared_at);
  incident.key.rule = static_cast<AlertRule>(rule);
  return incident;
}

// What notes of one kind say; `read` takes a note's key and JSON.
template <class T, class Read>
std::vector<T> ReadNotes(StoreReader& reader, const char* kind, int64_t limit, Read read) {
  std::vector<T> all;
  for (const Note& note : reader.ListNotes(kind, "", limit)) {
    const std::optional<nlohmann::json> json = ParseNote(note.value);
    if (json.has_value()) all.push_back(read(note.key, *json));
  }
  return all;
}

}  // namespace

std::vector<Incident> OpenIncidents(StoreReader& reader) {
  std::vector<Incident> incidents;
  for (const Note& note : reader.ListNotes(kOpen, "", kOpenIncidentsMax)) {
    std::optional<Incident> incident = DecodeIncident(note.value);
    if (incident.has_value()) incidents.push_back(*std::move(incident));
  }
  return incidents;
}

std::vector<PastIncident> PastIncidents(StoreReader& reader, const std::string& place,
                                        int64_t limit) {
  std::vector<PastIncident> incidents;
  for (const Note& note : reader.ListNotes(kPast, place, limit)) {
    std::optional<Incident> incident = DecodeIncident(note.value);
    if (incident.has_value()) incidents.push_back({note.key, *std::move(incident)});
  }
  return incidents;
}

bool PutIncident(StoreTransaction& tx, const IncidentChange& change,
                 const std::optional<Incident>& before) {
  const std::string key = KeyOf(change.incident.key);
  const std::optional<std::string> stored = tx.FindNote(kOpen, key);
  if (stored != (before.has_value() ? std::make_optional(Encode(*before)) : std::nullopt)) {
    return false;
  }
  if (change.step == IncidentStep::kCleared) {
    tx.EraseNote(kOpen, key);
    tx.PutNote(kPast, {PastKey(change.incident), Encode(change.incident)});
  } else {
    tx.PutNote(kOpen, {key, Encode(change.incident)});
  }
  return true;
}

bool ForgetIncidents(StoreTransaction& tx, absl::Time before, int64_t limit) {
  const std::vector<Note> old = tx.ListNotes(kPast, NewestFirstKey(before), limit);
  for (const Note& note : old) tx.EraseNote(kPast, note.key);
  return static_cast<int64_t>(old.size()) >= limit;
}

void PutGoneExecutor(StoreTransaction& tx, const ExecutorHello& hello, absl::Time now) {
  nlohmann::json volumes = nlohmann::json::array();
  for (const auto& [volume, root] : hello.volume_roots) volumes.push_back(volume);
  tx.PutNote(kLost, {hello.name, DumpNote({{"host", hello.host},
                                           {"labels", hello.labels},
                                           {"volumes", volumes},
                                           {"read_only_volumes", hello.read_only_volumes},
                                           {"lost_at", NoteTime(now)}})});
}

void EraseGoneExecutor(StoreTransaction& tx, const std::string& name) { tx.EraseNote(kLost, name); }

std::vector<GoneExecutor> GoneExecutors(StoreReader& reader) {
  return ReadNotes<GoneExecutor>(
      reader, kLost, kGoneExecutorsMax, [](const std::string& key, const nlohmann::json& json) {
        GoneExecutor lost;
        lost.hello.name = key;
        TakeField(json, "host", &lost.hello.host);
        TakeField(json, "labels", &lost.hello.labels);
        std::vector<std::string> volumes;
        TakeField(json, "volumes", &volumes);
        for (const std::string& volume : volumes) lost.hello.volume_roots[volume] = "";
        TakeField(json, "read_only_volumes", &lost.hello.read_only_volumes);
        TakeField(json, "lost_at", &lost.lost_at);
        return lost;
      });
}

void PutBaseline(StoreTransaction& tx, const Baseline& baseline) {
  tx.PutNote(kBaseline,
             {baseline.owner, DumpNote({{"registered_at", NoteTime(baseline.registered_at)},
                                        {"succeeded_at", NoteTime(baseline.succeeded_at)}})});
}

void EraseBaseline(StoreTransaction& tx, const std::string& owner) {
  tx.EraseNote(kBaseline, owner);
}

std::vector<Baseline> Baselines(StoreReader& reader) {
  return ReadNotes<Baseline>(reader, kBaseline, kBaselinesMax,
                             [](const std::string& key, const nlohmann::json& json) {
                               Baseline baseline{.owner = key, .registered_at = {}};
                               TakeField(json, "registered_at", &baseline.registered_at);
                               TakeField(json, "succeeded_at", &baseline.succeeded_at);
                               return baseline;
                             });
}

void PutOverflowMark(StoreTransaction& tx, const OverflowMark& mark) {
  tx.PutNote(kOverflow,
             {mark.volume, DumpNote({{"count", mark.count}, {"at", NoteTime(mark.at)}})});
}

std::vector<OverflowMark> OverflowMarks(StoreReader& reader) {
  return ReadNotes<OverflowMark>(reader, kOverflow, kOverflowMarksMax,
                                 [](const std::string& key, const nlohmann::json& json) {
                                   OverflowMark mark{.volume = key};
                                   TakeField(json, "count", &mark.count);
                                   TakeField(json, "at", &mark.at);
                                   return mark;
                                 });
}

}  // namespace closewrite
