// What every misdeed is given.
#ifndef TESTS_HOSTILE_STAGE_H_
#define TESTS_HOSTILE_STAGE_H_

#include "tests/hostile/dialer.h"
#include "tests/hostile/findings.h"
#include "tests/hostile/options.h"

namespace closewrite::hostile {

struct Stage {
  const Options& options;
  const Dialer& dialer;
  Findings& findings;
};

}  // namespace closewrite::hostile

#endif  // TESTS_HOSTILE_STAGE_H_
