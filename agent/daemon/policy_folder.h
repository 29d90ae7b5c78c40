// The folder of policies, watched: a good change is taken as a whole, a bad one leaves the last good set in
// force and its diagnostics standing until it is mended.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/kernel/inotify.h"
#include "policies/document.h"

namespace plimsoll::daemon {

class PolicyFolder {
 public:
  // A folder that is not there holds no policies; it is noticed when it comes. Loads once. With `host`,
  // limits that this machine cannot hold are refused.
  static Result<PolicyFolder> open(std::string path, std::optional<policies::HostCpus> host = {});

  int fd() const { return changes_.fd(); }  // readable when refresh() has something to do
  // Drains the notifications and loads anew where the folder changed; true: set() or diagnostics() are new.
  bool refresh();
  void load();  // whether it changed or not

  const std::string& path() const { return path_; }
  const std::shared_ptr<const policies::PolicySet>& set() const { return set_; }  // never null
  const std::vector<policies::Diagnostic>& diagnostics() const { return diagnostics_; }
  std::size_t errors() const { return policies::count_errors(diagnostics_); }

 private:
  PolicyFolder(std::string path, std::optional<policies::HostCpus> host, kernel::Inotify changes)
      : path_(std::move(path)), host_(host), changes_(std::move(changes)) {}
  void watch();

  std::string path_;
  std::optional<policies::HostCpus> host_;
  kernel::Inotify changes_;
  std::shared_ptr<const policies::PolicySet> set_ = std::make_shared<const policies::PolicySet>();
  std::vector<policies::Diagnostic> diagnostics_;
};

}  // namespace plimsoll::daemon
