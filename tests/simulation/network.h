// The network between hosts: delays, cuts, streams that break.
#ifndef TESTS_SIMULATION_NETWORK_H_
#define TESTS_SIMULATION_NETWORK_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

using HostId = int;

// gRPC notices a peer that does not answer within this: kKeepAliveMs and kKeepAliveTimeoutMs of
// services/transport/server.cc.
inline constexpr absl::Duration kKeepAliveMin = absl::Seconds(5);
inline constexpr absl::Duration kKeepAliveMax = absl::Seconds(10);

enum class Side { kClient, kServer };
inline Side Other(Side side) { return side == Side::kClient ? Side::kServer : Side::kClient; }

class Network;

// One side of a connection.
struct LinkEnd {
  Part* part;
  HostId host;
};

// A connection between two processes, without what it carries. In either direction messages arrive
// in the order in which they were sent, or not at all. Each side learns by itself, at its own time,
// that the connection broke.
class Link : public std::enable_shared_from_this<Link> {
 public:
  Link(Network* network, LinkEnd client, LinkEnd server);
  virtual ~Link() = default;

  const LinkEnd& end(Side side) const { return ends_[Index(side)]; }
  // False once that side has ended it or has learnt of its end.
  bool open(Side side) const { return open_[Index(side)]; }
  bool broken() const { return broken_; }

  // Loses what is under way; both sides learn of it, sooner or later.
  void Break();
  // As Break, for a process that is no more: that side learns nothing.
  void Die(Side side);
  // A side has no news of the other for too long, though nothing else is known.
  void LoseTouch(Side side);

 protected:
  static size_t Index(Side side) { return side == Side::kServer ? 1 : 0; }
  // Delivers something to `to`, after all that was sent there before, unless the link breaks.
  void Carry(Side to, World::Action deliver);
  // The same, past all that was sent before.
  void CarryAtOnce(Side to, World::Action deliver);
  void Close(Side side);

  // That side learns that the connection broke: calls its handler.
  virtual void TellBroken(Side side) = 0;
  // Forgets the handlers of a side that is closed.
  virtual void Forget(Side side) = 0;

  Network& network_;

 private:
  friend class Network;
  void Plan(Side to, absl::Duration after, World::Action arrive);
  // How long the way to a side is still cut; zero: it is free.
  absl::Duration Held(Side to) const;
  void Arrive(Side to);
  void ArriveAtOnce(Side to, World::Action deliver);
  void Learn(Side side, absl::Duration after);

  const LinkEnd ends_[2];
  bool open_[2] = {true, true};
  bool broken_ = false;
  absl::Duration last_arrival_[2];
  // What is under way to each side, in the order in which it was sent; for each there is one
  // arrival to come, which delivers what is first then.
  std::deque<World::Action> under_way_[2];
};

// Not thread-safe.
class Network {
 public:
  // Slower networks have longer tails; `slowness` in [0, 1].
  Network(World* world, double slowness) : world_(*world), slowness_(slowness) {}
  ~Network();

  HostId AddHost();
  World& world() { return world_; }

  // How long a message takes, if nothing holds it up.
  absl::Duration Delay();
  // Until when nothing gets from one host to the other; not in the future: it does.
  absl::Duration CutUntil(HostId from, HostId to) const;
  bool Reaches(HostId from, HostId to) const { return CutUntil(from, to) <= world_.now(); }

  // Nothing gets from one to the other for so long; `both` ways.
  void Cut(HostId from, HostId to, bool both, absl::Duration duration);
  void HealAll();
  // Breaks some of the connections that are open.
  void BreakSome(double share);
  // All connections of a process that has died.
  void Died(const Part& part);
  // Of one that does not answer for so long.
  void Froze(const Part& part, absl::Duration duration);

  // A new connection.
  void Register(const std::shared_ptr<Link>& link);

 private:
  // A side gives up when it hears nothing for longer than gRPC waits.
  void KeepAlive(const std::shared_ptr<Link>& link, Side side, absl::Duration silence);
  std::vector<std::shared_ptr<Link>> OpenLinks();

  World& world_;
  const double slowness_;
  int hosts_ = 0;
  std::vector<std::vector<absl::Duration>> cut_until_;
  std::vector<std::weak_ptr<Link>> links_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_NETWORK_H_
