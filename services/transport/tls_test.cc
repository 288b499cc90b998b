#include "services/transport/tls.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/synchronization/notification.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/tls_certificate_verifier.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "gtest/gtest.h"
#include "services/access/authority.h"
#include "services/access/permissions.h"
#include "services/access/token.h"
#include "services/clock/clock.h"
#include "services/log/str_cat.h"
#include "services/transport/channel.h"
#include "services/transport/errors.h"
#include "services/transport/tls_expiry.h"

namespace closewrite {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(30);
constexpr absl::Duration kValid = absl::Hours(24);

const std::vector<Role> kRoles = {Role::kCoordinator, Role::kWatcher,  Role::kExecutor,
                                  Role::kPortal,      Role::kViewer,   Role::kUploader,
                                  Role::kProgram,     Role::kOperator, Role::kAdmin};

// Answers each call that comes through with who made it.
class AnyCall final : public grpc::CallbackGenericService {
 public:
  explicit AnyCall(const Gate* gate) : gate_(*gate) {}
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    class Reactor final : public grpc::ServerGenericBidiReactor {
     public:
      explicit Reactor(const Caller& caller) {
        const grpc::Slice text(StrCat(RoleName(caller.role), " ", caller.name, " ", caller.user));
        answer_ = grpc::ByteBuffer(&text, 1);
        StartWriteAndFinish(&answer_, grpc::WriteOptions(), grpc::Status::OK);
      }
      void OnDone() override { delete this; }

     private:
      grpc::ByteBuffer answer_;
    };
    return new Reactor(gate_.Of(*context));
  }

 private:
  const Gate& gate_;
};

class TlsTest : public testing::Test {
 protected:
  TlsTest() {
    std::string name = testing::TempDir() + "/tls.XXXXXX";
    folder_ = mkdtemp(name.data());
    authority_ = *Authority::Make("Test CA", kValid, WallTime());
  }
  ~TlsTest() override {
    if (server_ != nullptr) server_->Shutdown(absl::ToChronoTime(WallTime()));
    std::filesystem::remove_all(folder_);
  }

  void Write(const std::string& path, const std::string& text, mode_t mode = 0600) {
    const std::string temporary = path + ".new";
    std::ofstream(temporary) << text;
    chmod(temporary.c_str(), mode);
    std::filesystem::rename(temporary, path);
  }

