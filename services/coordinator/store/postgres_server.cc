#include "services/coordinator/store/postgres_server.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/memory/memory.h"
#include "services/log/log.h"

namespace closewrite {
namespace {

namespace fs = std::filesystem;

constexpr char kInstalled[] = "/usr/lib/postgresql";
constexpr char kReady[] = "database system is ready to accept connections";
constexpr size_t kLogBytesMax = 64 << 10;

// Where the newest server that is installed has its programs; "" when there is none.
std::string FindPrograms() {
  int newest = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(kInstalled, error)) {
    newest = std::max(newest, atoi(entry.path().filename().c_str()));
  }
  return newest == 0 ? "" : StrCat(kInstalled, "/", newest, "/bin/");
}

// Runs a program as `nobody` when this is root, with what it says in `output`. It is ended when the
// thread that calls this is.
pid_t Spawn(const std::vector<std::string>& args, const std::string& folder, int output) {
  std::vector<char*> argv;
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  const passwd* const nobody = geteuid() == 0 ? getpwnam("nobody") : nullptr;
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child != 0) return child;
  if (nobody != nullptr &&
      (setgroups(0, nullptr) != 0 || setgid(nobody->pw_gid) != 0 || setuid(nobody->pw_uid) != 0)) {
    _exit(126);
  }
  // After the change of user, which would undo it.
  if (prctl(PR_SET_PDEATHSIG, SIGQUIT) != 0 || getppid() != parent) _exit(126);
  if (chdir(folder.c_str()) != 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0) _exit(126);
  execv(argv[0], argv.data());
  _exit(127);
}

absl::Status InitDatabase(const std::string& programs, const std::string& folder) {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  const pid_t child =
      Spawn({programs + "initdb", "--pgdata", folder + "/data", "--username=postgres",
             "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"},
            folder, null);
  close(null);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
    return absl::UnavailableError(StrCat("initdb failed with status ", status));
  }
  return absl::OkStatus();
}

}  // namespace

PostgresServer* PostgresServer::Get() {
  static std::unique_ptr<PostgresServer>* const server = [] {
    // Tests kill processes, not machines: what is written survives without fsync, and each of the
    // many databases is made in half the time.
    absl::StatusOr<std::unique_ptr<PostgresServer>> created =
        Create({"-c", "fsync=off", "-c", "full_page_writes=off"});
    if (!created.ok()) LogError("no PostgreSQL", {{"error", created.status().ToString()}});
    auto* kept = new std::unique_ptr<PostgresServer>(created.ok() ? *std::move(created) : nullptr);
    atexit([] {
      if (Get() != nullptr) Get()->~PostgresServer();
    });
    return kept;
  }();
  return server->get();
}

absl::StatusOr<std::unique_ptr<PostgresServer>> PostgresServer::Create(
    const std::vector<std::string>& settings) {
  const std::string programs = FindPrograms();
  if (programs.empty()) {
    return absl::NotFoundError(
        StrCat("no server in ", kInstalled, ": install the package postgresql"));
  }
  std::string folder = fs::temp_directory_path() / "closewrite_postgres_XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    return absl::UnavailableError(StrCat("cannot make ", folder, ": ", strerror(errno)));
  }
  auto server = absl::WrapUnique(new PostgresServer(folder, programs, settings));
  const passwd* const nobody = geteuid() == 0 ? getpwnam("nobody") : nullptr;
  if (nobody != nullptr && chown(folder.c_str(), nobody->pw_uid, nobody->pw_gid) != 0) {
    return absl::UnavailableError(StrCat("cannot give ", folder, " away: ", strerror(errno)));
  }
  absl::Status status = InitDatabase(programs, folder);
  if (status.ok()) status = server->Start();
  if (!status.ok()) return status;
  return server;
}

PostgresServer::PostgresServer(std::string folder, std::string programs,
                               std::vector<std::string> settings)
    : folder_(std::move(folder)), programs_(std::move(programs)), settings_(std::move(settings)) {}

PostgresServer::~PostgresServer() {
  Kill();
  fs::remove_all(folder_);
}

std::string PostgresServer::Url(std::string_view database, std::string_view role) const {
  return StrCat("postgresql://", role, "@/", database, "?host=", folder_);
}

std::string PostgresServer::NewDatabase() {
  std::string name;
  {
    absl::MutexLock lock(&mutex_);
    name = StrCat("test", ++databases_);
  }
  const absl::StatusOr<PostgresResult> made = Run("postgres", StrCat("CREATE DATABASE ", name));
  if (!made.ok()) LogError("cannot make a database", {{"error", made.status().ToString()}});
  return name;
}

void PostgresServer::DropDatabase(std::string_view database) {
  const absl::StatusOr<PostgresResult> dropped =
      Run("postgres", StrCat("DROP DATABASE ", database, " WITH (FORCE)"));
  if (!dropped.ok()) LogError("cannot drop a database", {{"error", dropped.status().ToString()}});
}

absl::StatusOr<PostgresResult> PostgresServer::Run(std::string_view database,
                                                   std::string_view sql) {
  absl::StatusOr<PostgresUrl> url = ParsePostgresUrl(Url(database));
  if (!url.ok()) return url.status();
  absl::StatusOr<std::unique_ptr<PostgresConnection>> connection =
      PostgresConnection::Connect(*url);
  if (!connection.ok()) return connection.status();
  absl::StatusOr<std::vector<PostgresResult>> results =
      (*connection)->Run({{.sql = sql, .keep = false}});
  if (!results.ok()) return results.status();
  return std::move(results->front());
}

void PostgresServer::ReadLog(int fd) {
  char buffer[4096];
  for (;;) {
    const ssize_t size = read(fd, buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    absl::MutexLock lock(&mutex_);
    // The end comes when the last process of the server is gone.
    if (size <= 0) {
      log_ended_ = true;
      break;
    }
    log_.append(buffer, static_cast<size_t>(size));
    if (log_.find(kReady) != std::string::npos) ready_ = true;
    if (log_.size() > kLogBytesMax) log_.erase(0, log_.size() - kLogBytesMax / 2);
  }
  close(fd);
}

absl::Status PostgresServer::Start() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::UnavailableError("no pipe");
  {
    absl::MutexLock lock(&mutex_);
    ready_ = log_ended_ = false;
    log_.clear();
  }
  std::vector<std::string> args = {programs_ + "postgres", "-D", folder_ + "/data", "-k", folder_};
  args.insert(args.end(), {"-c", "listen_addresses=", "-c", "max_connections=60"});
  // A server that is killed leaves its shared memory behind: in its own folder.
  args.insert(args.end(), {"-c", "dynamic_shared_memory_type=mmap"});
  args.insert(args.end(), settings_.begin(), settings_.end());
  pid_ = Spawn(args, folder_, ends[1]);
  close(ends[1]);
  log_reader_ = std::thread([this, fd = ends[0]] { ReadLog(fd); });
  absl::MutexLock lock(&mutex_);
  const auto settled = [this] {
    mutex_.AssertHeld();
    return ready_ || log_ended_;
  };
  mutex_.Await(absl::Condition(&settled));
  if (ready_) return absl::OkStatus();
  return absl::UnavailableError(StrCat("the server ended: ", log_));
}

void PostgresServer::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
  // The server's other processes end when they find themselves alone.
  log_reader_.join();
}

}  // namespace closewrite
