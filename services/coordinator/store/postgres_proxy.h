// Stands between a store and its server in tests, and breaks connections at chosen moments.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_PROXY_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_PROXY_H_

#include <memory>
#include <string>
#include <thread>  // NOLINT: one a connection
#include <vector>

#include "absl/synchronization/mutex.h"

namespace closewrite {

// Thread-safe.
class PostgresProxy {
 public:
  enum class Fault {
    kNone,
    // The batch that the client sends next reaches the server, and the client loses its connection
    // when the server answers: the answer is lost.
    kLoseAnswer,
    // The batch that the client sends next does not reach the server, whose connection stays open:
    // the client's is closed.
    kLoseRequest,
    // As before, but the request is kept, and reaches the server at Release.
    kDelayRequest,
  };

  // `server` is the folder of the server's socket.
  explicit PostgresProxy(const std::string& server);
  ~PostgresProxy();

  // The folder of its own socket, for `host=`.
  const std::string& folder() const { return folder_; }
  // What happens to the next batch of any client; once.
  void Arm(Fault fault);
  // Whether it has happened.
  bool armed();
  // Sends what was delayed, and waits until the server has answered or hung up.
  void Release();

 private:
  struct Pair {
    int client = -1;
    int server = -1;
  };

  void Accept();
  void Serve(Pair pair);
  // Whether to go on with the connection.
  bool FromClient(Pair* pair);
  bool FromServer(Pair* pair);
  Fault TakeFault();

  const std::string server_;
  std::string folder_;
  int listener_ = -1;
  int stop_ = -1;  // readable when all is to end
  absl::Mutex mutex_;
  Fault fault_ = Fault::kNone;
  std::string delayed_;
  int delayed_to_ = -1;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_PROXY_H_
