// A value of a JSON document together with the way to it, so that an error can name its place. The first
// error is kept in the document's Failure; reading goes on with defaults. Includes nlohmann: for .cpp files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "agent/base/result.h"

namespace plimsoll::oci {

class Place {
 public:
  struct Failure {
    std::string file;  // "config.json"
    std::optional<Error> error;
  };

  Place(const nlohmann::json& root, Failure& failure) : value_(&root), failure_(&failure) {}

  // null counts as absent.
  bool present() const { return value_ != nullptr && !value_->is_null(); }
  const nlohmann::json& value() const { return *value_; }

  // The member of this object; absent where this is absent. `this` must outlive what it returns.
  Place operator[](const char* key) const;

  void expected(std::string_view what) const;  // records the error "PATH: expected WHAT, got VALUE"
  void wrong(std::string_view problem) const;  // records the error "PATH: PROBLEM"
  std::string path() const;

  // Each leaves `out` alone where this is absent.
  void read(bool& out) const;
  void read(std::string& out) const;
  template <typename T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  void read(T& out) const;
  template <typename T>
  void read(std::optional<T>& out) const;
  template <typename T>
  void read(std::vector<T>& out) const;
  void read(std::map<std::string, std::string>& out) const;
  // As read(), but absence is an error.
  template <typename T>
  void require(T& out) const {
    if (!present()) return wrong("is missing");
    read(out);
  }
  template <typename F>
  void each(F&& body) const;

 private:
  Place(const nlohmann::json* value, const Place* parent, const char* key, std::size_t index)
      : value_(value), parent_(parent), key_(key), index_(index), failure_(parent->failure_) {}

  const nlohmann::json* value_;
  const Place* parent_ = nullptr;
  const char* key_ = nullptr;  // nullptr: an array's element
  std::size_t index_ = 0;
  Failure* failure_;
};

template <typename T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
void Place::read(T& out) const {
  if (!present()) return;
  if (value_->is_number_unsigned()) {
    const auto number = value_->get<std::uint64_t>();
    if (number <= static_cast<std::uint64_t>(std::numeric_limits<T>::max())) {
      out = static_cast<T>(number);
      return;
    }
  } else if (value_->is_number_integer() && std::is_signed_v<T>) {
    const auto number = value_->get<std::int64_t>();
    if (number >= static_cast<std::int64_t>(std::numeric_limits<T>::min())) {
      out = static_cast<T>(number);
      return;
    }
  }
  expected(std::string(std::is_signed_v<T> ? "an integer" : "a non-negative integer") +
           (sizeof(T) == 8   ? ""
            : sizeof(T) == 4 ? " of 32 bits"
                             : " of 16 bits"));
}

template <typename T>
void Place::read(std::optional<T>& out) const {
  if (!present()) return;
  T value{};
  read(value);
  out = std::move(value);
}

template <typename T>
void Place::read(std::vector<T>& out) const {
  each([&](const Place& element) { element.read(out.emplace_back()); });
}

template <typename F>
void Place::each(F&& body) const {
  if (!present()) return;
  if (!value_->is_array()) return expected("an array");
  std::size_t index = 0;
  for (const nlohmann::json& element : *value_) body(Place(&element, this, nullptr, index++));
}

// Parses `text`; a syntax error becomes `FILE: syntax error at line 1, column 2: ...`.
Result<nlohmann::json> parse_json(std::string_view file, std::string_view text);

}  // namespace plimsoll::oci
