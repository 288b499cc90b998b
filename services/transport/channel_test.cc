// Several coordinators as their clients meet them: real servers, which die, fall silent and move.
#include "services/transport/channel.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "closewrite/v1/observe.grpc.pb.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/transport/server.h"
#include "services/transport/stream.h"
#include "services/volume/file_system.h"

namespace closewrite {
namespace {

using UpStream = ClientStream<v1::ObserveRequest, v1::ObserveResponse>;
using DownStream = ServerStream<v1::ObserveRequest, v1::ObserveResponse>;

// Where names are looked up; a file of our own in a mount namespace of our own, if that may be.
constexpr char kHosts[] = "/etc/hosts";
std::string hosts_file;  // NOLINT: "" when there is none

// One of several coordinators: says its number to each stream.
class Place : public v1::ObserveService::CallbackService {
 public:
  explicit Place(int64_t number, const std::string& listen = "127.0.0.1:0") : number_(number) {
    auto server = Server::Start({.listen = listen, .reflection = false, .services = {this}});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  int port() const { return server_->port(); }
  void Stop() { server_->Shutdown(absl::ZeroDuration()); }
  // From now on each new stream is told to go elsewhere.
  void Drain() { draining_ = true; }

  grpc::ServerBidiReactor<v1::ObserveRequest, v1::ObserveResponse>* Observe(
      grpc::CallbackServerContext*) override {
    auto stream = DownStream::Make();
    stream->Begin({.on_message = [](const v1::ObserveRequest&) {}, .on_end = [] {}});
    if (draining_) {
      stream->End(absl::UnavailableError("stopping"));
    } else {
      v1::ObserveResponse response;
      response.set_acked_sequence(number_);
      stream->Send(std::move(response));
    }
    return stream.get();
  }

 private:
  const int64_t number_;
  std::atomic<bool> draining_ = false;
  std::unique_ptr<Server> server_;
};

// Stands between clients and one server.
class Proxy {
 public:
  explicit Proxy(int server_port)
      : server_port_(server_port), event_(eventfd(0, EFD_CLOEXEC)), listener_(Listen(&port_)) {
    thread_ = std::thread([this] { Run(); });
  }
  ~Proxy() {
    Tell(kCut);
    thread_.join();
  }

  int port() const { return port_; }
  // As a host does that lost its power, or a firewall: no byte goes through, and nobody is told.
  void Swallow() { Tell(kSwallow); }
  // As a process does that was killed: all connections end, and new ones are refused.
  void Cut() { Tell(kCut); }

 private:
  static constexpr uint64_t kSwallow = 1;
  static constexpr uint64_t kCut = 1 << 20;

  static sockaddr_in Loopback(int port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  static Fd Listen(int* port) {
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd.get(), 16), 0);
    EXPECT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
  }

  void Tell(uint64_t what) const {
    EXPECT_EQ(write(event_.get(), &what, sizeof what), static_cast<ssize_t>(sizeof what));
  }

  void Run() {
    for (bool swallow = false;;) {
      std::vector<pollfd> files = {{event_.get(), POLLIN, 0}};
      if (!swallow) files.push_back({listener_.get(), POLLIN, 0});
      for (const auto& [from, to] : peers_) {
        if (!swallow) files.push_back({from, POLLIN, 0});
      }
      if (poll(files.data(), files.size(), -1) < 0) continue;
      uint64_t told = 0;
      if (files[0].revents != 0 && read(event_.get(), &told, sizeof told) > 0) {
        if (told >= kCut) return Close();
        swallow = true;
        continue;
      }
      if (files[1].revents != 0) Accept();
      for (size_t i = 2; i < files.size(); ++i) {
        if (files[i].revents != 0) Forward(files[i].fd);
      }
    }
  }

