// Speaks the protocol to a coordinator, and lies: as an executor, as a watcher, or with somebody
// else's certificate. Prints one line of JSON that says what was answered to each try, and ends
// with 0 when the coordinator refused or ignored what it should, as far as can be seen from here;
// tests/e2e/hostile_peers_test.py looks at the rest.
#include <unistd.h>

#include <cstdio>
#include <map>
#include <string>

#include "CLI/CLI.hpp"
#include "services/transport/grpc_log.h"
#include "tests/hostile/calls.h"
#include "tests/hostile/dialer.h"
#include "tests/hostile/executor_lies.h"
#include "tests/hostile/findings.h"
#include "tests/hostile/floods.h"
#include "tests/hostile/options.h"
#include "tests/hostile/sizes.h"
#include "tests/hostile/stage.h"
#include "tests/hostile/torrents.h"
#include "tests/hostile/watcher_lies.h"

namespace closewrite::hostile {
namespace {

constexpr double kSecondsMax = 600;

using Misdeed = void (*)(const Stage&);

const std::map<std::string, Misdeed>& Misdeeds() {
  static const auto* const misdeeds = new std::map<std::string, Misdeed>{
      {"stale-token", LieOfALease},  {"steal-session", StealSessions},
      {"flood-hellos", FloodHellos}, {"half-open", HoldHalfOpen},
      {"huge", SendHugeMessages},    {"flood-logs", FloodLogs},
      {"flood-events", FloodEvents}, {"foreign-volume", SpeakForForeignVolumes},
      {"paths", UseWrongPaths},      {"calls", MakeForbiddenCalls},
  };
  return *misdeeds;
}

void Declare(CLI::App* app, Options* options, std::string* misdeed) {
  app->add_option("misdeed", *misdeed)->required()->check(CLI::IsMember(Misdeeds()));
  app->add_option("--coordinator", options->coordinator, "host:port")->required();
  app->add_option("--ca", options->ca);
  app->add_option("--cert", options->cert)->needs(app->get_option("--ca"));
  app->add_option("--key", options->key)->needs(app->get_option("--cert"));
  app->add_option("--host", options->host, "What the liar says it is");
  app->add_option("--name", options->name, "Its executor, and what its other names begin with");
  app->add_option("--volume", options->volume, "Its own volume, as a watcher");
  app->add_option("--label", options->label, "Of its executor");
  app->add_option("--root", options->roots, "A volume that its executor has; then it takes a job");
  app->add_option("--foreign", options->foreign, "A volume whose home is another");
  app->add_option("--session", options->session, "A session of another's");
  app->add_option("--owner", options->owner, "The executor whose session that is");
  app->add_option("--owner-host", options->owner_host, "Its host");
  app->add_option("--job", options->job, "A job that another session holds");
  app->add_option("--token", options->token, "The token that it holds it with");
  app->add_option("--seconds", options->seconds)->check(CLI::Range(0.1, kSecondsMax));
}

int Run(const std::string& misdeed, const Options& options) {
  RouteGrpcLog();
  const absl::StatusOr<Dialer> dialer = Dialer::Make(options);
  if (!dialer.ok()) {
    std::fprintf(stderr, "hostile_peer: %s\n", std::string(dialer.status().message()).c_str());
    return 2;
  }
  Findings findings;
  Misdeeds().at(misdeed)({options, *dialer, findings});
  std::printf("%s\n", findings.Line(misdeed).c_str());
  std::fflush(stdout);
  return findings.good() ? 0 : 1;
}

}  // namespace
}  // namespace closewrite::hostile

int main(int argc, char** argv) {
  CLI::App app("Lies to a coordinator");
  closewrite::hostile::Options options;
  std::string misdeed;
  closewrite::hostile::Declare(&app, &options, &misdeed);
  CLI11_PARSE(app, argc, argv);
  // gRPC's threads may still be at work; nothing of theirs is taken down under them.
  _exit(closewrite::hostile::Run(misdeed, options));
}
