// Holds the #include lines of the tree against the design: which folder may include which, and which file may
// include a third party. A new folder needs a line in kRooms before it compiles in anyone's mind.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace plimsoll {
namespace {

namespace fs = std::filesystem;

struct Room {
  std::string folder;
  std::vector<std::string> may_include;  // and all that these may include
};

const std::vector<Room> kRooms = {
    {"agent/base", {}},
    {"agent/model", {"agent/base"}},
    {"agent/kernel", {"agent/model"}},
    {"agent/oci", {"agent/base"}},
    {"agent/launch", {"agent/oci", "agent/kernel"}},
    {"agent/shim", {"agent/launch"}},
    {"agent/image", {"agent/oci", "agent/kernel"}},
    {"agent/container", {"agent/image", "agent/shim/protocol.h"}},
    {"bpf", {"agent/model"}},
    {"agent/watch", {"agent/kernel", "bpf"}},
    {"agent/history", {"agent/kernel"}},
    {"policies", {"agent/model"}},
    {"agent/enforce", {"agent/kernel"}},
    {"agent/notify", {"agent/model"}},
    {"exporters", {"agent/model"}},
    {"agent/api", {"agent/container", "agent/watch", "policies", "exporters"}},
    {"agent/cli", {"agent/api"}},
    {"agent/daemon", {"agent/cli", "agent/enforce", "agent/history", "agent/notify", "agent/shim"}},
};

struct ThirdParty {
  std::string header;                // a prefix of what stands between the angle brackets
  std::vector<std::string> allowed;  // prefixes of the files that wrap it
};

const std::vector<ThirdParty> kThirdParties = {
    {"spdlog/", {"agent/base/log.cpp"}}, {"boost/", {"agent/api/"}},
    {"yaml-cpp/", {"policies/"}},        {"prometheus/", {"exporters/"}},
    {"archive", {"agent/image/"}},       {"seccomp.h", {"agent/launch/"}},
    {"sqlite3.h", {"agent/enforce/"}},   {"bpf/libbpf", {"bpf/"}},
    {"openssl/", {"agent/image/"}},      {"zlib.h", {"exporters/", "agent/history/", "agent/image/"}},
    {"zstd.h", {"agent/history/"}},      {"curl/", {"agent/notify/"}},
};

const Room* room_of(const std::string& file) {
  const Room* found = nullptr;
  for (const Room& room : kRooms) {
    if (file.starts_with(room.folder + "/") &&
        (found == nullptr || room.folder.size() > found->folder.size())) {
      found = &room;
    }
  }
  return found;
}

void add_allowed(const std::string& folder, std::set<std::string>& allowed) {
  if (!allowed.insert(folder).second) return;
  for (const Room& room : kRooms) {
    if (room.folder != folder) continue;
    for (const std::string& next : room.may_include) add_allowed(next, allowed);
  }
}

bool permits(const std::set<std::string>& allowed, const std::string& included) {
  return std::ranges::any_of(allowed, [&](const std::string& prefix) {
    return included == prefix || included.starts_with(prefix + "/");
  });
}

struct Include {
  std::string file;
  int line;
  std::string header;
  bool angled;
};

std::vector<Include> includes_of_tree() {
  static const std::regex kInclude(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  const fs::path root = PLIMSOLL_SOURCE_DIR;
  std::vector<Include> found;
  for (const char* top : {"agent", "bpf", "policies", "exporters"}) {
    if (!fs::exists(root / top)) continue;  // a room that nobody lives in yet: git keeps no empty folders
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cpp") continue;
      std::ifstream in(entry.path());
      int number = 0;
      for (std::string line; std::getline(in, line);) {
        ++number;
        std::smatch match;
        if (!std::regex_search(line, match, kInclude)) continue;
        found.push_back({fs::relative(entry.path(), root), number, match[2], match[1] == "<"});
      }
    }
  }
  return found;
}

TEST(IncludeRules, EachFolderIncludesOnlyWhatTheDesignAllows) {
  for (const Include& include : includes_of_tree()) {
    const Room* room = room_of(include.file);
    ASSERT_NE(room, nullptr) << include.file << " is in no room of the design";
    if (include.angled) continue;
    std::set<std::string> allowed;
    add_allowed(room->folder, allowed);
    EXPECT_TRUE(permits(allowed, include.header)) << include.file << ":" << include.line << ": "
                                                  << room->folder << " may not include " << include.header;
  }
}

TEST(IncludeRules, ThirdPartiesAreIncludedOnlyWhereTheyAreWrapped) {
  for (const Include& include : includes_of_tree()) {
    if (!include.angled) continue;
    for (const ThirdParty& party : kThirdParties) {
      if (!include.header.starts_with(party.header)) continue;
      EXPECT_TRUE(std::ranges::any_of(
          party.allowed, [&](const std::string& prefix) { return include.file.starts_with(prefix); }))
          << include.file << ":" << include.line << ": <" << include.header << "> is wrapped elsewhere";
    }
  }
}

}  // namespace
}  // namespace plimsoll
