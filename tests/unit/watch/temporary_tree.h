// A folder that is gone after the test, filled by one expression: Tree({{"a/b", "text"}, {"c/", ""}}).
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace plimsoll {

class Tree {
 public:
  using Files = std::vector<std::pair<std::string, std::string>>;  // a path that ends in '/' is a folder
  explicit Tree(const Files& files = {}) {
    std::string name = ::testing::TempDir() + "plimsoll-XXXXXX";
    root_ = ::mkdtemp(name.data());
    for (const auto& [path, text] : files) put(path, text);
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree() { std::filesystem::remove_all(root_); }

  std::string root() const { return root_; }
  void put(const std::string& path, const std::string& text = "") {
    const std::filesystem::path whole = root_ / path;
    if (path.ends_with('/')) {
      std::filesystem::create_directories(whole);
      return;
    }
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }
  void remove(const std::string& path) { std::filesystem::remove_all(root_ / path); }

 private:
  std::filesystem::path root_;
};

}  // namespace plimsoll
