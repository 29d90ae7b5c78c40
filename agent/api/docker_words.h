// Small things that all Docker endpoints share.
#pragma once

#include <initializer_list>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/api/message.h"
#include "agent/base/clock.h"

namespace plimsoll::api {

struct HostFacts;

using Filters = std::map<std::string, std::vector<std::string>>;

// The `filters` query parameter, in Go's form {"label":{"a=b":true}} or Python's {"label":["a=b"]}. Values
// that Go's form turns off ({"a=b":false}) are left out.
Result<Filters> parse_filters(const std::string& text);

// kInvalid for a filter that is not among `known`: skipping one would tell too much.
Result<> check_filters(const Filters& filters, std::initializer_list<std::string_view> known);

// Whether `labels` has what a `label` filter wants: "key" or "key=value".
bool has_label(const std::map<std::string, std::string>& labels, const std::string& wanted);

// docker's exit codes 126 and 127 come from certain words of an error in Docker's spelling, and from status
// 400.
Error told_as_docker(const Error& error);

inline constexpr const char* kRawStream = "application/vnd.docker.raw-stream";
inline constexpr const char* kFramedStream = "application/vnd.docker.multiplexed-stream";
// One of Docker's frames: [1 stdout | 2 stderr, 0, 0, 0, length in 32 bits] and the text.
std::string framed(bool is_stderr, const std::string& text);

// The `h` and `w` of a resize; absent ones are 0. kInvalid where they are no numbers, or no terminal is that
// large.
struct TerminalSize {
  int rows = 0, columns = 0;
};
Result<TerminalSize> terminal_size(const Request& request);

// A `platform` parameter ("linux/amd64"): kUnsupported where it is not this host's. "" is any.
Result<> check_platform(const std::string& platform, const HostFacts& host);

void reply_json(Exchange& exchange, const nlohmann::json& value, int status = 200);
void reply_empty(Exchange& exchange, int status = 204);
// An empty reply, or the error.
void reply_done(Exchange& exchange, const Result<>& result, int status = 204);

}  // namespace plimsoll::api
