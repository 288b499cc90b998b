#include "tests/simulation/dial.h"

namespace closewrite::simulation {

// A coordinator that is known to be away is tried only now and then.
CoordinatorApi& Dial::Choose(LinkEnd client) {
  Random& random = network_.world().random();
  CoordinatorApi* chosen = random.Pick(coordinators_);
  for (int tries = 0; tries < 3; ++tries) {
    const bool there = chosen->end().part->up() &&
                       network_.Reaches(client.host, chosen->end().host) &&
                       network_.Reaches(chosen->end().host, client.host);
    if (there || random.Chance(0.1)) break;
    chosen = random.Pick(coordinators_);
  }
  return *chosen;
}

template <class Kind>
std::shared_ptr<Kind> Dial::Open(LinkEnd client, typename Kind::ClientHandlers handlers,
                                 void (CoordinatorApi::*accept)(const std::shared_ptr<Kind>&)) {
  CoordinatorApi& coordinator = Choose(client);
  auto stream = std::make_shared<Kind>(&network_, client, coordinator.end());
  stream->Handle(std::move(handlers));
  network_.Register(stream);
  if (!coordinator.end().part->up()) {
    stream->Die(Side::kServer);
  } else {
    (coordinator.*accept)(stream);
  }
  return stream;
}

std::shared_ptr<AttendStream> Dial::Attend(LinkEnd client, AttendStream::ClientHandlers handlers) {
  return Open<AttendStream>(client, std::move(handlers), &CoordinatorApi::Attend);
}

std::shared_ptr<ObserveStream> Dial::Observe(LinkEnd client,
                                             ObserveStream::ClientHandlers handlers) {
  return Open<ObserveStream>(client, std::move(handlers), &CoordinatorApi::Observe);
}

void Dial::Call(LinkEnd client, simulation::Call call,
                std::function<void(const CallAnswer&)> answer) {
  CoordinatorApi& coordinator = Choose(client);
  World& world = network_.world();
  const LinkEnd server = coordinator.end();
  // Lost on the way, there or back.
  if (world.random().Chance(0.02) || !network_.Reaches(client.host, server.host)) return;
  const auto answered = [this, &world, client, server, life = client.part->life(),
                         answer = std::move(answer)](const CallAnswer& what) {
    if (world.random().Chance(0.02) || !network_.Reaches(server.host, client.host)) return;
    if (client.part->life() != life) return;
    client.part->After(network_.Delay(), [answer, what] { answer(what); });
  };
  // Nobody listens on a dead host, which is told at once, or not at all.
  if (!server.part->up()) {
    if (world.random().Chance(0.8)) answered(CallAnswer{absl::UnavailableError("refused"), {}});
    return;
  }
  world.After(network_.Delay(), server.part, [&coordinator, call = std::move(call), answered] {
    coordinator.Serve(call, answered);
  });
}

}  // namespace closewrite::simulation
