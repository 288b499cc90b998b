#include "tests/simulation/network.h"

#include <algorithm>
#include <utility>

namespace closewrite::simulation {
namespace {

// Links that may be over before they are looked for.
constexpr size_t kLinksKeptMax = 256;

}  // namespace

Link::Link(Network* network, LinkEnd client, LinkEnd server)
    : network_(*network), ends_{client, server} {}

void Link::Close(Side side) {
  open_[Index(side)] = false;
  Forget(side);
}

absl::Duration Link::Held(Side to) const {
  const absl::Duration until = network_.CutUntil(end(Other(to)).host, end(to).host);
  return std::max(until - network_.world().now(), absl::ZeroDuration());
}

void Link::Arrive(Side to) {
  if (broken_ || !open(to)) return;
  // TCP sends it again until the way is free; what came later waits behind it.
  if (const absl::Duration held = Held(to); held > absl::ZeroDuration()) {
    return Plan(to, held, [this, to] { Arrive(to); });
  }
  std::deque<World::Action>& queue = under_way_[Index(to)];
  World::Action deliver = std::move(queue.front());
  queue.pop_front();
  deliver();
}

void Link::ArriveAtOnce(Side to, World::Action deliver) {
  if (broken_ || !open(to)) return;
  const absl::Duration held = Held(to);
  if (held <= absl::ZeroDuration()) return deliver();
  Plan(to, held, [this, to, deliver = std::move(deliver)]() mutable {
    ArriveAtOnce(to, std::move(deliver));
  });
}

void Link::Plan(Side to, absl::Duration after, World::Action arrive) {
  network_.world().After(
      after, end(to).part,
      [self = shared_from_this(), arrive = std::move(arrive)]() mutable { arrive(); });
}

void Link::Carry(Side to, World::Action deliver) {
  if (broken_) return;
  const absl::Duration now = network_.world().now();
  absl::Duration& last = last_arrival_[Index(to)];
  last = std::max(last, now + network_.Delay());
  under_way_[Index(to)].push_back(std::move(deliver));
  Plan(to, last - now, [this, to] { Arrive(to); });
}

void Link::CarryAtOnce(Side to, World::Action deliver) {
  if (broken_) return;
  Plan(to, network_.Delay(), [this, to, deliver = std::move(deliver)]() mutable {
    ArriveAtOnce(to, std::move(deliver));
  });
}

void Link::Learn(Side side, absl::Duration after) {
  if (!open(side)) return;
  network_.world().After(after, end(side).part, [self = shared_from_this(), side] {
    if (!self->open(side)) return;
    self->TellBroken(side);
  });
}

void Link::Break() {
  if (broken_) return;
  broken_ = true;
  Random& random = network_.world().random();
  for (const Side side : {Side::kClient, Side::kServer}) {
    // A reset, or silence until somebody counts.
    const bool quick = random.Chance(0.6);
    Learn(side, quick ? random.Between(absl::ZeroDuration(), absl::Milliseconds(5))
                      : random.Between(absl::ZeroDuration(), kKeepAliveMax));
  }
}

void Link::Die(Side side) {
  if (!open(side)) return;
  Close(side);
  if (broken_) return;
  broken_ = true;
  // The kernel of a machine that lives says so at once.
  Random& random = network_.world().random();
  const Side other = Other(side);
  const bool told = random.Chance(0.8) && network_.Reaches(end(side).host, end(other).host);
  Learn(other, told ? network_.Delay() : random.Between(kKeepAliveMin, kKeepAliveMax));
}

void Link::LoseTouch(Side side) {
  if (!open(side)) return;
  const Side other = Other(side);
  // The reset that it sends comes after what it sent before, if it comes.
  Carry(other, [this, other] { TellBroken(other); });
  Learn(side, absl::ZeroDuration());
}

Network::~Network() {
  // Handlers may hold their own link.
  for (const std::shared_ptr<Link>& link : OpenLinks()) {
    for (const Side side : {Side::kClient, Side::kServer}) link->Forget(side);
  }
}

HostId Network::AddHost() {
  ++hosts_;
  for (std::vector<absl::Duration>& row : cut_until_) row.resize(static_cast<size_t>(hosts_));
  cut_until_.emplace_back(static_cast<size_t>(hosts_));
  return hosts_ - 1;
}

absl::Duration Network::Delay() {
  Random& random = world_.random();
  const absl::Duration usual = random.Between(absl::Microseconds(50), absl::Microseconds(300));
  if (!random.Chance(0.02 + 0.2 * slowness_)) return usual;
  return random.Between(absl::ZeroDuration(), absl::Milliseconds(5 + 600 * slowness_));
}

absl::Duration Network::CutUntil(HostId from, HostId to) const {
  return cut_until_[static_cast<size_t>(from)][static_cast<size_t>(to)];
}

void Network::Cut(HostId from, HostId to, bool both, absl::Duration duration) {
  const absl::Duration until = world_.now() + duration;
  absl::Duration& way = cut_until_[static_cast<size_t>(from)][static_cast<size_t>(to)];
  absl::Duration& back = cut_until_[static_cast<size_t>(to)][static_cast<size_t>(from)];
  way = std::max(way, until);
  if (both) back = std::max(back, until);
  // Without an answer from the other, either side gives up; a cut that is over sooner only delays.
  for (const std::shared_ptr<Link>& link : OpenLinks()) {
    const HostId client = link->end(Side::kClient).host;
    const HostId server = link->end(Side::kServer).host;
    if ((client != from || server != to) && (client != to || server != from)) continue;
    for (const Side side : {Side::kClient, Side::kServer}) KeepAlive(link, side, duration);
  }
}

void Network::KeepAlive(const std::shared_ptr<Link>& link, Side side, absl::Duration silence) {
  const absl::Duration patience = world_.random().Between(kKeepAliveMin, kKeepAliveMax);
  if (patience >= silence) return;
  world_.After(patience, link->end(side).part, [link = std::weak_ptr<Link>(link), side] {
    if (const std::shared_ptr<Link> open = link.lock()) open->LoseTouch(side);
  });
}

void Network::Froze(const Part& part, absl::Duration duration) {
  for (const std::shared_ptr<Link>& link : OpenLinks()) {
    for (const Side side : {Side::kClient, Side::kServer}) {
      if (link->end(side).part == &part) KeepAlive(link, Other(side), duration);
    }
  }
}

void Network::HealAll() {
  for (std::vector<absl::Duration>& row : cut_until_) {
    for (absl::Duration& until : row) until = std::min(until, world_.now());
  }
}

void Network::BreakSome(double share) {
  for (const std::shared_ptr<Link>& link : OpenLinks()) {
    if (world_.random().Chance(share)) link->Break();
  }
}

void Network::Died(const Part& part) {
  for (const std::shared_ptr<Link>& link : OpenLinks()) {
    for (const Side side : {Side::kClient, Side::kServer}) {
      if (link->end(side).part == &part) link->Die(side);
    }
  }
}

void Network::Register(const std::shared_ptr<Link>& link) {
  if (links_.size() >= kLinksKeptMax) {
    std::erase_if(links_, [](const std::weak_ptr<Link>& kept) {
      const std::shared_ptr<Link> open = kept.lock();
      return open == nullptr || (!open->open(Side::kClient) && !open->open(Side::kServer));
    });
  }
  links_.push_back(link);
  const HostId client = link->end(Side::kClient).host;
  const HostId server = link->end(Side::kServer).host;
  const absl::Duration cut = std::max(CutUntil(client, server), CutUntil(server, client));
  for (const Side side : {Side::kClient, Side::kServer}) {
    const absl::Duration frozen = absl::Nanoseconds(link->end(Other(side)).part->frozen_until_ns());
    KeepAlive(link, side, std::max(cut, frozen) - world_.now());
  }
}

std::vector<std::shared_ptr<Link>> Network::OpenLinks() {
  std::vector<std::shared_ptr<Link>> open;
  for (const std::weak_ptr<Link>& link : links_) {
    if (std::shared_ptr<Link> there = link.lock()) open.push_back(std::move(there));
  }
  return open;
}

}  // namespace closewrite::simulation
