// `promtool check metrics` on the text of a scrape, by the promtool that agent/install-dependencies puts into
// the cache.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace plimsoll {

struct PromtoolFindings {
  std::set<std::string> unexpected;  // lines that tests/unit/exporters/promtool_allowed.txt does not list
  std::set<std::string> missing;     // those of the list that were not found
};

inline PromtoolFindings promtool_findings(const std::string& metrics) {
  const char* cache_folder = std::getenv("PLIMSOLL_CACHE");
  const std::string promtool = std::string(cache_folder != nullptr ? cache_folder : "/var/cache/plimsoll") +
                               "/prometheus/usr/bin/promtool";
  PromtoolFindings findings;
  std::set<std::string> allowed;
  std::ifstream list(PLIMSOLL_SOURCE_DIR "/tests/unit/exporters/promtool_allowed.txt");
  for (std::string line; std::getline(list, line);) {
    if (!line.empty() && !line.starts_with('#')) allowed.insert(line);
  }
  findings.missing = allowed;
  std::string path = std::filesystem::temp_directory_path() / "promtool-XXXXXX";
  const int fd = ::mkstemp(path.data());
  if (fd < 0) return {{"no temporary file could be made: " + path}, {}};
  ::close(fd);
  std::ofstream(path) << metrics;
  std::string found;
  if (FILE* pipe = ::popen((promtool + " check metrics < " + path + " 2>&1").c_str(), "r")) {
    for (char chunk[4096]; const std::size_t got = std::fread(chunk, 1, sizeof chunk, pipe);)
      found.append(chunk, got);
    ::pclose(pipe);
  } else {
    found = "promtool could not be run";
  }
  std::filesystem::remove(path);
  std::istringstream in(found);
  for (std::string line; std::getline(in, line);) {
    if (allowed.contains(line))
      findings.missing.erase(line);
    else
      findings.unexpected.insert(line);
  }
  return findings;
}

}  // namespace plimsoll
