// Any text is a condition or gets an error at a place inside it; a condition can be evaluated.
#include <cstdlib>
#include <string_view>

#include "policies/expression.h"

namespace {

using namespace plimsoll;
using namespace plimsoll::policies;

class Ones final : public SignalSource {
 public:
  Reading value(SignalId signal) const override {
    return {signal % 3 == 0 ? 0.0 : 1.0, Unknown::kKnown, signal};
  }
  Reading window(Function, SignalId signal, Nanoseconds) const override {
    return {0, Unknown::kShortHistory, signal};
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const bool host : {false, true}) {
    const auto condition = Expression::condition(text, {.host_only = host});
    if (!condition) {
      if (condition.error().at > text.size() || condition.error().message.empty()) std::abort();
      continue;
    }
    std::vector<HoldTimer> timers;
    Reading why;
    for (const int second : {1, 2, 100}) {
      const BootTime now{std::chrono::seconds(second)};
      const Truth truth = condition->test(Ones(), now, timers, &why);
      if (truth == Truth::kUnknown && why.known()) std::abort();
      if (condition->since(now, timers) > now) std::abort();
    }
  }
  for (const Unit unit : {Unit::kBytes, Unit::kCores, Unit::kCount, Unit::kSeconds}) {
    if (const auto value = Expression::value(text, unit, {})) (void)value->evaluate(Ones());
  }
  return 0;
}