  static std::string Read(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  v1::TlsConfig Issue(Role role, const std::string& name, std::vector<std::string> grants = {},
                      absl::Duration validity = kValid, absl::Time at = WallTime()) {
    if (role == Role::kWatcher && grants.empty()) grants = {"v"};
    const std::string folder = StrCat(folder_, "/", ++issued_);
    std::filesystem::create_directory(folder);
    const PrivateKey key = *PrivateKey::Make();
    const auto certificate = authority_->Issue({.identity = {role, name, std::move(grants)},
                                                .dns_names = {},
                                                .ip_addresses = {},
                                                .validity = validity},
                                               key, at);
    EXPECT_TRUE(certificate.ok()) << certificate.status();
    v1::TlsConfig files;
    files.set_ca(folder + "/ca.crt");
    files.set_cert(folder + "/tls.crt");
    files.set_key(folder + "/tls.key");
    Write(files.ca(), *authority_->certificate().Pem(), 0644);
    Write(files.cert(), *certificate->Pem(), 0644);
    Write(files.key(), *key.Pem());
    return files;
  }

  // Serves everything by the certificate.
  void Serve(const v1::TlsConfig& files, std::unique_ptr<TokenBook> tokens = nullptr) {
    server_tls_ = *Tls::OfPerson(files);
    gate_ = std::make_unique<Gate>(std::move(tokens));
    service_ = std::make_unique<AnyCall>(gate_.get());
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", server_tls_->ForServer(gate_.get()), &port_);
    builder.RegisterCallbackGenericService(service_.get());
    server_ = builder.BuildAndStart();
  }

  absl::StatusOr<std::string> Call(const std::shared_ptr<grpc::Channel>& channel,
                                   const std::string& path,
                                   const std::map<std::string, std::string>& metadata = {}) {
    grpc::GenericStub stub(channel);
    grpc::ClientContext context;
    context.set_wait_for_ready(false);
    context.set_deadline(absl::ToChronoTime(WallTime() + kTimeout));
    for (const auto& [key, value] : metadata) context.AddMetadata(key, value);
    const grpc::Slice nothing;
    const grpc::ByteBuffer request(&nothing, 1);
    grpc::ByteBuffer response;
    absl::Notification done;
    grpc::Status status;
    stub.UnaryCall(&context, path, grpc::StubOptions(), &request, &response, [&](grpc::Status got) {
      status = std::move(got);
      done.Notify();
    });
    done.WaitForNotification();
    if (!status.ok()) return FromGrpc(status);
    std::vector<grpc::Slice> slices;
    response.Dump(&slices);
    std::string text;
    for (const grpc::Slice& slice : slices) {
      text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    return text;
  }

  std::shared_ptr<grpc::Channel> Connect(const v1::TlsConfig& files,
                                         const std::string& token = "") {
    const auto tls = Tls::OfPerson(files);
    EXPECT_TRUE(tls.ok()) << tls.status();
    return CoordinatorChannel(Address(), (*tls)->ForChannel(token)).Get();
  }

  std::string Address() const { return StrCat("127.0.0.1:", port_); }

  static constexpr char kListJobs[] = "/closewrite.v1.JobService/ListJobs";

  std::string folder_;
  int issued_ = 0;
  absl::StatusOr<Authority> authority_;
  std::unique_ptr<Tls> server_tls_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<AnyCall> service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// Over the wire, with a certificate of each role, each call that there is.
TEST_F(TlsTest, EachRoleMayWhatTheTableSays) {
  Serve(Issue(Role::kCoordinator, "vm-a"));
  for (const Role role : kRoles) {
    const auto channel = Connect(Issue(role, "x"));
    for (const Permission& each : Permissions()) {
      if (each.method.empty()) continue;
      const std::string path = StrCat("/", each.service, "/", each.method);
      const bool may = each.roles.Has(role);
      const absl::StatusOr<std::string> answer = Call(channel, path);
      if (may) {
        EXPECT_EQ(answer.value_or(""), StrCat(RoleName(role), " x ")) << path << answer.status();
      } else {
        EXPECT_TRUE(absl::IsPermissionDenied(answer.status()))
            << RoleName(role) << " " << path << ": " << answer.status();
      }
    }
  }
  EXPECT_GT(gate_->numbers().forbidden, 0);
  EXPECT_EQ(gate_->numbers().unauthenticated, 0);
}

TEST_F(TlsTest, WhoShowsNothingGetsHealthAlone) {
  const v1::TlsConfig files = Issue(Role::kCoordinator, "vm-a");
  Serve(files);
  v1::TlsConfig authority_alone;
  authority_alone.set_ca(files.ca());
  const auto channel = Connect(authority_alone);
  EXPECT_EQ(Call(channel, "/grpc.health.v1.Health/Check").value_or(""), "anybody  ");
  EXPECT_TRUE(absl::IsUnauthenticated(Call(channel, kListJobs).status()));
  EXPECT_TRUE(absl::IsUnimplemented(Call(channel, "/closewrite.v1.JobService/x").status()));
  EXPECT_EQ(gate_->numbers().unauthenticated, 1);
}

TEST_F(TlsTest, TokensAreForThoseWithoutACertificate) {
  const std::string token = MakeToken();
  const std::string tokens = folder_ + "/tokens";
  Write(tokens, TokenLine({"carol", Role::kOperator}, TokenHash(token)) + "\n");
  const v1::TlsConfig files = Issue(Role::kCoordinator, "vm-a");
  SteadyClock clock;
  Serve(files, *TokenBook::Load(tokens, &clock));
  v1::TlsConfig authority_alone;
  authority_alone.set_ca(files.ca());
  EXPECT_EQ(Call(Connect(authority_alone, token), kListJobs).value_or(""), "operator carol ");
  const absl::Status wrong = Call(Connect(authority_alone, MakeToken()), kListJobs).status();
  EXPECT_TRUE(absl::IsUnauthenticated(wrong)) << wrong;
  // It counts for more than the certificate of the connection.
  const v1::TlsConfig viewer = Issue(Role::kViewer, "alice");
  EXPECT_EQ(Call(Connect(viewer, token), kListJobs).value_or(""), "operator carol ");
  EXPECT_TRUE(absl::IsUnauthenticated(Call(Connect(viewer, MakeToken()), kListJobs).status()));
  for (const char* value : {"", "Basic YTpi", "Bearer ", "Bearer x"}) {
    const auto answer = Call(Connect(viewer), kListJobs, {{"authorization", value}});
    EXPECT_TRUE(absl::IsUnauthenticated(answer.status())) << value;
  }
}

TEST_F(TlsTest, ThePortalSaysForWhom) {
  Serve(Issue(Role::kCoordinator, "vm-a"));
  const std::map<std::string, std::string> user = {{std::string(kUserMetadata), "Jürgen"}};
  EXPECT_EQ(Call(Connect(Issue(Role::kPortal, "p")), kListJobs, user).value_or(""),
            "portal p Jürgen");
  EXPECT_EQ(Call(Connect(Issue(Role::kAdmin, "a")), kListJobs, user).value_or(""), "admin a ");
}

// A stolen certificate of a watcher does not make a coordinator.
TEST_F(TlsTest, OnlyACoordinatorIsTakenForOne) {
  Serve(Issue(Role::kWatcher, "vm-b"));
  const absl::Status status = Call(Connect(Issue(Role::kAdmin, "alice")), kListJobs).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST_F(TlsTest, AnotherAuthorityIsNotTrusted) {
  const v1::TlsConfig ours = Issue(Role::kAdmin, "alice");
  Serve(Issue(Role::kCoordinator, "vm-a"));
  authority_ = *Authority::Make("Test CA", kValid, WallTime());
  const v1::TlsConfig theirs = Issue(Role::kAdmin, "mallory");
  // Trusts the server, and shows a certificate that the server does not trust.
  std::filesystem::copy_file(ours.ca(), theirs.ca(),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_FALSE(Tls::OfPerson(theirs).ok());
  // One who does not look at what they have themselves is refused by the server.
  const auto provider = std::make_shared<grpc::experimental::StaticDataCertificateProvider>(
      Read(theirs.ca()), std::vector<grpc::experimental::IdentityKeyCertPair>{
                             {Read(theirs.key()), Read(theirs.cert())}});
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(provider);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_certificate_verifier(std::make_shared<grpc::experimental::NoOpCertificateVerifier>());
  options.set_check_call_host(false);
  const auto channel = grpc::CreateChannel(Address(), grpc::experimental::TlsCredentials(options));
  const absl::Status status = Call(channel, kListJobs).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(Call(Connect(ours), kListJobs).value_or(""), "admin alice ");
}

TEST_F(TlsTest, WithoutTlsNobodyIsServed) {
  Serve(Issue(Role::kCoordinator, "vm-a"));
  const absl::Status status =
      Call(CoordinatorChannel(Address()).Get(), "/grpc.health.v1.Health/Check").status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

// A server goes on with the certificate that lies there by now: here one of another authority, so
// that only those who trust that one can connect.
TEST_F(TlsTest, CertificatesAreReadAgain) {
  const v1::TlsConfig files = Issue(Role::kCoordinator, "vm-a");
  Serve(files);
  EXPECT_EQ(Call(Connect(Issue(Role::kViewer, "alice")), kListJobs).value_or(""), "viewer alice ");
  authority_ = *Authority::Make("Next CA", kValid, WallTime());
  const v1::TlsConfig next = Issue(Role::kCoordinator, "vm-a");
  for (const auto& [from, to] :
       {std::pair{next.ca(), files.ca()}, {next.key(), files.key()}, {next.cert(), files.cert()}}) {
    std::filesystem::rename(from, to);
  }
  const auto channel = Connect(Issue(Role::kViewer, "bob"));
  const absl::Time until = WallTime() + kTimeout;
  absl::StatusOr<std::string> answer;
  while (!(answer = Call(channel, kListJobs)).ok() && WallTime() < until) {
  }
  EXPECT_EQ(answer.value_or(""), "viewer bob ") << answer.status();
}

TEST_F(TlsTest, WrongFilesAreToldByName) {
  const v1::TlsConfig good = Issue(Role::kWatcher, "vm-b");
  EXPECT_TRUE(Tls::OfService(good, Role::kWatcher, "vm-b").ok());
  v1::WatcherConfig config;
  EXPECT_EQ(*Tls::OfConfig(config, Role::kWatcher, "vm-b"), nullptr);
  // `tls: {}` was taken for none, and all went unencrypted.
  config.mutable_tls();
  EXPECT_EQ(Tls::OfConfig(config, Role::kWatcher, "vm-b").status().message(),
            "tls: ca: is missing; give ca, cert and key");

  v1::TlsConfig files = good;
  files.clear_key();
  EXPECT_EQ(Tls::OfService(files, Role::kWatcher).status().message(),
            "tls: key: is missing; give ca, cert and key");
  files = good;
  files.set_ca("/nowhere");
  EXPECT_EQ(Tls::OfService(files, Role::kWatcher).status().message(),
            "tls: ca: /nowhere can't be read: No such file or directory");
  files = good;
  files.set_cert(folder_);
  EXPECT_EQ(Tls::OfService(files, Role::kWatcher).status().message(),
            StrCat("tls: cert: ", folder_, " is not a file"));
  EXPECT_EQ(Tls::OfService(good, Role::kWatcher, "vm-c").status().message(),
            StrCat("tls: cert: ", good.cert(),
                   " is that of watcher vm-b; needed is one of watcher "
                   "vm-c: `closewrite certs issue watcher vm-c`"));
  EXPECT_EQ(Tls::OfService(good, Role::kCoordinator).status().message(),
            StrCat("tls: cert: ", good.cert(),
                   " is that of watcher vm-b; needed is one of "
                   "coordinator: `closewrite certs issue coordinator NAME`"));
  chmod(good.key().c_str(), 0644);
  EXPECT_EQ(Tls::OfService(good, Role::kWatcher).status().message(),
            StrCat("tls: key: ", good.key(), " can be read or changed by others; chmod 600 it"));
}

TEST_F(TlsTest, WhatDoesNotFitTogetherIsRefused) {
  const v1::TlsConfig one = Issue(Role::kWatcher, "vm-b");
  v1::TlsConfig mixed = one;
  mixed.set_key(Issue(Role::kWatcher, "vm-b").key());
  const absl::Status key = Tls::OfService(mixed, Role::kWatcher).status();
  EXPECT_TRUE(
      std::string(key.message()).starts_with(StrCat("tls: key: ", mixed.key(), " does not fit: ")))
      << key;
  const v1::TlsConfig old =
      Issue(Role::kWatcher, "vm-b", {}, absl::Minutes(1), WallTime() - absl::Hours(1));
  const absl::Status expired = Tls::OfService(old, Role::kWatcher).status();
  EXPECT_TRUE(std::string(expired.message())
                  .starts_with(StrCat("tls: cert: ", old.cert(), " is not good: ")))
      << expired;
}

TEST_F(TlsTest, TellsWhenTheCertificateExpires) {
  const v1::TlsConfig files = Issue(Role::kWatcher, "vm-b");
  const auto tls = Tls::OfService(files, Role::kWatcher);
  const absl::StatusOr<absl::Time> at = (*tls)->ExpiresAt();
  ASSERT_TRUE(at.ok());
  EXPECT_GT(*at, WallTime() + kValid - absl::Hours(1));
  EXPECT_LT(*at, WallTime() + kValid + absl::Hours(1));

  EXPECT_EQ(CertificateExpiry(tls->get()), *at);
  std::vector<Metric> metrics;
  AddCertificateMetric("closewrite_a_", tls->get(), &metrics);
  ASSERT_EQ(metrics.size(), 1u);
  EXPECT_EQ(metrics[0].name, "closewrite_a_certificate_expires_timestamp_seconds");
  EXPECT_EQ(metrics[0].value, absl::ToUnixSeconds(*at));
}

TEST_F(TlsTest, TellsNothingOfACertificateThatIsNotThere) {
  const v1::TlsConfig files = Issue(Role::kWatcher, "vm-b");
  const auto tls = Tls::OfService(files, Role::kWatcher);
  std::filesystem::remove(files.cert());
  std::vector<Metric> metrics;
  for (const Tls* each : std::initializer_list<const Tls*>{tls->get(), nullptr}) {
    EXPECT_EQ(CertificateExpiry(each), std::nullopt);
    AddCertificateMetric("closewrite_a_", each, &metrics);
  }
  EXPECT_TRUE(metrics.empty());
}

}  // namespace
}  // namespace closewrite
