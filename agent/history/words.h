// Values of the model as rows of 64-bit words, and back: one description of each type (describe.h) is run by
// both. Strings are numbers in a table that grows with the row's file.
#pragma once

#include <bit>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/units.h"
#include "agent/model/limits.h"

namespace plimsoll::history {

using Words = std::vector<std::uint64_t>;

// Each text once, numbered in the order in which they came; 0 is the empty one.
class Strings {
 public:
  std::uint64_t number(const std::string& text) {
    if (text.empty()) return 0;
    const auto [at, fresh] = numbers_.try_emplace(text, texts_.size() + 1);
    if (fresh) texts_.push_back(text);
    return at->second;
  }
  const std::string* text(std::uint64_t number) const {
    static const std::string nothing;
    if (number == 0) return &nothing;
    return number <= texts_.size() ? &texts_[number - 1] : nullptr;
  }
  const std::vector<std::string>& all() const { return texts_; }
  void add(std::string text) { number(text); }

 private:
  std::unordered_map<std::string, std::uint64_t> numbers_;
  std::vector<std::string> texts_;
};

class WordWriter {
 public:
  WordWriter(Words& out, Strings& strings) : out_(out), strings_(strings) {}
  static constexpr bool kReads = false;

  template <typename T>
    requires(std::integral<T> || std::is_enum_v<T>)
  void value(const T& number) {
    out_.push_back(static_cast<std::uint64_t>(number));
  }
  void value(const double& number) { out_.push_back(std::bit_cast<std::uint64_t>(number)); }
  void value(const std::string& text) { out_.push_back(strings_.number(text)); }
  void value(const Bytes& bytes) { out_.push_back(bytes.value); }
  void value(const BootTime& time) { value(time.since_boot); }
  void value(const WallTime& time) { value(time.time_since_epoch()); }
  template <typename Rep, typename Period>
  void value(const std::chrono::duration<Rep, Period>& time) {
    out_.push_back(static_cast<std::uint64_t>(time.count()));
  }
  // The kernel's "12.34": a whole number changes less from one moment to the next.
  void percent(const double& share) { out_.push_back(static_cast<std::uint64_t>(std::llround(share * 100))); }
  template <typename T>
  void value(const model::Bound<T>& bound) {
    out_.push_back(bound.is_max() ? 1 : 0);
    value(bound.is_max() ? T{} : bound.value());
  }
  template <typename T, typename Each>
  void optional(const std::optional<T>& maybe, const Each& each) {
    out_.push_back(maybe ? 1 : 0);
    if (maybe) each(*maybe);
  }
  template <typename T, typename Each>
  void list(const std::vector<T>& all, const Each& each) {
    out_.push_back(all.size());
    for (const T& one : all) each(one);
  }
  void labels(const std::map<std::string, std::string>& all) {
    out_.push_back(all.size());
    for (const auto& [key, text] : all) value(key), value(text);
  }

 private:
  Words& out_;
  Strings& strings_;
};

// Malformed rows give good() == false, never more than they have words for.
class WordReader {
 public:
  WordReader(std::span<const std::uint64_t> in, const Strings& strings) : in_(in), strings_(strings) {}
  static constexpr bool kReads = true;
  bool good() const { return good_; }
  bool at_end() const { return at_ == in_.size(); }

  template <typename T>
    requires(std::integral<T> || std::is_enum_v<T>)
  void value(T& number) {
    number = static_cast<T>(word());
  }
  void value(double& number) { number = std::bit_cast<double>(word()); }
  void value(std::string& text) {
    const std::string* known = strings_.text(word());
    if (known == nullptr)
      good_ = false;
    else
      text = *known;
  }
  void value(Bytes& bytes) { bytes.value = word(); }
  void value(BootTime& time) { value(time.since_boot); }
  void value(WallTime& time) {
    std::chrono::nanoseconds since{0};
    value(since);
    time = WallTime(since);
  }
  template <typename Rep, typename Period>
  void value(std::chrono::duration<Rep, Period>& time) {
    time = std::chrono::duration<Rep, Period>(static_cast<Rep>(word()));
  }
  void percent(double& share) { share = static_cast<double>(static_cast<std::int64_t>(word())) / 100.0; }
  template <typename T>
  void value(model::Bound<T>& bound) {
    const bool max = word() != 0;
    T number{};
    value(number);
    bound = max ? model::Bound<T>::max() : model::Bound<T>(number);
  }
  template <typename T, typename Each>
  void optional(std::optional<T>& maybe, const Each& each) {
    maybe.reset();
    if (word() == 0) return;
    if constexpr (std::is_default_constructible_v<T>)
      maybe.emplace();
    else
      maybe.emplace(T::max());
    each(*maybe);
  }
  template <typename T, typename Each>
  void list(std::vector<T>& all, const Each& each) {
    const std::uint64_t size = word();
    all.clear();
    if (size > in_.size() - at_) good_ = false;
    for (std::uint64_t i = 0; good_ && i < size; ++i) each(all.emplace_back());
  }
  void labels(std::map<std::string, std::string>& all) {
    const std::uint64_t size = word();
    all.clear();
    for (std::uint64_t i = 0; good_ && i < size; ++i) {
      std::string key;
      value(key);
      value(all[key]);
    }
  }

 private:
  std::uint64_t word() {
    if (at_ < in_.size()) return in_[at_++];
    good_ = false;
    return 0;
  }
  std::span<const std::uint64_t> in_;
  const Strings& strings_;
  std::size_t at_ = 0;
  bool good_ = true;
};

}  // namespace plimsoll::history
