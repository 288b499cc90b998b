// A coordinator for tests: answers as the real one does, and does what the test says.
#ifndef SERVICES_EXECUTOR_FAKE_COORDINATOR_H_
#define SERVICES_EXECUTOR_FAKE_COORDINATOR_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/attend.grpc.pb.h"
#include "services/transport/server.h"
#include "services/transport/stream.h"

namespace closewrite::executor {

// Serves AttendService on a free port of the loopback. Thread-safe.
class FakeCoordinator final : public v1::AttendService::CallbackService {
 public:
  using Key = std::pair<int64_t, int64_t>;  // job, token

  explicit FakeCoordinator(absl::Duration session_ttl, int port = 0);
  ~FakeCoordinator() override;

  std::string address() const;
  int port() const { return server_->port(); }

  // Leases a job, now if a stream is open.
  void Assign(const v1::Assignment& assignment);
  // Tells the executor to drain, at each heartbeat from now on.
  void Drain();
  // Takes a lease away.
  void Withdraw(int64_t job, int64_t token);
  // Knows a session that nobody has opened.
  void KnowSession(const std::string& session);
  // Ends the stream and forgets the session.
  void ExpireSession();
  // Breaks the stream off; the session stays.
  void BreakStream();
  // Ends the stream and the server, as a crash would.
  void Stop() { server_->Shutdown(absl::ZeroDuration()); }
  // Whether the lease was given, and is neither over nor taken away.
  bool Holds(int64_t job, int64_t token);
  // A session was opened here.
  bool HasSession();
  // While false, messages are heard but not answered.
  void Answer(bool answer);
  // Called by EndSession, before it counts.
  void OnEndSession(std::function<void()> call);

  // Waits until `condition` holds; it is called with the lock held.
  void Await(const std::function<bool()>& condition);

  // What was heard. For use in Await, or when nothing goes on any more.
  std::map<Key, v1::AttemptResult> results;
  std::map<Key, std::string> records;         // of logs, as they came
  std::map<Key, std::string> logs;            // what they hold
  std::map<Key, v1::RunningAttempt> running;  // of the newest heartbeat, and starts since
  std::map<Key, v1::HostHealth> health;       // that came beside a result
  std::vector<v1::ExecutorHello> hellos;
  std::vector<std::string> sessions;  // that were opened
  std::vector<std::string> ended;     // by EndSession
  bool draining = false;
  int heartbeats = 0;
  int streams = 0;  // open now

 private:
  using Stream = ServerStream<v1::AttendRequest, v1::AttendResponse>;

  grpc::ServerBidiReactor<v1::AttendRequest, v1::AttendResponse>* Attend(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* EndSession(grpc::CallbackServerContext* context,
                                       const v1::EndSessionRequest* request,
                                       v1::EndSessionResponse* response) override;
  void OnMessage(const std::shared_ptr<Stream>& stream, const v1::AttendRequest& request);
  bool Greet(const std::shared_ptr<Stream>& stream, const v1::ExecutorHello& hello)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Take(const v1::AttendRequest& request, v1::AttendResponse* response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const absl::Duration session_ttl_;
  absl::Mutex mutex_;
  bool answer_ ABSL_GUARDED_BY(mutex_) = true;
  bool drain_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> on_end_session_ ABSL_GUARDED_BY(mutex_);
  std::string session_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);
  std::map<Key, v1::Assignment> leases_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Server> server_;
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_FAKE_COORDINATOR_H_
