// Sends notifications, on a thread of its own: whoever has something to tell never waits for a network, a
// disk or another thread. What is told is on disk a moment later, and is sent by the next agent where this
// one is killed.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/notify/outbox.h"
#include "agent/notify/transport.h"

namespace plimsoll::notify {

class Sender {
 public:
  struct Parts {
    const Clock& clock;  // outlives it
    std::unique_ptr<Transport> transport;
    OutboxOptions outbox;
    // What an earlier agent kept; "" where there is nothing. Called once, on the sender's thread.
    std::function<Result<std::string>()> load;
    // Replaces what is kept, whole or not at all.
    std::function<Result<>(const std::string& text)> keep;
    // Of tokens.
    std::function<Result<std::string>(const std::string& path)> read_file;
  };

  explicit Sender(Parts parts);
  // What waits is kept, not waited for.
  ~Sender();
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  // All of these from any thread; what they hand over is taken up in order. use() comes first: what an
  // earlier agent left is for the targets that it names.
  void use(std::vector<model::NotifyTarget> targets);
  void tell(const model::Decision& decision, const model::DecisionRecord& record);
  void keep_only(std::set<Outbox::Rule> holds);

  std::vector<model::TargetState> states() const;
  // Since the last call: those that were given up, for the audit log, and what else went wrong, for the log.
  std::vector<model::DecisionRecord> take_failed();
  std::vector<std::string> take_problems();

 private:
  struct Told {
    std::vector<std::string> targets;
    Notification what;
  };
  using Targets = std::vector<model::NotifyTarget>;
  using Message = std::variant<Targets, Told, std::set<Outbox::Rule>>;

  void hand_over(Message message);
  void run();
  bool take_messages();  // false: it is to end
  void start_due();
  Result<> authorize(Request& request) const;
  void keep(bool at_once);
  void restore();
  void publish();
  Nanoseconds until_next() const;
  Moment now() const { return {parts_.clock.boot(), parts_.clock.wall()}; }

  Parts parts_;
  // The sender's thread only.
  Outbox outbox_;
  bool restored_ = false, unkept_ = false;
  BootTime next_keeping_;
  std::vector<Ended> refused_;

  mutable std::mutex mutex_;
  std::deque<Message> messages_;
  bool ending_ = false;
  std::vector<model::TargetState> states_;
  std::vector<model::DecisionRecord> failed_;
  std::vector<std::string> problems_;
  std::jthread thread_;
};

}  // namespace plimsoll::notify