  void Accept() {
    const int client = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(server_port_);
    EXPECT_EQ(connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    peers_[client] = server;
    peers_[server] = client;
  }

  void Forward(int from) {
    const auto found = peers_.find(from);
    if (found == peers_.end()) return;
    const int to = found->second;
    char buffer[4096];
    const ssize_t count = read(from, buffer, sizeof buffer);
    if (count > 0 && send(to, buffer, static_cast<size_t>(count), MSG_NOSIGNAL) == count) return;
    for (const int fd : {from, to}) {
      peers_.erase(fd);
      close(fd);
    }
  }

  void Close() {
    listener_.Reset();
    for (const auto& [from, to] : peers_) close(from);
    peers_.clear();
  }

  const int server_port_;
  const Fd event_;
  int port_ = 0;
  Fd listener_;
  std::map<int, int> peers_;  // of the thread
  std::thread thread_;
};

// One stream of a client.
class Visit {
 public:
  explicit Visit(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::ObserveService::NewStub(channel)) {
    stream_ = UpStream::Start([this](grpc::ClientContext* context,
                                     auto* reactor) { stub_->async()->Observe(context, reactor); },
                              {.on_message =
                                   [this](const v1::ObserveResponse& response) {
                                     absl::MutexLock lock(&mutex_);
                                     number_ = response.acked_sequence();
                                   },
                               .on_end =
                                   [this](const absl::Status& status) {
                                     status_ = status;
                                     ended_.Notify();
                                   }});
    stream_->Send(v1::ObserveRequest());
  }
  ~Visit() {
    stream_->Cancel();
    ended_.WaitForNotification();
  }

  // Whom it came to; 0 when it ended without an answer.
  int64_t Number() {
    const auto known = [this] {
      mutex_.AssertReaderHeld();
      return number_ != 0 || ended_.HasBeenNotified();
    };
    for (;;) {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&known), absl::Milliseconds(10))) return number_;
    }
  }

  absl::Status End() {
    ended_.WaitForNotification();
    return status_;
  }

 private:
  std::unique_ptr<v1::ObserveService::Stub> stub_;
  absl::Mutex mutex_;
  int64_t number_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Notification ended_;
  absl::Status status_;
  std::shared_ptr<UpStream> stream_;
};

// Visits until somebody answers.
int64_t WhoAnswers(CoordinatorChannel& channel) {
  for (;;) {
    const int64_t number = Visit(channel.Get()).Number();
    if (number != 0) return number;
  }
}

class ChannelTest : public testing::Test {
 protected:
  std::string List() const {
    return StrCat("127.0.0.1:", one_proxy_.port(), ", 127.0.0.1:", two_proxy_.port());
  }
  Proxy& ProxyOf(int64_t number) { return number == 1 ? one_proxy_ : two_proxy_; }
  Place& PlaceOf(int64_t number) { return number == 1 ? one_ : two_; }

  Place one_{1};
  Place two_{2};
  Proxy one_proxy_{one_.port()};
  Proxy two_proxy_{two_.port()};
};

TEST_F(ChannelTest, AStreamMovesWhenItsCoordinatorDies) {
  CoordinatorChannel channel(List());
  EXPECT_TRUE(channel.several());
  Visit visit(channel.Get());
  const int64_t number = visit.Number();
  ASSERT_NE(number, 0);
  ProxyOf(number).Cut();
  EXPECT_EQ(visit.End().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(WhoAnswers(channel), 3 - number);
}

TEST_F(ChannelTest, AStreamMovesWhenItsCoordinatorFallsSilent) {
  CoordinatorChannel channel(List());
  Visit visit(channel.Get());
  const int64_t number = visit.Number();
  ASSERT_NE(number, 0);
  ProxyOf(number).Swallow();
  EXPECT_EQ(visit.End().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(WhoAnswers(channel), 3 - number);
}

TEST_F(ChannelTest, OneThatIsSilentFromTheStartIsNotWaitedFor) {
  one_proxy_.Swallow();
  CoordinatorChannel channel(List());
  EXPECT_EQ(WhoAnswers(channel), 2);
}

TEST_F(ChannelTest, OneThatStopsIsLeftForAnother) {
  CoordinatorChannel channel(List());
  const int64_t number = WhoAnswers(channel);
  PlaceOf(number).Drain();
  EXPECT_EQ(WhoAnswers(channel), 3 - number);
}

TEST_F(ChannelTest, WhoComesBackIsFoundAgain) {
  Place first(7);
  const int port = first.port();
  CoordinatorChannel channel(StrCat("127.0.0.1:", port, ",127.0.0.1:1"));
  EXPECT_EQ(WhoAnswers(channel), 7);
  first.Stop();
  Place second(8, StrCat("127.0.0.1:", port));
  EXPECT_EQ(WhoAnswers(channel), 8);
}

TEST_F(ChannelTest, ClientsDoNotGatherAtTheFirst) {
  std::set<int64_t> numbers;
  for (int clients = 0; clients < 100 && numbers.size() < 2; ++clients) {
    CoordinatorChannel channel(List());
    numbers.insert(WhoAnswers(channel));
  }
  EXPECT_EQ(numbers.size(), 2u);
}

// No server runs here: it would hold on to the threads too.
TEST(CallbackThreadsTest, AStreamMayBeTheLastToHoldAChannel) {
  for (int rounds = 0; rounds < 200; ++rounds) {
    auto stub = v1::ObserveService::NewStub(Connect("127.0.0.1:1"));
    std::weak_ptr<UpStream> stream =
        UpStream::Start([&](grpc::ClientContext* context,
                            auto* reactor) { stub->async()->Observe(context, reactor); },
                        {});
    stub.reset();
    if (const auto running = stream.lock()) running->Cancel();
    while (!stream.expired()) std::this_thread::yield();
  }
}

// Names, for which the test writes the book.
class NamesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (hosts_file.empty()) GTEST_SKIP() << "no mount namespace for a hosts file of our own";
  }
  void TearDown() override { Write(""); }
  static void Write(const std::string& lines) {
    if (!hosts_file.empty()) std::ofstream(hosts_file) << "127.0.0.1 localhost\n" << lines;
  }
};

