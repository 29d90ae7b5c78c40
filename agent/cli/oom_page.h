// One post-mortem of an OOM kill as a page for people. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace plimsoll::cli {

// "251.3 MiB"; "" for null.
std::string mebibytes(const nlohmann::json& bytes);
// "java (4242)", and how many more there were.
std::string victims_text(const nlohmann::json& post_mortem);
// Whose process the victim was: a container's name, or the path of a cgroup that is in none.
std::string victim_of(const nlohmann::json& post_mortem);

std::string oom_page(const nlohmann::json& post_mortem);
// Usage over the last minute, a column a second, against the limit as it was then; "" where nothing is known.
std::string memory_graph(const nlohmann::json& before);

}  // namespace plimsoll::cli
