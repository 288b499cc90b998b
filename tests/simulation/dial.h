// How clients reach coordinators.
#ifndef TESTS_SIMULATION_DIAL_H_
#define TESTS_SIMULATION_DIAL_H_

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "tests/simulation/messages.h"

namespace closewrite::simulation {

// Spreads clients over the coordinators, as gRPC's client-side load balancing does: each connection
// goes to any of them, and one that is not there is noticed at once or after some time. Not
// thread-safe.
class Dial {
 public:
  Dial(Network* network, std::vector<CoordinatorApi*> coordinators)
      : network_(*network), coordinators_(std::move(coordinators)) {}

  bool several() const { return coordinators_.size() > 1; }

  std::shared_ptr<AttendStream> Attend(LinkEnd client, AttendStream::ClientHandlers handlers);
  std::shared_ptr<ObserveStream> Observe(LinkEnd client, ObserveStream::ClientHandlers handlers);
  // `answer` may never be called; it is not called twice.
  void Call(LinkEnd client, simulation::Call call, std::function<void(const CallAnswer&)> answer);

 private:
  CoordinatorApi& Choose(LinkEnd client);
  template <class Kind>
  std::shared_ptr<Kind> Open(LinkEnd client, typename Kind::ClientHandlers handlers,
                             void (CoordinatorApi::*accept)(const std::shared_ptr<Kind>&));

  Network& network_;
  const std::vector<CoordinatorApi*> coordinators_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_DIAL_H_
