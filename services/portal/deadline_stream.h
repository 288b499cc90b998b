// A connection whose peer can't take its time.
#ifndef SERVICES_PORTAL_DEADLINE_STREAM_H_
#define SERVICES_PORTAL_DEADLINE_STREAM_H_

#include <httplib.h>

#include <array>
#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace closewrite::portal {

// For all of a request's head, and its size.
inline constexpr absl::Duration kHeadTimeMax = absl::Seconds(10);
inline constexpr int64_t kHeadBytesMax = 32 << 10;
// Between two requests.
inline constexpr absl::Duration kIdleMax = absl::Seconds(15);
// A body or an answer must not stand still for longer, nor come or go slower, once its grace is
// over.
inline constexpr absl::Duration kSilenceMax = absl::Seconds(30);
inline constexpr absl::Duration kSlowGrace = absl::Seconds(30);
inline constexpr int64_t kBytesPerSecondMin = 512;

// Owned by one thread. Does not own the socket.
class DeadlineStream : public httplib::Stream {
 public:
  DeadlineStream(int socket, std::string address) : socket_(socket), address_(address) {}

  // Waits for a request to begin; false: none has in time, or the peer has gone.
  bool AwaitRequest();
  // The head is over: what is read from now on is a body.
  void BeginBody();
  // Of the body.
  int64_t body_bytes() const { return body_bytes_; }

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* data, size_t size) override;
  ssize_t write(const char* data, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_; }

 private:
  // False when `events` did not come by then.
  bool Await(short events, absl::Duration patience) const;
  bool Fill();
  absl::Duration Patience() const;

  const int socket_;
  const std::string address_;
  bool in_body_ = false;
  absl::Duration begun_;        // of the head or the body
  absl::Duration write_waits_;  // for the peer to take what is sent
  int64_t written_ = 0;
  int64_t head_bytes_ = 0;
  int64_t body_bytes_ = 0;
  std::array<char, 16 << 10> buffer_;
  size_t at_ = 0;
  size_t end_ = 0;
};

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_DEADLINE_STREAM_H_
