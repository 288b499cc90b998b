// What the command line says of a misdeed.
#ifndef TESTS_HOSTILE_OPTIONS_H_
#define TESTS_HOSTILE_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace closewrite::hostile {

struct Options {
  std::string coordinator;  // host:port
  // Files of a certificate; all empty without TLS.
  std::string ca;
  std::string cert;
  std::string key;
  // What the liar calls itself: its host, its executor, and the volume that it says is its own.
  std::string host = "hostile";
  std::string name = "hostile";
  std::string volume = "hostile";
  // Labels and volumes that its executor says it has, so that it is given a job of its own.
  std::string label;
  std::vector<std::string> roots;
  // Whom it lies about: volumes whose home is another, a session and its executor, a lease.
  std::vector<std::string> foreign;
  std::string session;
  std::string owner;
  std::string owner_host;
  int64_t job = 0;
  int64_t token = 0;
  // How long a flood lasts, or streams are held open at most.
  double seconds = 5;

  bool tls() const { return !cert.empty(); }
};

}  // namespace closewrite::hostile

#endif  // TESTS_HOSTILE_OPTIONS_H_
