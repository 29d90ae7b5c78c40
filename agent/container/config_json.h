// Config to and from Docker's JSON. One codec for the API's create and inspect and for the state on disk.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "agent/base/result.h"
#include "agent/container/config.h"

namespace plimsoll::container {

// `document` is the body of POST /containers/create: Config's members with HostConfig and NetworkingConfig
// inside. kInvalid names the member: `HostConfig.Memory: expected an integer, got "x"`. What this agent
// cannot hold (yet) is refused with kUnsupported, never skipped. The name is the caller's to set.
Result<Config> config_from_json(const nlohmann::json& document);

// The same of a document that an agent has stored, maybe one of another version: what is refused at create
// (unknown, unsupported, out of range) goes to `forgiven`, a line each. Such a container may be running.
Result<Config> stored_config(const nlohmann::json& document, std::vector<std::string>& forgiven);

// Docker's Config and HostConfig objects, as inspect shows them.
nlohmann::json config_to_json(const Config& config);
nlohmann::json host_config_to_json(const Config& config);

// Both in one document, which config_from_json takes back.
nlohmann::json document_of(const Config& config);

Result<RestartPolicy> parse_restart_policy(const std::string& text);  // "on-failure:3", "always"
std::string_view to_string(RestartKind kind);

Result<int> signal_from(const std::string& text);  // parse_signal; kInvalid names the text

}  // namespace plimsoll::container
