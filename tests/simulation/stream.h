// A bidirectional stream of messages, as gRPC has it.
#ifndef TESTS_SIMULATION_STREAM_H_
#define TESTS_SIMULATION_STREAM_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "tests/simulation/network.h"

namespace closewrite::simulation {

// Not thread-safe. A side whose end has been told, or which has ended the stream itself, hears
// nothing more of it.
template <class Up, class Down>
class Stream final : public Link {
 public:
  using Link::Link;

  struct ClientHandlers {
    std::function<void(Down)> on_message;
    std::function<void(const absl::Status&)> on_end;
  };
  struct ServerHandlers {
    std::function<void(Up)> on_message;
    std::function<void()> on_end;
  };
  void Handle(ClientHandlers handlers) { client_ = std::move(handlers); }
  void Handle(ServerHandlers handlers) { server_ = std::move(handlers); }

  void SendUp(Up message) {
    if (!open(Side::kClient)) return;
    Carry(Side::kServer, [this, message = std::move(message)]() mutable {
      const auto handle = server_.on_message;
      if (handle) handle(std::move(message));
    });
  }

  void SendDown(Down message) {
    if (!open(Side::kServer)) return;
    Carry(Side::kClient, [this, message = std::move(message)]() mutable {
      const auto handle = client_.on_message;
      if (handle) handle(std::move(message));
    });
  }

  // By the server, which is told of the end all the same. What it sent before arrives; what was on
  // its way to it is lost.
  void End(const absl::Status& status) {
    if (!open(Side::kServer)) return;
    const auto handle = server_.on_end;
    Close(Side::kServer);
    if (handle) end(Side::kServer).part->After(absl::ZeroDuration(), handle);
    Carry(Side::kClient, [this, status] { TellClient(status); });
  }

  // By the client, which hears nothing more.
  void Cancel() {
    if (!open(Side::kClient)) return;
    Close(Side::kClient);
    CarryAtOnce(Side::kServer, [this] { TellBroken(Side::kServer); });
  }

 protected:
  void TellBroken(Side side) override {
    if (side == Side::kClient) return TellClient(absl::UnavailableError("the connection broke"));
    const auto handle = server_.on_end;
    Close(Side::kServer);
    if (handle) handle();
  }

  void Forget(Side side) override {
    if (side == Side::kClient) client_ = {};
    if (side == Side::kServer) server_ = {};
  }

 private:
  void TellClient(const absl::Status& status) {
    const auto handle = client_.on_end;
    Close(Side::kClient);
    if (handle) handle(status);
  }

  ClientHandlers client_;
  ServerHandlers server_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_STREAM_H_
