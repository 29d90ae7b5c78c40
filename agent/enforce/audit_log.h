// Every decision and what came of it, in SQLite: it survives the agent's SIGKILL whole (WAL, one transaction
// a batch). Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/model/decision.h"

struct sqlite3;

namespace plimsoll::enforce {

struct DecisionFilter {
  std::optional<WallTime> since;
  std::string container;  // a name, or an id or its prefix; empty: all
  std::string policy;     // empty: all
  std::int64_t after_id = 0;
  std::size_t limit = 100;  // the newest ones
};

class AuditLog {
 public:
  // A file that SQLite cannot read is moved aside to "PATH.corrupt-N" and a new one begun; `warning()` then
  // says so.
  static Result<std::unique_ptr<AuditLog>> open(const std::string& path, std::size_t most_rows = 100'000);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  const std::string& warning() const { return warning_; }

  // Stores them in one transaction and fills in their ids. What autosize reclaims of one container is one row
  // for ten minutes, which says how often; counts() counts each.
  Result<> append(std::span<model::DecisionRecord> records);
  // Ascending by id.
  Result<std::vector<model::DecisionRecord>> query(const DecisionFilter& filter) const;
  // Of all decisions ever, also of those that retention has taken away.
  Result<std::vector<model::DecisionCount>> counts() const;
  // True as soon as there is a record with a higher id; false at the timeout.
  bool wait_newer(std::int64_t after_id, std::chrono::milliseconds timeout) const;

  // Small texts that must survive a restart, such as the policy engine's state.
  Result<> put_state(const std::string& key, const std::string& text);
  Result<std::optional<std::string>> get_state(const std::string& key) const;

 private:
  struct Closer {
    void operator()(sqlite3* database) const;
  };
  AuditLog() = default;
  Result<> prepare(const std::string& path);
  // A row that goes on, of what is done again and again in small steps.
  struct Repeated {
    std::int64_t id = 0;  // 0: not stored yet
    WallTime first;
    unsigned times = 0;
  };
  static constexpr std::chrono::minutes kOneRowFor{10};
  Repeated* repeats(const model::DecisionRecord& record);
  static std::string repeated_detail(const Repeated& before, const model::DecisionRecord& record);
  Result<> store(std::span<model::DecisionRecord> records);
  Result<> connect(const std::string& path, std::unique_ptr<sqlite3, Closer>& into);
  Result<> run(const char* sql) const;

  mutable std::mutex mutex_;
  mutable std::condition_variable appended_;
  std::unique_ptr<sqlite3, Closer> database_;
  // What people ask goes through a connection of its own, so that a long answer keeps no decision waiting.
  mutable std::mutex asking_;
  std::unique_ptr<sqlite3, Closer> reader_;
  std::string warning_;
  std::size_t most_rows_ = 0;
  std::int64_t last_id_ = 0;
  std::map<std::string, Repeated> repeated_;
};

// One object: id, when (RFC 3339 with nanoseconds), policy, rule, cause, action, outcome, container,
// container_id, cgroup, detail, before, after, seen ([[signal, value]...]), breach_to_effect_ns.
std::string to_json(const model::DecisionRecord& record);

}  // namespace plimsoll::enforce
