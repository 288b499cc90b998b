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
  const auto server = MetricsServer::Start("127.0.0.1:0", "a", [&] {
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

TEST(MetricsServerTest, BucketsOfAHistogramAddUp) {
  static constexpr double kBounds[] = {0.5, 2};
  const auto server = MetricsServer::Start("127.0.0.1:0", "a", [] {
    Histogram histogram(kBounds);
    for (const double value : {0.25, 1.0, 3.0}) histogram.Observe(value);
    MetricList list("closewrite_");
    list.Add("c_seconds", "How long c.", {{"pipeline", "p"}}, histogram);
    return list.Take();
  });
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT(Get((*server)->port(), "/metrics"),
              HasSubstr("# TYPE closewrite_c_seconds histogram\n"
                        "closewrite_c_seconds_count{pipeline=\"p\"} 3\n"
                        "closewrite_c_seconds_sum{pipeline=\"p\"} 4.25\n"
                        "closewrite_c_seconds_bucket{pipeline=\"p\",le=\"0.5\"} 1\n"
                        "closewrite_c_seconds_bucket{pipeline=\"p\",le=\"2\"} 2\n"
                        "closewrite_c_seconds_bucket{pipeline=\"p\",le=\"+Inf\"} 3\n"));
}

TEST(MetricsServerTest, TellsOfTheProcess) {
  const auto server =
      MetricsServer::Start("127.0.0.1:0", "clerk", [] { return std::vector<Metric>(); });
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string answer = Get((*server)->port(), "/metrics");
  EXPECT_THAT(answer, HasSubstr("closewrite_build_info{service=\"clerk\",version=\""));
  for (const char* name :
       {"process_start_time_seconds ", "process_cpu_seconds_total ",
        "process_resident_memory_bytes ", "process_open_fds ", "process_max_fds "}) {
    EXPECT_THAT(answer, HasSubstr(StrCat("\n", name)));
    EXPECT_THAT(answer, Not(HasSubstr(StrCat("\n", name, "0\n"))));
  }
}

TEST(MetricsServerTest, APortThatIsTakenIsNamed) {
  const auto collect = [] { return std::vector<Metric>(); };
  auto first = MetricsServer::Start("127.0.0.1:0", "a", collect);
  ASSERT_TRUE(first.ok());
  const std::string listen = StrCat("127.0.0.1:", (*first)->port());
  const absl::Status taken = MetricsServer::Start(listen, "a", collect).status();
  EXPECT_EQ(taken.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(taken.message()), HasSubstr(listen));
  EXPECT_THAT(std::string(taken.message()), HasSubstr("in use"));
  (*first)->Shutdown();
  (*first)->Shutdown();
  EXPECT_TRUE(MetricsServer::Start(listen, "a", collect).ok());
}

TEST(MetricsServerTest, WhatIsNoAddressIsRefused) {
  const auto collect = [] { return std::vector<Metric>(); };
  for (const char* listen : {"", "9464", "localhost", "a:b", "127.0.0.1:70000", "127.0.0.1:-1",
                             "127.0.0.1:1,127.0.0.1:2", "127.0.0.1:80s"}) {
    const absl::Status status = MetricsServer::Start(listen, "a", collect).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << listen << ": " << status;
  }
  // An address of nobody here (RFC 5737).
  const absl::Status status = MetricsServer::Start("192.0.2.1:0", "a", collect).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
}

TEST(MetricsServerTest, NamesAndAllInterfacesToo) {
  const auto collect = [] { return std::vector<Metric>(); };
  for (const char* listen : {"localhost:0", "0.0.0.0:0", ":0", "*:0"}) {
    const auto server = MetricsServer::Start(listen, "a", collect);
    EXPECT_TRUE(server.ok()) << listen << ": " << server.status();
  }
}

}  // namespace
}  // namespace closewrite
