// `import --change`: the Dockerfile instructions that only change the configuration.
#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <sstream>

#include "agent/image/store.h"

namespace plimsoll::image {
namespace {

using nlohmann::json;

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

// The exec form is a JSON array; everything else is for the shell.
std::vector<std::string> command_of(const std::string& value) {
  const json array = json::parse(value, nullptr, /*allow_exceptions=*/false);
  if (array.is_array() && std::ranges::all_of(array, [](const json& one) { return one.is_string(); })) {
    return array.get<std::vector<std::string>>();
  }
  return {"/bin/sh", "-c", value};
}

std::vector<std::string> words_of(const std::string& value) {
  const json array = json::parse(value, nullptr, false);
  if (array.is_array()) return command_of(value);
  std::istringstream in(value);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// One KEY=VALUE after another; a value may stand in double quotes. False where one has no '='.
bool for_each_pair(const std::string& text, const std::function<void(std::string, std::string)>& use) {
  std::size_t at = 0;
  while (true) {
    at = text.find_first_not_of(" \t", at);
    if (at == std::string::npos) return true;
    const auto equals = text.find('=', at);
    if (equals == std::string::npos || text.find_first_of(" \t", at) < equals) return false;
    const std::string key = text.substr(at, equals - at);
    std::string value;
    bool quoted = false;
    for (at = equals + 1; at < text.size() && (quoted || (text[at] != ' ' && text[at] != '\t')); ++at) {
      if (text[at] == '"') {
        quoted = !quoted;
      } else {
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        value += text[at];
      }
    }
    if (quoted || key.empty()) return false;
    use(key, value);
  }
}

void set_env(Defaults& config, const std::string& key, const std::string& value) {
  std::erase_if(config.env, [&](const std::string& one) { return one.starts_with(key + "="); });
  config.env.push_back(key + "=" + value);
}

bool apply(const std::string& instruction, const std::string& value, Defaults& config) {
  if (instruction == "CMD") {
    config.cmd = command_of(value);
  } else if (instruction == "ENTRYPOINT") {
    config.entrypoint = command_of(value);
  } else if (instruction == "WORKDIR") {
    config.working_dir = value.starts_with('/') ? value : "/" + value;
  } else if (instruction == "USER") {
    config.user = value;
  } else if (instruction == "STOPSIGNAL") {
    config.stop_signal = value;
  } else if (instruction == "EXPOSE") {
    for (const std::string& port : words_of(value)) {
      config.exposed_ports.insert(port.find('/') == std::string::npos ? port + "/tcp" : port);
    }
  } else if (instruction == "VOLUME") {
    for (const std::string& path : words_of(value)) config.volumes.insert(path);
  } else if (instruction == "LABEL") {
    return for_each_pair(value, [&](const auto& key, const auto& text) { config.labels[key] = text; });
  } else if (instruction == "ENV") {
    if (for_each_pair(value, [&](const auto& key, const auto& text) { set_env(config, key, text); }))
      return true;
    const auto space = value.find(' ');  // the old form: ENV NAME the rest
    if (space == std::string::npos) return false;
    set_env(config, value.substr(0, space), trimmed(value.substr(space)));
  } else {
    return false;
  }
  return true;
}

}  // namespace

Result<> apply_changes(const std::vector<std::string>& changes, Defaults& config) {
  for (const std::string& change : changes) {
    const std::string line = trimmed(change);
    const auto space = line.find_first_of(" \t");
    std::string instruction = line.substr(0, space);
    std::ranges::transform(instruction, instruction.begin(), [](unsigned char c) { return std::toupper(c); });
    const std::string value = space == std::string::npos ? "" : trimmed(line.substr(space));
    if (value.empty() || !apply(instruction, value, config)) {
      return invalid("change '" + change +
                     "': want CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR "
                     "with its value");
    }
  }
  return {};
}

}  // namespace plimsoll::image
