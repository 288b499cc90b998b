// The way to the coordinators.
#ifndef SERVICES_TRANSPORT_CHANNEL_H_
#define SERVICES_TRANSPORT_CHANNEL_H_

#include <memory>
#include <string>

#include "grpcpp/grpcpp.h"

namespace closewrite {

inline constexpr int kMessageBytesMax = 16 << 20;

// A peer that went away without a word (power, cable, a network that swallows packets) is noticed
// by its clients within the sum of these two: the streams of executors are to be elsewhere well
// before their leases run out, which is two thirds of a session's time to live.
inline constexpr int kKeepAliveMs = 1000;
inline constexpr int kKeepAliveTimeoutMs = 1000;

// How often in a row a client of several coordinators opens its stream again without a pause, after
// one that was answered: the connection that has just broken may not be known to be gone yet, and
// then the first of these is lost on it.
inline constexpr int kTriesAtOnceMax = 2;

// One coordinator, or several of which any will do: `host:port`, several with commas. A list of
// several is tried in an order of chance, so that a fleet does not gather at the first. gRPC keeps
// a connection to each address, and each call or stream goes to the next one that is connected:
// whoever opens a stream again after it broke is elsewhere, without having to find out who lives.
//
// One name alone is gRPC's to look up, again and again, with all the addresses it stands for. gRPC
// 1.51 takes no list of names, so those of a list are looked up here. When no address is connected,
// names are looked up here again (in a thread, at most once a second), also one alone: after a name
// could not be looked up, gRPC pauses for longer each time, for up to two minutes (its
// polling_resolver.cc), and what came back at another address was not found for as long.
// Thread-safe.
class CoordinatorChannel {
 public:
  // Looks the names of a list up; blocks for it. What can't be looked up is left out for now.
  // `credentials`: null for a coordinator without TLS.
  explicit CoordinatorChannel(const std::string& addresses,
                              std::shared_ptr<grpc::ChannelCredentials> credentials = nullptr);
  ~CoordinatorChannel();
  CoordinatorChannel(const CoordinatorChannel&) = delete;
  CoordinatorChannel& operator=(const CoordinatorChannel&) = delete;

  // For the next call or stream; not to be kept for longer, for after a look-up it is another one.
  // Reconnects with jittered backoff (0.1 s to 1 s). Does not block.
  std::shared_ptr<grpc::Channel> Get();

  // The list names several, so it makes sense to leave one that is silent.
  bool several() const;

 private:
  struct State;
  static void LookUpAgain(std::shared_ptr<State> state);

  const std::shared_ptr<State> state_;
};

// For those who make a few calls, without TLS, and have no use for another look-up.
std::shared_ptr<grpc::Channel> Connect(const std::string& addresses);

}  // namespace closewrite

#endif  // SERVICES_TRANSPORT_CHANNEL_H_
