// What most sources include, parsed once for all fuzz targets; see build.py.
#ifndef TESTS_FUZZ_PRELUDE_H_
#define TESTS_FUZZ_PRELUDE_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

#endif  // TESTS_FUZZ_PRELUDE_H_
