#include "tests/simulation/trace.h"

#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/simulation/random.h"

namespace closewrite::simulation {
namespace {

std::string Render(std::string_view format, std::initializer_list<int64_t> numbers,
                   std::string_view detail) {
  std::string text;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '$' || i + 1 == format.size()) {
      text += format[i];
      continue;
    }
    const char name = format[++i];
    const size_t index = static_cast<size_t>(name - '0');
    if (name == 'd') {
      absl::StrAppend(&text, absl::string_view(detail.data(), detail.size()));
    } else if (index < numbers.size()) {
      absl::StrAppend(&text, numbers.begin()[index]);
    }
  }
  return text;
}

}  // namespace

void Trace::Mix(uint64_t value) { hash_ = Random::Mix(hash_ + 0x9e3779b97f4a7c15) ^ value; }

void Trace::Mix(std::string_view text) {
  uint64_t word = 0;
  while (text.size() >= sizeof(word)) {
    std::memcpy(&word, text.data(), sizeof(word));
    Mix(word);
    text.remove_prefix(sizeof(word));
  }
  word = text.size();
  for (const char c : text) word = word << 8 | static_cast<uint8_t>(c);
  Mix(word);
}

void Trace::Add(int64_t at_ns, std::string_view who, std::string_view format,
                std::initializer_list<int64_t> numbers, std::string_view detail) {
  Mix(static_cast<uint64_t>(at_ns));
  Mix(who);
  Mix(format);
  for (const int64_t number : numbers) Mix(static_cast<uint64_t>(number));
  Mix(detail);
  if (!keep_text_) return;
  if (lines_.size() == kTraceLinesMax) lines_.pop_front();
  lines_.push_back(absl::StrFormat("%12.6f  %-4s %s", static_cast<double>(at_ns) * 1e-9,
                                   std::string(who), Render(format, numbers, detail)));
}

}  // namespace closewrite::simulation
