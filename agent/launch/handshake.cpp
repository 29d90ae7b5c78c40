#include "agent/launch/handshake.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace plimsoll::launch {
namespace {

// The largest message is a seccomp filter: 4096 instructions of 8 bytes.
constexpr std::size_t kMostBytes = 64UL << 10;

}  // namespace

Result<std::pair<Handshake, Handshake>> Handshake::make() {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return fail_errno("create the launch socket");
  }
  return std::pair(Handshake(UniqueFd(ends[0])), Handshake(UniqueFd(ends[1])));
}

// write, not send: a seccomp filter may be in force already, and is most likely to let write through.
Result<> Handshake::say(Word word, std::string_view body) const {
  std::string message(1, static_cast<char>(word));
  message.append(body);
  while (::write(fd_.get(), message.data(), message.size()) < 0) {
    if (errno != EINTR) return fail_errno("write to the launch socket");
  }
  return {};
}

void Handshake::say_error(const Error& error) const {
  std::string message(1, static_cast<char>(Word::kError));
  message += static_cast<char>('0' + static_cast<int>(error.kind()));
  message += error.message();
  if (message.size() > kMostBytes) message.resize(kMostBytes);
  ::send(fd_.get(), message.data(), message.size(), MSG_NOSIGNAL);
}

Result<Message> Handshake::hear() const {
  std::string buffer(kMostBytes, '\0');
  ssize_t got = 0;
  // A peer that ended with messages unread resets the connection (unix(7)). That is told once, ahead of what
  // it had still said, such as why it ended: read on.
  bool reset = false;
  do {
    got = ::read(fd_.get(), buffer.data(), buffer.size());
  } while (got < 0 && (errno == EINTR || (errno == ECONNRESET && !std::exchange(reset, true))));
  if (got < 0 && errno != ECONNRESET) return fail_errno("read from the launch socket");
  if (got <= 0) return Message{};
  return Message{static_cast<Word>(buffer[0]), buffer.substr(1, static_cast<std::size_t>(got) - 1)};
}

Result<Message> Handshake::expect(Word word) const {
  PLIMSOLL_ASSIGN(Message message, hear());
  if (message.word == word) return message;
  if (message.word == Word::kError && !message.body.empty()) {
    const auto kind = static_cast<ErrorKind>(message.body[0] - '0');
    return std::unexpected(Error(message.body.substr(1), kind));
  }
  return fail("the process ended while it was being set up");
}

}  // namespace plimsoll::launch
