#include "agent/notify/sender.h"

#include <signal.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace plimsoll::notify {
namespace {

using namespace std::chrono_literals;

// What the sender has not come to yet: it is behind by a turn at most.
constexpr std::size_t kMostMessages = 10'000;
constexpr std::size_t kMostFailed = 10'000;  // that nobody has taken
constexpr std::size_t kMostProblems = 100;
constexpr std::size_t kLongestToken = 65'536;
// Between two writings of what is kept; a storm must not become one of the disk.
constexpr Nanoseconds kBetweenKeepings = 200ms;
constexpr Nanoseconds kAfterProblem = 10s;

}  // namespace

Sender::Sender(Parts parts) : parts_(std::move(parts)), outbox_(parts_.outbox) {
  thread_ = std::jthread([this] { run(); });
}

Sender::~Sender() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  parts_.transport->wake();
  thread_.join();
}

void Sender::hand_over(Message message) {
  {
    const std::lock_guard lock(mutex_);
    const bool told = std::holds_alternative<Told>(message);
    if (told && messages_.size() >= kMostMessages) {
      if (problems_.size() < kMostProblems)
        problems_.emplace_back("too many notifications at once: some are lost");
      return;
    }
    messages_.push_back(std::move(message));
  }
  parts_.transport->wake();
}

void Sender::use(std::vector<model::NotifyTarget> targets) { hand_over(std::move(targets)); }
void Sender::keep_only(std::set<Outbox::Rule> holds) { hand_over(std::move(holds)); }
void Sender::tell(const model::Decision& decision, const model::DecisionRecord& record) {
  hand_over(Told{std::get<model::Notify>(decision.action).to, notification_of(decision, record)});
}

std::vector<model::TargetState> Sender::states() const {
  const std::lock_guard lock(mutex_);
  return states_;
}
std::vector<model::DecisionRecord> Sender::take_failed() {
  const std::lock_guard lock(mutex_);
  return std::exchange(failed_, {});
}
std::vector<std::string> Sender::take_problems() {
  const std::lock_guard lock(mutex_);
  return std::exchange(problems_, {});
}

void Sender::run() {
  // A TLS connection that the other side has closed is written to without MSG_NOSIGNAL.
  sigset_t broken_pipe;
  ::sigemptyset(&broken_pipe);
  ::sigaddset(&broken_pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
  while (take_messages()) {
    start_due();
    keep(false);
    publish();
    std::vector<Ended> ended = std::exchange(refused_, {});
    std::ranges::move(parts_.transport->wait(ended.empty() ? until_next() : Nanoseconds(0)),
                      std::back_inserter(ended));
    for (const Ended& one : ended) outbox_.done(one.id, one.reply, now());
  }
  keep(true);
  publish();
}

bool Sender::take_messages() {
  std::deque<Message> messages;
  bool going_on = true;
  {
    const std::lock_guard lock(mutex_);
    messages.swap(messages_);
    going_on = !ending_;
  }
  for (Message& message : messages) {
    if (const auto* targets = std::get_if<Targets>(&message)) {
      outbox_.use(*targets);
      if (!std::exchange(restored_, true)) restore();
    } else if (const auto* told = std::get_if<Told>(&message)) {
      outbox_.tell(told->targets, told->what, now());
    } else {
      outbox_.keep_only(std::get<std::set<Outbox::Rule>>(message), now());
    }
  }
  return going_on;
}

void Sender::restore() {
  const auto text = parts_.load();
  Result<> done;
  if (!text) done = std::unexpected(text.error());
  if (text && !text->empty()) done = outbox_.restore(*text, now());
  if (done) return;
  const std::lock_guard lock(mutex_);
  problems_.push_back("notifications of an earlier agent: " + done.error().message());
}

Result<> Sender::authorize(Request& request) const {
  if (request.bearer_token_file.empty()) return {};
  PLIMSOLL_ASSIGN(std::string token, parts_.read_file(request.bearer_token_file));
  constexpr const char* kSpace = " \t\r\n";
  token.erase(token.find_last_not_of(kSpace) + 1);
  token.erase(0, token.find_first_not_of(kSpace));
  const auto visible = [](char c) { return c > ' ' && c < 127; };
  if (token.empty() || token.size() > kLongestToken || !std::ranges::all_of(token, visible))
    return invalid("read " + request.bearer_token_file + ": expected one token");
  request.headers.emplace_back("Authorization", "Bearer " + token);
  return {};
}

void Sender::start_due() {
  for (Outbox::Send& one : outbox_.due(now())) {
    if (const auto authorized = authorize(one.request); !authorized) {
      refused_.push_back({one.id, {.text = authorized.error().message()}});
    } else {
      parts_.transport->start(one.id, one.request);
    }
  }
}

void Sender::keep(bool at_once) {
  unkept_ = outbox_.take_changed() || unkept_;
  const BootTime when = parts_.clock.boot();
  if (!unkept_ || (!at_once && when < next_keeping_)) return;
  const auto kept = parts_.keep(outbox_.save(now()));
  unkept_ = !kept;
  next_keeping_ = when + (kept ? kBetweenKeepings : kAfterProblem);
  if (kept) return;
  const std::lock_guard lock(mutex_);
  if (problems_.size() < kMostProblems)
    problems_.push_back("keep notifications over a restart: " + kept.error().message());
}

void Sender::publish() {
  auto states = outbox_.states();
  auto failed = outbox_.take_failed();
  const std::lock_guard lock(mutex_);
  states_ = std::move(states);
  for (auto& one : failed) {
    if (failed_.size() < kMostFailed) failed_.push_back(std::move(one));
  }
}

Nanoseconds Sender::until_next() const {
  constexpr Nanoseconds kLongest = 1min;
  const BootTime when = parts_.clock.boot();
  Nanoseconds left = kLongest;
  if (const auto next = outbox_.next_deadline()) left = std::min(left, *next - when);
  if (unkept_) left = std::min(left, next_keeping_ - when);
  return std::max(left, Nanoseconds(0));
}

}  // namespace plimsoll::notify
