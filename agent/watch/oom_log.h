// Post-mortems on disk: one JSON document each, FOLDER/ID.json, so that people can read them with no agent
// running and a torn one harms no other. They survive the agent's SIGKILL. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "agent/base/result.h"

namespace plimsoll::watch {

class OomLog {
 public:
  // Makes the folder; takes up what an earlier agent left there.
  static Result<std::unique_ptr<OomLog>> open(std::string folder, std::size_t most = 1000);

  // The id that the next one will have: one more than any before it, those that are gone among them.
  std::int64_t next_id() const;
  // Keeps it as next_id(), and takes the oldest out where there are too many.
  Result<> append(const std::string& document);
  // kNotFound: there is none of that id, or no longer.
  Result<std::string> read(std::int64_t id) const;
  std::vector<std::int64_t> ids() const;  // newest first

 private:
  OomLog(std::string folder, std::size_t most) : folder_(std::move(folder)), most_(most) {}
  std::string path(std::int64_t id) const;

  const std::string folder_;
  const std::size_t most_;
  mutable std::mutex mutex_;
  std::set<std::int64_t> ids_;
};

}  // namespace plimsoll::watch
