#include "services/transport/stream.h"

#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "closewrite/v1/observe.grpc.pb.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/transport/server.h"

namespace closewrite {
namespace {

using UpStream = ClientStream<v1::ObserveRequest, v1::ObserveResponse>;
using DownStream = ServerStream<v1::ObserveRequest, v1::ObserveResponse>;

v1::ObserveResponse Response(int64_t sequence, size_t bytes = 0) {
  v1::ObserveResponse response;
  response.set_acked_sequence(sequence);
  if (bytes > 0) response.add_sweep()->set_volume(std::string(bytes, 'x'));
  return response;
}

v1::ObserveRequest Request(const std::string& version, size_t bytes = 0) {
  v1::ObserveRequest request;
  request.set_version(version);
  request.set_ledger_id(std::string(bytes, 'x'));
  return request;
}

// Each stream is given to `accept`, which has to call Begin or End.
class Service : public v1::ObserveService::CallbackService {
 public:
  using Accept = std::function<void(const std::shared_ptr<DownStream>&)>;
  explicit Service(Accept accept) : accept_(std::move(accept)) {}
  grpc::ServerBidiReactor<v1::ObserveRequest, v1::ObserveResponse>* Observe(
      grpc::CallbackServerContext*) override {
    auto stream = DownStream::Make();
    accept_(stream);
    return stream.get();
  }

 private:
  const Accept accept_;
};

// A server with such a service, and a channel to it.
class Connection {
 public:
  explicit Connection(Service::Accept accept) : service_(std::move(accept)) {
    auto server = Server::Start({.listen = "127.0.0.1:0", .services = {&service_}});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = v1::ObserveService::NewStub(Connect(StrCat("127.0.0.1:", server_->port())));
  }

  std::shared_ptr<UpStream> Start(UpStream::Callbacks callbacks) {
    return UpStream::Start(
        [this](grpc::ClientContext* context, auto* reactor) {
          context->set_wait_for_ready(true);
          stub_->async()->Observe(context, reactor);
        },
        std::move(callbacks));
  }

  Server* server() { return server_.get(); }

 private:
  Service service_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::ObserveService::Stub> stub_;
};

// The end of a stream; it must come once.
class End {
 public:
  std::function<void(const absl::Status&)> Client() {
    return [this](const absl::Status& status) {
      status_ = status;
      done_.Notify();  // a second time would abort the test
    };
  }
  std::function<void()> Server() {
    return [this] { done_.Notify(); };
  }
  const absl::Status& Wait() {
    done_.WaitForNotification();
    return status_;
  }

