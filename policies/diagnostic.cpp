#include "policies/diagnostic.h"

#include <algorithm>

namespace plimsoll::policies {
namespace {

constexpr std::size_t kMostErrors = 50;

}  // namespace

std::string to_string(const Diagnostic& diagnostic) {
  std::string out = diagnostic.file;
  if (diagnostic.place.line > 0) {
    out += ":" + std::to_string(diagnostic.place.line) + ":" + std::to_string(diagnostic.place.column);
  }
  return out + (diagnostic.warning ? ": warning: " : ": ") + diagnostic.message;
}

std::size_t count_errors(std::span<const Diagnostic> diagnostics) {
  return static_cast<std::size_t>(std::ranges::count(diagnostics, false, &Diagnostic::warning));
}

void Diagnostics::error(Place place, std::string message) {
  ++errors_;
  if (errors_ <= kMostErrors) found_.push_back({file_, place, std::move(message), false});
}

void Diagnostics::warning(Place place, std::string message) {
  if (found_.size() < 2 * kMostErrors) found_.push_back({file_, place, std::move(message), true});
}

std::vector<Diagnostic> Diagnostics::take() && {
  // Stable by hand: libstdc++'s stable_sort uses what Clang calls deprecated.
  std::vector<std::pair<Place, std::size_t>> order;
  for (std::size_t i = 0; i < found_.size(); ++i) order.emplace_back(found_[i].place, i);
  std::ranges::sort(order);
  std::vector<Diagnostic> sorted;
  sorted.reserve(found_.size() + 1);
  for (const auto& [place, index] : order) sorted.push_back(std::move(found_[index]));
  found_ = std::move(sorted);
  if (errors_ > kMostErrors) {
    found_.push_back({file_, {}, "and " + std::to_string(errors_ - kMostErrors) + " more errors", false});
  }
  return std::move(found_);
}

}  // namespace plimsoll::policies
