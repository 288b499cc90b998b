// How a fuzz target says that a promise was broken.
#ifndef TESTS_FUZZ_REQUIRE_H_
#define TESTS_FUZZ_REQUIRE_H_

#include <stdio.h>
#include <stdlib.h>

#include <string_view>

namespace closewrite {

// Ends the process when `holds` is false; libFuzzer then keeps the input.
inline void Require(bool holds, std::string_view what, std::string_view detail = "") {
  if (holds) return;
  fprintf(stderr, "broken: %.*s %.*s\n", static_cast<int>(what.size()), what.data(),
          static_cast<int>(detail.size()), detail.data());
  abort();
}

}  // namespace closewrite

#endif  // TESTS_FUZZ_REQUIRE_H_
