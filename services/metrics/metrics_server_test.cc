#include "services/metrics/metrics_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"

namespace closewrite {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Get(int port, const std::string& path) {
  const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return "";
  const std::string request =
      StrCat("GET ", path, " HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  if (write(fd.get(), request.data(), request.size()) < 0) return "";
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(fd.get(), buffer, sizeof(buffer))) > 0;) {
    answer.append(buffer, static_cast<size_t>(got));
  }
  return answer;
}

TEST(MetricsServerTest, CollectsAtEachScrape) {
  std::atomic<int> scrapes = 0;
  const auto server = MetricsServer::Start("127.0.0.1:0", [&] {
    return std::vector<Metric>{
        {"closewrite_a_total", "How many a.", MetricType::kCounter, {{"volume", "v"}}, 7},
        {"closewrite_b", "How much b.", MetricType::kGauge, {}, 0.5},
        {"closewrite_a_total",
         "How many a.",
         MetricType::kCounter,
         {{"volume", "w\"\n"}},
         static_cast<double>(++scrapes)},
    };
  });
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_GT((*server)->port(), 0);
  EXPECT_THAT(Get((*server)->port(), "/metrics"), HasSubstr("{volume=\"w\\\"\\n\"} 1\n"));
  const std::string answer = Get((*server)->port(), "/metrics");
  EXPECT_THAT(answer, HasSubstr("200 OK"));
  EXPECT_THAT(answer, HasSubstr("# HELP closewrite_a_total How many a.\n"
                                "# TYPE closewrite_a_total counter\n"
                                "closewrite_a_total{volume=\"v\"} 7\n"
                                "closewrite_a_total{volume=\"w\\\"\\n\"} 2\n"));
  EXPECT_THAT(answer, HasSubstr("# TYPE closewrite_b gauge\nclosewrite_b 0.5\n"));
  EXPECT_THAT(Get((*server)->port(), "/etc/passwd"), Not(HasSubstr("200 OK")));
}

TEST(MetricsServerTest, APortThatIsTakenIsNamed) {
  const auto collect = [] { return std::vector<Metric>(); };
  auto first = MetricsServer::Start("127.0.0.1:0", collect);
  ASSERT_TRUE(first.ok());
  const std::string listen = StrCat("127.0.0.1:", (*first)->port());
  const absl::Status taken = MetricsServer::Start(listen, collect).status();
  EXPECT_EQ(taken.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(taken.message()), HasSubstr(listen));
  EXPECT_THAT(std::string(taken.message()), HasSubstr("in use"));
  (*first)->Shutdown();
  (*first)->Shutdown();
  EXPECT_TRUE(MetricsServer::Start(listen, collect).ok());
}

TEST(MetricsServerTest, WhatIsNoAddressIsRefused) {
  const auto collect = [] { return std::vector<Metric>(); };
  for (const char* listen : {"", "9464", "localhost", "a:b", "127.0.0.1:70000", "127.0.0.1:-1",
                             "127.0.0.1:1,127.0.0.1:2", "127.0.0.1:80s"}) {
    const absl::Status status = MetricsServer::Start(listen, collect).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << listen << ": " << status;
  }
  // An address of nobody here (RFC 5737).
  const absl::Status status = MetricsServer::Start("192.0.2.1:0", collect).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
}

TEST(MetricsServerTest, NamesAndAllInterfacesToo) {
  const auto collect = [] { return std::vector<Metric>(); };
  for (const char* listen : {"localhost:0", "0.0.0.0:0", ":0", "*:0"}) {
    const auto server = MetricsServer::Start(listen, collect);
    EXPECT_TRUE(server.ok()) << listen << ": " << server.status();
  }
}

}  // namespace
}  // namespace closewrite
