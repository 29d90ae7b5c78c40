// Typed access to the members of a JSON object, with errors that name the member's path.
#pragma once

#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/base/result.h"

namespace plimsoll::container {

// Collects the first error; readers after it give their defaults, so that a decoder reads as a list.
class Members {
 public:
  // `object` null or absent is an empty object. `path` is the prefix of names in errors ("HostConfig.").
  // With `forgiven`, for what this agent has stored itself: a value that is refused for what it means goes
  // there and is read nevertheless; only a value of another type is still an error.
  Members(const nlohmann::json* object, std::string path, std::optional<Error>& error,
          std::vector<std::string>* forgiven = nullptr);

  // nullptr where absent or null.
  const nlohmann::json* find(const char* name) const;
  std::string text(const char* name) const;
  std::int64_t integer(const char* name) const;
  std::int64_t natural(const char* name) const;  // not negative
  bool boolean(const char* name) const;
  std::vector<std::string> texts(const char* name) const;
  std::optional<std::vector<std::string>> optional_texts(const char* name) const;
  std::map<std::string, std::string> text_map(const char* name) const;
  std::set<std::string> keys(const char* name) const;  // of an object {"80/tcp": {}}
  // An array of objects; `use` is called with the members of each.
  template <typename Use>
  void each(const char* name, Use use) const;
  Members inside(const char* name) const;

  // Refuses a member that is set (not null, false, 0, "", [] or {}).
  void refuse(const char* name, const std::string& why) const;
  // Refuses what is set and was not read so far: an option that nobody knows must not be skipped in silence.
  // `meaningless` may be set nevertheless.
  void refuse_rest(std::initializer_list<std::string_view> meaningless = {}) const;
  void fail(const std::string& name, const std::string& why, ErrorKind kind = ErrorKind::kInvalid) const;
  bool failed() const { return error_.has_value(); }

 private:
  void mismatch(const char* name, const char* wanted, const nlohmann::json& got) const;
  void misshapen(const std::string& name, const std::string& why) const;

  const nlohmann::json* object_;
  std::string path_;
  std::optional<Error>& error_;
  std::vector<std::string>* forgiven_;
  mutable std::set<std::string, std::less<>> asked_;
};

template <typename Use>
void Members::each(const char* name, Use use) const {
  const nlohmann::json* list = find(name);
  if (list == nullptr) return;
  if (!list->is_array()) return mismatch(name, "an array", *list);
  std::size_t index = 0;
  for (const nlohmann::json& one : *list) {
    use(Members(&one, path_ + name + "[" + std::to_string(index++) + "].", error_, forgiven_));
  }
}

}  // namespace plimsoll::container
