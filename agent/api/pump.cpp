#include "agent/api/pump.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <optional>

#include "agent/container/shim_client.h"

namespace plimsoll::api {
namespace {

using container::FrameBuffer;
using shim::FrameKind;

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// Bytes that are there; "" at the end; nullopt: the connection broke.
std::optional<std::string> receive(int socket) {
  std::string bytes(shim::kMostPayload, '\0');
  ssize_t got = 0;
  do {
    got = ::recv(socket, bytes.data(), bytes.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

class Pump {
 public:
  Pump(int client, int shim, const PumpOptions& options)
      : client_(client),
        shim_(shim),
        options_(options),
        escape_(options.tty && options.input ? detach_sequence(options.detach_keys) : "") {}

  bool run(const std::string& early) {
    if (!early.empty() && !to_process(early)) return false;
    while (!over_) step();
    return ended_;
  }

 private:
  void step() {
    // Without events a poll still tells POLLHUP: that the client is wholly gone.
    const short events = client_open_ ? POLLIN | POLLRDHUP : 0;
    std::array<pollfd, 2> wait = {{{shim_, POLLIN, 0}, {client_, events, 0}}};
    if (::poll(wait.data(), wait.size(), -1) < 0) {
      over_ = errno != EINTR;
      return;
    }
    if (wait[0].revents != 0) from_shim();
    if (!over_ && wait[1].revents != 0) from_client((wait[1].revents & POLLHUP) != 0);
  }

  void from_shim() {
    const auto bytes = receive(shim_);
    if (bytes) frames_.feed(bytes->data(), bytes->size());
    while (!over_) {
      auto frame = frames_.next();
      if (!frame || !*frame) break;
      from_process((*frame)->kind, (*frame)->payload);
    }
    if (!bytes || bytes->empty()) over_ = true;
  }

  void from_process(FrameKind kind, const std::string& payload) {
    if (kind == FrameKind::kExited) {
      ended_ = over_ = true;
    } else if (kind == FrameKind::kStdout || kind == FrameKind::kStderr) {
      if (!options_.tty) {
        const auto header = shim::encode_header({kind, static_cast<std::uint32_t>(payload.size())});
        over_ = !send_all(client_, {reinterpret_cast<const char*>(header.data()), header.size()});
      }
      if (!over_) over_ = !send_all(client_, payload);
    }
  }

  void from_client(bool hung_up) {
    if (!client_open_) {
      over_ = over_ || hung_up;
      return;
    }
    const auto bytes = receive(client_);
    if (!bytes) {
      over_ = true;
    } else if (!bytes->empty()) {
      if (!to_process(*bytes)) over_ = true;
    } else {
      // Half-closed: its input ends, the output goes on.
      client_open_ = false;
      over_ = hung_up;
      if (options_.input && options_.end_input) (void)container::send_frame(shim_, FrameKind::kStdinEnd, "");
    }
  }

  bool to_process(std::string bytes) {
    if (!options_.input) return true;
    const bool detached = !escape_.empty() && take_escape(bytes);
    if (!bytes.empty() && !container::send_frame(shim_, FrameKind::kStdin, bytes)) return false;
    return !detached;
  }

  // Keeps back what may become the detach sequence. True where it is whole; `bytes` is then what came before.
  bool take_escape(std::string& bytes) {
    std::string passed;
    for (const char c : bytes) {
      if (c == escape_[matched_]) {
        if (++matched_ == escape_.size()) {
          bytes = std::move(passed);
          return true;
        }
        continue;
      }
      passed += escape_.substr(0, matched_);
      matched_ = c == escape_.front() ? 1 : 0;
      if (matched_ == 0) passed += c;
    }
    bytes = std::move(passed);
    return false;
  }

  const int client_, shim_;
  const PumpOptions& options_;
  const std::string escape_;
  std::size_t matched_ = 0;
  FrameBuffer frames_;
  bool client_open_ = true, over_ = false, ended_ = false;
};

}  // namespace

std::string detach_sequence(const std::string& keys) {
  std::string sequence;
  std::size_t at = 0;
  while (at <= keys.size()) {
    const auto comma = std::min(keys.find(',', at), keys.size());
    const std::string key = keys.substr(at, comma - at);
    at = comma + 1;
    if (key.size() == 1) {
      sequence += key;
    } else if (key.size() == 6 && key.starts_with("ctrl-") && key[5] >= '@' && key[5] <= '~') {
      sequence += static_cast<char>(key[5] & 0x1f);
    } else {
      return "";
    }
  }
  return sequence;
}

bool pump(const UniqueFd& client, const UniqueFd& shim, const std::string& early,
          const PumpOptions& options) {
  return Pump(client.get(), shim.get(), options).run(early);
}

}  // namespace plimsoll::api
