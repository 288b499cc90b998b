// A coordinator's side of the streams of executors, as services/coordinator/attend_service.h has
// it.
#ifndef TESTS_SIMULATION_ATTEND_MODEL_H_
#define TESTS_SIMULATION_ATTEND_MODEL_H_

#include <functional>
#include <map>
#include <memory>

#include "services/coordinator/core/effects.h"
#include "services/coordinator/core/engine.h"
#include "tests/simulation/messages.h"
#include "tests/simulation/store_loop_model.h"

namespace closewrite::simulation {

// Lives as long as its coordinator's process. Not thread-safe.
class AttendModel {
 public:
  struct Options {
    StoreLoopModel* loop = nullptr;
    const Engine* engine = nullptr;
    // Each report that renews its session, before it is committed.
    std::function<void(const SessionId&)> heard;
    bool skip_token_check = false;  // planted bugs
    bool renew_for_ever = false;
  };
  // None of the pointers is owned.
  explicit AttendModel(Options options) : options_(std::move(options)) {}

  void Accept(const std::shared_ptr<AttendStream>& stream);
  void OnChange(const Effects& effects);

 private:
  struct Visit {
    std::shared_ptr<AttendStream> stream;
    SessionId session;
    bool greeted = false;
  };

  void OnMessage(const std::shared_ptr<Visit>& visit, AttendUp request);
  void Greet(const std::shared_ptr<Visit>& visit, const ExecutorHello& hello);
  void Report(const std::shared_ptr<Visit>& visit, const AttendUp& request);
  void OnEnd(const std::shared_ptr<Visit>& visit);
  void SendHeld(const SessionId& session, AttendDown response);
  void RenewForEver(const SessionId& session);
  AttendStream* Find(const SessionId& session);

  const Options options_;
  std::map<SessionId, std::shared_ptr<AttendStream>> streams_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_ATTEND_MODEL_H_
