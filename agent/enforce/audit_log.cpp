#include "agent/enforce/audit_log.h"

#include <sqlite3.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/base/rfc3339.h"

namespace plimsoll::enforce {
namespace {

using model::DecisionRecord;
using nlohmann::json;

constexpr int kSchema = 1;
constexpr const char* kTables = R"(
CREATE TABLE IF NOT EXISTS decisions (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, policy TEXT NOT NULL, rule TEXT NOT NULL,
  cause TEXT NOT NULL, action TEXT NOT NULL, outcome TEXT NOT NULL, container TEXT NOT NULL,
  container_id TEXT NOT NULL, cgroup TEXT NOT NULL, detail TEXT NOT NULL, before TEXT NOT NULL,
  after TEXT NOT NULL, seen TEXT NOT NULL, took INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS decisions_at ON decisions (at);
CREATE TABLE IF NOT EXISTS counts (
  policy TEXT NOT NULL, rule TEXT NOT NULL, action TEXT NOT NULL, outcome TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (policy, rule, action, outcome)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
)";

Error sqlite_error(std::string_view doing, sqlite3* database) {
  return Error(std::string(doing) + ": " +
               (database != nullptr ? sqlite3_errmsg(database) : "out of memory"));
}

// One prepared statement, its parameters bound in order; rows are stepped through.
class Statement {
 public:
  Statement(sqlite3* database, const char* sql) : database_(database) {
    if (sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr) != SQLITE_OK) statement_ = nullptr;
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(std::int64_t value) {
    sqlite3_bind_int64(statement_, ++bound_, value);
    return *this;
  }
  Statement& bind(const std::string& text) {
    sqlite3_bind_text(statement_, ++bound_, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    return *this;
  }
  // True: a row; false: the end.
  Result<bool> step() {
    const int code = statement_ == nullptr ? SQLITE_ERROR : sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return std::unexpected(sqlite_error("decisions database", database_));
  }
  void again() {
    sqlite3_reset(statement_);
    bound_ = 0;
  }
  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  std::string text(int column) const {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return bytes == nullptr
               ? ""
               : std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
  }

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

DecisionRecord row(const Statement& statement) {
  DecisionRecord record;
  record.id = statement.integer(0);
  record.when = WallTime(Nanoseconds(statement.integer(1)));
  std::string* const texts[] = {&record.policy,  &record.rule,      &record.cause,        &record.action,
                                &record.outcome, &record.container, &record.container_id, &record.cgroup,
                                &record.detail,  &record.before,    &record.after};
  int column = 2;
  for (std::string* text : texts) *text = statement.text(column++);
  const json seen = json::parse(statement.text(column++), nullptr, false);
  if (seen.is_array()) record.seen = seen.get<std::vector<std::pair<std::string, std::string>>>();
  record.breach_to_effect = Nanoseconds(statement.integer(column));
  return record;
}

}  // namespace

void AuditLog::Closer::operator()(sqlite3* database) const { sqlite3_close_v2(database); }
AuditLog::~AuditLog() = default;

Result<> AuditLog::run(const char* sql) const {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return std::unexpected(sqlite_error("decisions database", database_.get()));
  }
  return {};
}

Result<> AuditLog::connect(const std::string& path, std::unique_ptr<sqlite3, Closer>& into) {
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, nullptr);
  into.reset(opened);
  if (code != SQLITE_OK) return std::unexpected(sqlite_error("open " + path, opened));
  sqlite3_busy_timeout(opened, 5000);
  return {};
}

Result<> AuditLog::prepare(const std::string& path) {
  PLIMSOLL_TRY(connect(path, database_));
  sqlite3* const opened = database_.get();
  PLIMSOLL_TRY(run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"));
  Statement version(opened, "PRAGMA user_version");
  PLIMSOLL_TRY(version.step());
  if (version.integer(0) > kSchema) {
    return fail("open " + path + ": written by a newer version of Plimsoll", ErrorKind::kConflict);
  }
  PLIMSOLL_TRY(run(kTables));
  PLIMSOLL_TRY(run("PRAGMA user_version = 1"));
  Statement last(opened, "SELECT coalesce(max(id), 0) FROM decisions");
  PLIMSOLL_TRY(last.step());
  last_id_ = last.integer(0);
  Statement check(opened, "PRAGMA quick_check(1)");
  PLIMSOLL_TRY(check.step());
  if (check.text(0) != "ok") return fail("open " + path + ": " + check.text(0));
  return connect(path, reader_);
}

Result<std::unique_ptr<AuditLog>> AuditLog::open(const std::string& path, std::size_t most_rows) {
  std::unique_ptr<AuditLog> log(new AuditLog);
  log->most_rows_ = most_rows;
  auto prepared = log->prepare(path);
  if (prepared) return log;
  const int code = sqlite3_errcode(log->database_.get());
  log->reader_.reset();
  log->database_.reset();
  if (prepared.error().kind() == ErrorKind::kConflict || code == SQLITE_CANTOPEN || code == SQLITE_BUSY) {
    return std::unexpected(std::move(prepared).error());
  }
  std::string aside;
  for (int n = 1; aside.empty() || ::access(aside.c_str(), F_OK) == 0; ++n)
    aside = path + ".corrupt-" + std::to_string(n);
  if (::rename(path.c_str(), aside.c_str()) != 0) return fail_errno("move " + path + " aside");
  for (const char* side : {"-wal", "-shm"}) ::unlink((path + side).c_str());
  PLIMSOLL_TRY(log->prepare(path));
  log->warning_ = prepared.error().message() + "; moved to " + aside + ", a new one was begun";
  return log;
}

// Pressure mode takes a little away each 30 s, for ever: rows of that would push out what people look for.
AuditLog::Repeated* AuditLog::repeats(const DecisionRecord& record) {
  if (record.cause != "autosize" || record.action != "reclaim" || record.outcome != "done") return nullptr;
  std::erase_if(repeated_, [&](const auto& one) { return record.when - one.second.first >= kOneRowFor; });
  Repeated& one = repeated_[record.policy + "\n" + record.container_id];
  if (one.times++ == 0) one.first = record.when;
  return &one;
}

std::string AuditLog::repeated_detail(const Repeated& before, const DecisionRecord& record) {
  return std::to_string(before.times) + " times in " + format_duration(record.when - before.first) +
         ", last " + record.detail;
}

Result<> AuditLog::store(std::span<DecisionRecord> records) {
  Statement insert(
      database_.get(),
      "INSERT INTO decisions (at, policy, rule, cause, action, outcome, container, container_id, cgroup, "
      "detail, before, after, seen, took) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  Statement count(database_.get(),
                  "INSERT INTO counts VALUES (?,?,?,?,1) ON CONFLICT DO UPDATE SET count = count + 1");
  Statement update(database_.get(), "UPDATE decisions SET detail = ?, after = ?, took = ? WHERE id = ?");
  for (DecisionRecord& record : records) {
    count.again();
    count.bind(record.policy).bind(record.rule).bind(record.action).bind(record.outcome);
    PLIMSOLL_TRY(count.step());
    Repeated* before = repeats(record);
    if (before != nullptr && before->id != 0) {
      record.id = before->id;
      update.again();
      const std::string detail = repeated_detail(*before, record);
      update.bind(detail).bind(record.after).bind(record.breach_to_effect.count());
      update.bind(record.id);
      PLIMSOLL_TRY(update.step());
      continue;
    }
    insert.again();
    insert.bind(record.when.time_since_epoch().count());
    for (const std::string* text :
         {&record.policy, &record.rule, &record.cause, &record.action, &record.outcome, &record.container,
          &record.container_id, &record.cgroup, &record.detail, &record.before, &record.after}) {
      insert.bind(*text);
    }
    insert.bind(json_text(json(record.seen))).bind(record.breach_to_effect.count());
    PLIMSOLL_TRY(insert.step());
    record.id = sqlite3_last_insert_rowid(database_.get());
    if (before != nullptr) before->id = record.id;
  }
  Statement trim(database_.get(), "DELETE FROM decisions WHERE id <= (SELECT max(id) FROM decisions) - ?");
  trim.bind(static_cast<std::int64_t>(most_rows_));
  PLIMSOLL_TRY(trim.step());
  return {};
}

Result<> AuditLog::append(std::span<DecisionRecord> records) {
  if (records.empty()) return {};
  const std::scoped_lock lock(mutex_);
  PLIMSOLL_TRY(run("BEGIN IMMEDIATE"));
  auto stored = store(records);
  if (stored) stored = run("COMMIT");
  if (!stored) {
    repeated_.clear();
    (void)run("ROLLBACK");
    return stored;
  }
  for (const DecisionRecord& one : records) last_id_ = std::max(last_id_, one.id);
  appended_.notify_all();
  return {};
}

Result<std::vector<DecisionRecord>> AuditLog::query(const DecisionFilter& filter) const {
  const std::scoped_lock lock(asking_);
  Statement select(
      reader_.get(),
      "SELECT * FROM (SELECT id, at, policy, rule, cause, action, outcome, container, container_id, cgroup, "
      "detail, before, after, seen, took FROM decisions WHERE id > ? AND at >= ? AND (? = '' OR container = "
      "? "
      "OR substr(container_id, 1, length(?)) = ?) AND (? = '' OR policy = ?) ORDER BY id DESC LIMIT ?) "
      "ORDER BY id");
  select.bind(filter.after_id).bind(filter.since ? filter.since->time_since_epoch().count() : 0);
  for (int i = 0; i < 4; ++i) select.bind(filter.container);
  select.bind(filter.policy).bind(filter.policy).bind(static_cast<std::int64_t>(filter.limit));
  std::vector<DecisionRecord> records;
  while (true) {
    PLIMSOLL_ASSIGN(const bool more, select.step());
    if (!more) return records;
    records.push_back(row(select));
  }
}

Result<std::vector<model::DecisionCount>> AuditLog::counts() const {
  const std::scoped_lock lock(asking_);
  Statement select(reader_.get(), "SELECT policy, rule, action, outcome, count FROM counts");
  std::vector<model::DecisionCount> counts;
  while (true) {
    PLIMSOLL_ASSIGN(const bool more, select.step());
    if (!more) return counts;
    counts.push_back({select.text(0), select.text(1), select.text(2), select.text(3),
                      static_cast<std::uint64_t>(select.integer(4))});
  }
}

bool AuditLog::wait_newer(std::int64_t after_id, std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  return appended_.wait_for(lock, timeout, [&] { return last_id_ > after_id; });
}

Result<> AuditLog::put_state(const std::string& key, const std::string& text) {
  const std::scoped_lock lock(mutex_);
  Statement put(database_.get(),
                "INSERT INTO state VALUES (?,?) ON CONFLICT DO UPDATE SET text = excluded.text");
  put.bind(key).bind(text);
  PLIMSOLL_TRY(put.step());
  return {};
}

Result<std::optional<std::string>> AuditLog::get_state(const std::string& key) const {
  const std::scoped_lock lock(mutex_);
  Statement select(database_.get(), "SELECT text FROM state WHERE key = ?");
  select.bind(key);
  PLIMSOLL_ASSIGN(const bool found, select.step());
  return found ? std::optional(select.text(0)) : std::nullopt;
}

std::string to_json(const DecisionRecord& record) {
  const nlohmann::ordered_json object = {{"id", record.id},
                                         {"when", format_rfc3339(record.when)},
                                         {"policy", record.policy},
                                         {"rule", record.rule},
                                         {"cause", record.cause},
                                         {"action", record.action},
                                         {"outcome", record.outcome},
                                         {"container", record.container},
                                         {"container_id", record.container_id},
                                         {"cgroup", record.cgroup},
                                         {"detail", record.detail},
                                         {"before", record.before},
                                         {"after", record.after},
                                         {"seen", record.seen},
                                         {"breach_to_effect_ns", record.breach_to_effect.count()}};
  return json_text(object);
}

}  // namespace plimsoll::enforce