 private:
  absl::Notification done_;
  absl::Status status_;
};

const auto kIgnoreRequest = [](const v1::ObserveRequest&) {};
const auto kIgnoreResponse = [](const v1::ObserveResponse&) {};

TEST(StreamTest, MessagesArriveInOrderBothWays) {
  constexpr int kMessages = 3000;  // fewer than kQueuedMessagesMax
  End server_end, client_end;
  int requests = 0;
  Connection connection([&](const std::shared_ptr<DownStream>& stream) {
    stream->Begin({.on_message =
                       [&, stream](const v1::ObserveRequest& request) {
                         EXPECT_EQ(request.version(), StrCat(requests));
                         EXPECT_TRUE(stream->Send(Response(requests++)));
                       },
                   .on_end = server_end.Server()});
  });
  int responses = 0;
  absl::Notification all;
  const auto stream = connection.Start({.on_message =
                                            [&](const v1::ObserveResponse& response) {
                                              EXPECT_EQ(response.acked_sequence(), responses);
                                              if (++responses == kMessages) all.Notify();
                                            },
                                        .on_end = client_end.Client()});
  for (int i = 0; i < kMessages; ++i) ASSERT_TRUE(stream->Send(Request(StrCat(i))));
  all.WaitForNotification();
  stream->Cancel();
  EXPECT_EQ(client_end.Wait().code(), absl::StatusCode::kCancelled);
  server_end.Wait();
  EXPECT_FALSE(stream->Send(Request("late")));
  stream->Cancel();
}

TEST(StreamTest, TheServersStatusComesAfterWhatWasQueued) {
  End server_end, client_end;
  std::shared_ptr<DownStream> kept;
  Connection connection([&](const std::shared_ptr<DownStream>& stream) {
    kept = stream;
    stream->Begin({.on_message =
                       [&, stream](const v1::ObserveRequest&) {
                         for (int i = 0; i < 1000; ++i) stream->Send(Response(i));
                         stream->End(WithReason(absl::AlreadyExistsError("two watchers"), "TWO"));
                         stream->End(absl::InternalError("only the first counts"));
                         EXPECT_FALSE(stream->Send(Response(1000)));
                       },
                   .on_end = server_end.Server()});
  });
  int responses = 0;
  const auto stream =
      connection.Start({.on_message = [&](const v1::ObserveResponse&) { ++responses; },
                        .on_end = client_end.Client()});
  stream->Send(Request("hello"));
  const absl::Status status = client_end.Wait();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(std::string(status.message()), "two watchers");
  EXPECT_EQ(Reason(status), "TWO");
  EXPECT_EQ(responses, 1000);
  server_end.Wait();
  EXPECT_FALSE(kept->Send(Response(1)));
}

TEST(StreamTest, AServerMayRefuseBeforeItReads) {
  End server_end, client_end;
  Connection connection([&](const std::shared_ptr<DownStream>& stream) {
    stream->Begin({.on_message = kIgnoreRequest, .on_end = server_end.Server()});
    stream->Send(Response(7));
    stream->End(absl::FailedPreconditionError("not here"));
  });
  int64_t sequence = 0;
  const auto stream = connection.Start(
      {.on_message = [&](const v1::ObserveResponse& r) { sequence = r.acked_sequence(); },
       .on_end = client_end.Client()});
  EXPECT_EQ(client_end.Wait(), absl::FailedPreconditionError("not here"));
  EXPECT_EQ(sequence, 7);
  server_end.Wait();
}

TEST(StreamTest, AfterEndNothingIsDelivered) {
  End server_end, client_end;
  std::atomic<int> delivered = 0;
  Connection connection([&](const std::shared_ptr<DownStream>& stream) {
    stream->Begin({.on_message =
                       [&, stream](const v1::ObserveRequest&) {
                         ++delivered;
                         stream->End(absl::InvalidArgumentError("first message is wrong"));
                       },
                   .on_end = server_end.Server()});
  });
  const auto stream =
      connection.Start({.on_message = kIgnoreResponse, .on_end = client_end.Client()});
  for (int i = 0; i < 500; ++i) stream->Send(Request("x"));
  EXPECT_EQ(client_end.Wait().code(), absl::StatusCode::kInvalidArgument);
  server_end.Wait();
  EXPECT_EQ(delivered, 1);
}

TEST(StreamTest, NobodyThereIsUnavailable) {
  End end;
  const auto stub = v1::ObserveService::NewStub(Connect("127.0.0.1:1"));
  const auto stream =
      UpStream::Start([&](grpc::ClientContext* context,
                          auto* reactor) { stub->async()->Observe(context, reactor); },
                      {.on_message = kIgnoreResponse, .on_end = end.Client()});
  stream->Send(Request("x"));
  EXPECT_EQ(end.Wait().code(), absl::StatusCode::kUnavailable);
}

TEST(StreamTest, ShutdownOfTheServerEndsStreams) {
  End server_end, client_end;
  absl::Notification begun;
  Connection connection([&](const std::shared_ptr<DownStream>& stream) {
    stream->Begin({.on_message = [&](const v1::ObserveRequest&) { begun.Notify(); },
                   .on_end = server_end.Server()});
  });
  const auto stream =
      connection.Start({.on_message = kIgnoreResponse, .on_end = client_end.Client()});
  stream->Send(Request("x"));
  begun.WaitForNotification();
  connection.server()->Shutdown(absl::ZeroDuration());
  server_end.Wait();
  EXPECT_FALSE(client_end.Wait().ok());
}

// The client stops reading; the server's queue fills up to its limit and the stream is ended.
TEST(StreamTest, ASlowReaderIsSentAway) {
  End server_end, client_end;
  absl::Notification go_on, full;
  Connection connection([&](const std::shared_ptr<DownStream>& stream) {
    stream->Begin({.on_message =
                       [&, stream](const v1::ObserveRequest&) {
                         int sent = 0;
                         while (stream->Send(Response(sent, 8 << 10)) && sent < 1'000'000) ++sent;
                         EXPECT_GE(sent, static_cast<int>(kQueuedMessagesMax));
                         EXPECT_LT(sent, 1'000'000);
                         full.Notify();
                       },
                   .on_end = server_end.Server()});
  });
  int64_t last = -1;
  const auto stream = connection.Start({.on_message =
                                            [&](const v1::ObserveResponse& response) {
                                              go_on.WaitForNotification();
                                              EXPECT_EQ(response.acked_sequence(), last + 1);
                                              last = response.acked_sequence();
                                            },
                                        .on_end = client_end.Client()});
  stream->Send(Request("x"));
  full.WaitForNotification();
  go_on.Notify();
  EXPECT_EQ(client_end.Wait().code(), absl::StatusCode::kResourceExhausted);
  server_end.Wait();
}

// The server stops reading; the client gives up when its queue is full.
TEST(StreamTest, ASlowServerIsLeft) {
  End server_end, client_end;
  absl::Notification go_on;
  Connection connection([&](const std::shared_ptr<DownStream>& stream) {
    stream->Begin({.on_message = [&](const v1::ObserveRequest&) { go_on.WaitForNotification(); },
                   .on_end = server_end.Server()});
  });
  const auto stream =
      connection.Start({.on_message = kIgnoreResponse, .on_end = client_end.Client()});
  int sent = 0;
  while (stream->Send(Request("x", 8 << 10)) && sent < 1'000'000) ++sent;
  EXPECT_GE(sent, static_cast<int>(kQueuedMessagesMax));
  EXPECT_LT(sent, 1'000'000);
  EXPECT_EQ(client_end.Wait().code(), absl::StatusCode::kCancelled);
  go_on.Notify();
  server_end.Wait();
}

TEST(StreamTest, NobodyNeedsToKeepAStream) {
  End server_end, client_end;
  Connection connection([&](const std::shared_ptr<DownStream>& stream) {
    stream->Begin(
        {.on_message = [stream](const v1::ObserveRequest&) { stream->End(absl::OkStatus()); },
         .on_end = server_end.Server()});
  });
  connection.Start({.on_message = kIgnoreResponse, .on_end = client_end.Client()})
      ->Send(Request("x"));
  EXPECT_TRUE(client_end.Wait().ok());
  server_end.Wait();
}

// All that callers can do to streams, at once and in any order: each end comes exactly once, and
// nothing is used after it is gone (which the sanitizers would tell).
TEST(StreamTest, StartStopStress) {
  constexpr int kThreads = 4;
  constexpr int kStreamsEach = 150;
  std::atomic<int> server_begun = 0, server_ends = 0, client_ends = 0;
  Connection connection([&](const std::shared_ptr<DownStream>& stream) {
    ++server_begun;
    stream->Begin({.on_message =
                       [stream](const v1::ObserveRequest& request) {
                         stream->Send(Response(1));
                         if (request.version() == "end") stream->End(absl::AbortedError("end"));
                       },
                   .on_end = [&, stream] { ++server_ends; }});
  });
  absl::BlockingCounter all_ended(kThreads * kStreamsEach);
  const auto run = [&](unsigned seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < kStreamsEach; ++i) {
      const auto stream = connection.Start(
          {.on_message = kIgnoreResponse, .on_end = [&](const absl::Status& status) {
             EXPECT_FALSE(status.ok());
             ++client_ends;
             all_ended.DecrementCount();
           }});
      const int messages = static_cast<int>(random() % 20);
      for (int j = 0; j < messages; ++j) stream->Send(Request("x"));
      if (random() % 2 == 0) stream->Send(Request("end"));
      if (random() % 2 == 0) std::thread([stream] { stream->Cancel(); }).join();
      if (random() % 2 == 0) stream->Send(Request("end"));
      if (random() % 3 != 0) stream->Cancel();
      // The others end by themselves, or with the server.
      if (!stream->Send(Request("end"))) continue;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) threads.emplace_back(run, t + 1);
  for (std::thread& thread : threads) thread.join();
  all_ended.Wait();
  connection.server()->Shutdown(absl::ZeroDuration());
  EXPECT_EQ(client_ends, kThreads * kStreamsEach);
  EXPECT_EQ(server_ends, server_begun);
}

}  // namespace
}  // namespace closewrite
