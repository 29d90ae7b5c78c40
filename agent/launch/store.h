// What the runtime remembers of its containers: ROOT/ID/state.json (the OCI state and our own fields),
// config.json as it was at create, and start.fifo while the container is `created`. Each folder is locked
// (flock) for as long as an Entry lives, so that operations on one container follow one another.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"

namespace plimsoll::launch {

enum class Status { kCreating, kCreated, kRunning, kStopped };
std::string_view name_of(Status status);

struct Record {
  std::string id, bundle, root, created;  // created: RFC 3339
  int pid = 0;                            // 0: not there yet
  std::uint64_t start_time = 0;           // field 22 of /proc/PID/stat: pid and start time are an identity
  std::string cgroup, cgroup_topmost;     // as in container_cgroup.h
  std::uint64_t namespaces = 0;           // CLONE_NEW* that `exec` enters
  std::map<std::string, std::string> annotations;
};

class Entry {
 public:
  const std::string& folder() const { return folder_; }
  Result<Record> read() const;  // kConflict while there is none yet
  Result<> write(const Record& record) const;
  Result<std::string> config() const;
  Result<> save_config(std::string_view text) const;

  // Opened for both ends, so that the reader never sees an end of file.
  Result<UniqueFd> make_fifo() const;
  bool has_fifo() const;
  // Lets the process at the fifo go, once. kConflict: nobody waits there.
  Result<> open_gate() const;
  Result<> remove() const;

 private:
  friend class Store;
  Entry(std::string folder, UniqueFd lock) : folder_(std::move(folder)), lock_(std::move(lock)) {}
  std::string folder_;
  UniqueFd lock_;
};

class Store {
 public:
  explicit Store(std::string root) : root_(std::move(root)) {}
  Result<Entry> create(const std::string& id) const;  // kConflict: the id is taken
  Result<Entry> open(const std::string& id) const;    // kNotFound
  Result<std::vector<std::string>> ids() const;       // sorted

 private:
  std::string root_;
};

// The OCI state document (runtime.md, "State") with our own fields behind it.
std::string state_json(const Record& record, Status status);
Result<Record> parse_record(std::string_view json);

}  // namespace plimsoll::launch
