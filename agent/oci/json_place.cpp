#include "agent/oci/json_place.h"

namespace plimsoll::oci {
namespace {

constexpr std::size_t kMostShown = 60;

std::string shown(const nlohmann::json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (text.size() > kMostShown) text = text.substr(0, kMostShown) + "...";
  return text;
}

}  // namespace

Place Place::operator[](const char* key) const {
  if (!present()) return {nullptr, this, key, 0};
  if (!value_->is_object()) {
    expected("an object");
    return {nullptr, this, key, 0};
  }
  const auto found = value_->find(key);
  return {found == value_->end() ? nullptr : &*found, this, key, 0};
}

std::string Place::path() const {
  if (parent_ == nullptr) return "";
  std::string path = parent_->path();
  if (key_ == nullptr) return path + "[" + std::to_string(index_) + "]";
  return path.empty() ? key_ : path + "." + key_;
}

void Place::wrong(std::string_view problem) const {
  if (failure_->error) return;
  const std::string way = path();
  failure_->error = Error(failure_->file + ": " + (way.empty() ? "" : way + ": ") + std::string(problem),
                          ErrorKind::kInvalid);
}

void Place::expected(std::string_view what) const {
  if (!failure_->error) wrong("expected " + std::string(what) + ", got " + shown(*value_));
}

void Place::read(bool& out) const {
  if (!present()) return;
  if (!value_->is_boolean()) return expected("true or false");
  out = value_->get<bool>();
}

void Place::read(std::string& out) const {
  if (!present()) return;
  if (!value_->is_string()) return expected("a string");
  out = value_->get_ref<const std::string&>();
  // The kernel would see the text only up to there: two readers, two meanings.
  if (out.find('\0') != std::string::npos) wrong("a string with a NUL byte in it");
}

void Place::read(std::map<std::string, std::string>& out) const {
  if (!present()) return;
  if (!value_->is_object()) return expected("an object");
  for (const auto& [key, value] : value_->items()) {
    if (key.find('\0') != std::string::npos) wrong("a name with a NUL byte in it");
    Place(&value, this, key.c_str(), 0).read(out[key]);
  }
}

Result<nlohmann::json> parse_json(std::string_view file, std::string_view text) {
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    const std::string_view what = error.what();
    const std::size_t at = what.find(" at line ");
    return invalid(std::string(file) + ": syntax error" +
                   std::string(at == std::string_view::npos ? ": " + std::string(what) : what.substr(at)));
  }
}

}  // namespace plimsoll::oci