TEST_F(NamesTest, OneNameMayStandForSeveralAddresses) {
  Place one(1);
  Place two(2, StrCat("127.0.0.2:", one.port()));
  Write("127.0.0.1 fleet.test\n127.0.0.2 fleet.test\n");
  CoordinatorChannel channel(StrCat("fleet.test:", one.port()));
  Visit visit(channel.Get());
  const int64_t number = visit.Number();
  ASSERT_NE(number, 0);
  (number == 1 ? one : two).Stop();
  EXPECT_FALSE(visit.End().ok());
  EXPECT_EQ(WhoAnswers(channel), 3 - number);
}

TEST_F(NamesTest, InAListEachNameMayStandForSeveralToo) {
  Place one(1);
  Write("127.0.0.2 fleet.test\n127.0.0.1 fleet.test\n");  // nobody serves the first
  CoordinatorChannel channel(StrCat("fleet.test:", one.port(), ",none.test:", one.port()));
  EXPECT_EQ(WhoAnswers(channel), 1);
}

TEST_F(NamesTest, NamesOfAListAreLookedUpAgainWhenAllHaveFailed) {
  Place place(1);
  Write("127.0.0.3 alpha.test\n127.0.0.4 beta.test\n");
  CoordinatorChannel channel(StrCat("alpha.test:", place.port(), ",beta.test:", place.port()));
  EXPECT_EQ(Visit(channel.Get()).Number(), 0);
  Write("127.0.0.3 alpha.test\n127.0.0.1 beta.test\n");
  EXPECT_EQ(WhoAnswers(channel), 1);
}

// gRPC's resolver pauses for longer and longer while a name stands for nothing, and waits for a
// server of names that does not answer: this took minutes.
TEST_F(NamesTest, OneNameIsLookedUpAgainAfterItStoodForNothing) {
  Place place(1);
  CoordinatorChannel channel(StrCat("alone.test:", place.port()));
  for (int failures = 0; failures < 3;) failures += Visit(channel.Get()).Number() == 0;
  Write("127.0.0.1 alone.test\n");
  EXPECT_EQ(WhoAnswers(channel), 1);
}

// False where that is not allowed. Before there are threads, so that all see it.
bool MakeHostsFile() {
  std::string name = testing::TempDir() + "/hosts.XXXXXX";
  const Fd fd(mkstemp(name.data()));
  if (!fd.ok() || unshare(CLONE_NEWNS) != 0) return false;
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  if (mount(name.c_str(), kHosts, nullptr, MS_BIND, nullptr) != 0) return false;
  hosts_file = name;
  return true;
}

}  // namespace
}  // namespace closewrite

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  closewrite::MakeHostsFile();
  return RUN_ALL_TESTS();
}
