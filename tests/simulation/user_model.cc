#include "tests/simulation/user_model.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace closewrite::simulation {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(3);
constexpr absl::Duration kRepeatAfter = absl::Milliseconds(300);

}  // namespace

UserModel::UserModel(Options options)
    : options_(std::move(options)),
      part_(options_.world, options_.name),
      host_(options_.network->AddHost()) {
  part_.Start();
  for (const auto& [name, volume] : *options_.volumes) {
    if (!name.starts_with(kOutputPrefix)) inputs_.push_back(volume);
  }
}

void UserModel::Start() {
  busy_ = true;
  KeepWriting();
  if (options_.scenario->calls > 0) KeepAsking();
  if (options_.scenario->task_calls > 0) KeepAskingOfTasks();
}

void UserModel::KeepWriting() {
  part_.After(random().Pause(options_.scenario->writes), [this] {
    if (!busy_) return;
    // Now and then many at once.
    const int64_t burst = random().Chance(0.02) ? random().Between(5, 40) : 1;
    for (int64_t i = 0; i < burst; ++i) Write();
    KeepWriting();
  });
}

void UserModel::KeepAsking() {
  part_.After(random().Pause(options_.scenario->calls), [this] {
    if (!busy_) return;
    Ask(Think(), [](const CallAnswer&) {});
    KeepAsking();
  });
}

void UserModel::KeepAskingOfTasks() {
  part_.After(random().Pause(options_.scenario->task_calls), [this] {
    if (!busy_) return;
    Ask(ThinkOfTask(), [](const CallAnswer&) {});
    KeepAskingOfTasks();
  });
}

void UserModel::Write() {
  VolumeModel& volume = *random().Pick(inputs_);
  const std::string path =
      absl::StrCat("f", random().Below(static_cast<uint64_t>(options_.scenario->paths)));
  const bool there = volume.Find(path) != nullptr;
  if (there && !random().Chance(options_.scenario->rewrites)) return;
  const uint64_t how = random().Below(20);
  if (there && how == 0) return volume.Remove(path);
  if (there && how < 3) return volume.SetTimes(path);
  if (how < 7) return volume.MoveIn(path);
  volume.BeginWrite(path);
  const absl::Duration takes = random().Chance(0.2)
                                   ? random().Between(absl::ZeroDuration(), absl::Seconds(1))
                                   : random().Between(absl::ZeroDuration(), absl::Milliseconds(2));
  part_.After(takes, [&volume, path] { volume.EndWrite(path); });
}

std::vector<Job> UserModel::NewestJobs() {
  constexpr int64_t kSeen = 30;
  std::vector<Job> jobs;
  (void)options_.store->Read([&](StoreReader& reader) {
    jobs = reader.ListJobs({}, JobId{}, kSeen);
    return absl::OkStatus();
  });
  return jobs;
}

Call UserModel::Think() {
  Call call{.request_id = absl::StrCat(options_.name, ":", ++requests_), .what = {}};
  const std::vector<Pipeline>& pipelines = options_.scenario->pipelines;
  const uint64_t wish = random().Below(100);
  const std::vector<Job> jobs = wish < 60 ? NewestJobs() : std::vector<Job>();
  if (!jobs.empty() && wish < 25) {
    call.what = CancelCall{random().Pick(jobs).id};
  } else if (!jobs.empty()) {
    call.what = RetryCall{random().Pick(jobs).id, random().Chance(0.5)};
  } else if (wish < 88) {
    VolumeModel& volume = *random().Pick(inputs_);
    const std::string pipeline = random().Chance(0.7) ? random().Pick(pipelines).name : "";
    call.what = SubmitCall{
        pipeline, volume.name(),
        absl::StrCat("f", random().Below(static_cast<uint64_t>(options_.scenario->paths)))};
  } else if (wish < 97) {
    const int version = ++versions_ * options_.scenario->users;
    const Pipeline varied = Vary(random().Pick(pipelines), version, random());
    const auto [entry, is_new] = options_.definitions->emplace(varied.definition, varied);
    call.what = ApplyCall{entry->second};
  } else {
    call.what = DeleteCall{random().Pick(pipelines).name, random().Chance(0.5)};
  }
  return call;
}

Call UserModel::ThinkOfTask() {
  Call call{.request_id = absl::StrCat(options_.name, ":", ++requests_), .what = {}};
  const std::string& name = random().Pick(options_.scenario->tasks).name;
  const uint64_t wish = random().Below(100);
  if (wish < 15) {
    Task task = MakeTask(*options_.scenario, name, absl::StrCat(name, " as of ", call.request_id),
                         random());
    call.what = ApplyTaskCall{task};
    options_.task_definitions->emplace(task.run.definition, std::move(task));
  } else if (wish < 50) {
    call.what = TaskCall{TaskCall::Wish::kStart, name};
  } else if (wish < 70) {
    call.what = TaskCall{TaskCall::Wish::kStop, name};
  } else if (wish < 92) {
    call.what = TaskCall{TaskCall::Wish::kRun, name};
  } else {
    call.what = TaskCall{TaskCall::Wish::kRemove, name};
  }
  return call;
}

void UserModel::Ask(Call call, std::function<void(const CallAnswer&)> done) {
  ++open_calls_;
  options_.witness->OnAsked(call);
  Try(call, std::move(done), ++requests_);
}

void UserModel::Try(const Call& call, std::function<void(const CallAnswer&)> done, int64_t number) {
  const int64_t attempt = ++tries_[number];
  const auto again = [this, call, done, number](absl::Duration after, int64_t tried) {
    part_.After(after, [this, call, done, number, tried] {
      const auto open = tries_.find(number);
      if (open != tries_.end() && open->second == tried) Try(call, done, number);
    });
  };
  options_.dial->Call({&part_, host_}, call,
                      [this, call, done, number, attempt, again](const CallAnswer& answer) {
                        if (!tries_.contains(number)) return;  // an earlier try was answered
                        // Errors changed nothing, and these may pass.
                        if (absl::IsUnavailable(answer.status) || absl::IsAborted(answer.status) ||
                            absl::IsResourceExhausted(answer.status)) {
                          return again(kRepeatAfter, attempt);
                        }
                        tries_.erase(number);
                        --open_calls_;
                        options_.witness->OnAnswered(call, answer);
                        done(answer);
                      });
  again(kCallTimeout, attempt);
}

}  // namespace closewrite::simulation
