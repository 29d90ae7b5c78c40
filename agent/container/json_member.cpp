#include "agent/container/json_member.h"

#include <algorithm>
#include <limits>
#include <set>

#include "agent/base/json_text.h"

namespace plimsoll::container {
namespace {

using nlohmann::json;

bool is_set(const json& value) {
  if (value.is_null()) return false;
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.empty();
}

std::string shown(const json& value) {
  constexpr std::size_t kMostShown = 40;
  std::string text = json_text(value);
  if (text.size() > kMostShown) text = text.substr(0, kMostShown) + "...";
  return text;
}

}  // namespace

Members::Members(const json* object, std::string path, std::optional<Error>& error,
                 std::vector<std::string>* forgiven)
    : object_(object), path_(std::move(path)), error_(error), forgiven_(forgiven) {
  if (object_ == nullptr || object_->is_null()) {
    object_ = nullptr;
  } else if (!object_->is_object()) {
    if (!error_) {
      const std::string name = path_.empty() ? "the document" : path_.substr(0, path_.size() - 1);
      error_ = Error(name + ": expected an object, got " + shown(*object_), ErrorKind::kInvalid);
    }
    object_ = nullptr;
  }
}

const json* Members::find(const char* name) const {
  asked_.emplace(name);
  if (object_ == nullptr) return nullptr;
  const auto found = object_->find(name);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

void Members::fail(const std::string& name, const std::string& why, ErrorKind kind) const {
  if (forgiven_ != nullptr) return forgiven_->push_back(path_ + name + ": " + why);
  if (!error_) error_ = Error(path_ + name + ": " + why, kind);
}

void Members::misshapen(const std::string& name, const std::string& why) const {
  if (!error_) error_ = Error(path_ + name + ": " + why, ErrorKind::kInvalid);
}

void Members::mismatch(const char* name, const char* wanted, const json& got) const {
  misshapen(name, std::string("expected ") + wanted + ", got " + shown(got));
}

std::string Members::text(const char* name) const {
  const json* value = find(name);
  if (value == nullptr) return "";
  if (!value->is_string()) return mismatch(name, "a string", *value), "";
  const auto& text = value->get_ref<const std::string&>();
  if (text.find('\0') != std::string::npos) return misshapen(name, "holds a NUL character"), "";
  return text;
}

std::int64_t Members::integer(const char* name) const {
  const json* value = find(name);
  if (value == nullptr) return 0;
  const bool fits = value->is_number_integer() &&
                    (!value->is_number_unsigned() ||
                     value->get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<std::int64_t>::max()});
  if (!fits) return mismatch(name, "an integer", *value), 0;
  return value->get<std::int64_t>();
}

std::int64_t Members::natural(const char* name) const {
  const std::int64_t value = integer(name);
  if (value < 0) return misshapen(name, "is negative"), 0;
  return value;
}

bool Members::boolean(const char* name) const {
  const json* value = find(name);
  if (value == nullptr) return false;
  if (!value->is_boolean()) return mismatch(name, "true or false", *value), false;
  return value->get<bool>();
}

std::optional<std::vector<std::string>> Members::optional_texts(const char* name) const {
  const json* value = find(name);
  if (value == nullptr) return std::nullopt;
  std::vector<std::string> out;
  if (value->is_string()) return std::vector{text(name)};  // Docker takes "Cmd": "date" too
  if (!value->is_array()) return mismatch(name, "an array of strings", *value), std::nullopt;
  for (const json& one : *value) {
    if (!one.is_string()) return mismatch(name, "an array of strings", *value), std::nullopt;
    out.push_back(one.get<std::string>());
    if (out.back().find('\0') != std::string::npos)
      return misshapen(name, "holds a NUL character"), std::nullopt;
  }
  return out;
}

std::vector<std::string> Members::texts(const char* name) const {
  return optional_texts(name).value_or(std::vector<std::string>{});
}

std::map<std::string, std::string> Members::text_map(const char* name) const {
  const json* value = find(name);
  if (value == nullptr) return {};
  if (!value->is_object())
    return mismatch(name, "an object of strings", *value), std::map<std::string, std::string>{};
  std::map<std::string, std::string> out;
  for (const auto& [key, one] : value->items()) {
    if (!one.is_string() && !one.is_null()) return mismatch(name, "an object of strings", *value), out;
    out[key] = one.is_null() ? "" : one.get<std::string>();
  }
  return out;
}

std::set<std::string> Members::keys(const char* name) const {
  const json* value = find(name);
  if (value == nullptr) return {};
  if (!value->is_object()) return mismatch(name, "an object", *value), std::set<std::string>{};
  std::set<std::string> out;
  for (const auto& [key, one] : value->items()) out.insert(key);
  return out;
}

Members Members::inside(const char* name) const {
  return {find(name), path_ + name + ".", error_, forgiven_};
}

void Members::refuse(const char* name, const std::string& why) const {
  const json* value = find(name);
  if (value != nullptr && is_set(*value)) fail(name, why, ErrorKind::kUnsupported);
}

void Members::refuse_rest(std::initializer_list<std::string_view> meaningless) const {
  if (object_ == nullptr) return;
  for (const auto& [name, value] : object_->items()) {
    if (asked_.contains(name) || std::ranges::find(meaningless, name) != meaningless.end()) continue;
    if (is_set(value)) fail(name, "is not supported", ErrorKind::kUnsupported);
  }
}

}  // namespace plimsoll::container
