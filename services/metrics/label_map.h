// Keeps the values of a label few.
#ifndef SERVICES_METRICS_LABEL_MAP_H_
#define SERVICES_METRICS_LABEL_MAP_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/container/node_hash_map.h"

namespace closewrite {

// A series costs memory here and in Prometheus, for ever.
inline constexpr size_t kLabelValuesMax = 1000;
inline constexpr std::string_view kOtherLabel = "other";

// What is counted by name. The first kLabelValuesMax names stand for themselves, from then on and
// for good; all that come later are one. Not thread-safe.
template <class Value>
class LabelMap {
 public:
  Value& operator[](const std::string& name) {
    const auto known = values_.find(name);
    return known == values_.end() ? Add(name).second : known->second;
  }
  // What stands for `name`; it stays where it is.
  const std::string& LabelOf(const std::string& name) {
    const auto known = values_.find(name);
    return known == values_.end() ? Add(name).first : known->first;
  }

  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }

 private:
  using Values = absl::node_hash_map<std::string, Value>;

  typename Values::value_type& Add(const std::string& name) {
    return *values_.try_emplace(values_.size() < kLabelValuesMax ? name : std::string(kOtherLabel))
                .first;
  }

  Values values_;
};

}  // namespace closewrite

#endif  // SERVICES_METRICS_LABEL_MAP_H_
