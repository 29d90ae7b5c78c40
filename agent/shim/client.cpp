#include "agent/shim/client.h"

#include <sys/socket.h>

namespace plimsoll::shim {

bool Client::send(FrameKind kind, std::string_view payload) {
  waiting_ += make_frame(kind, payload);
  return flush();
}

bool Client::flush() {
  std::size_t done = 0;
  while (done < waiting_.size()) {
    const ssize_t sent =
        ::send(fd_.get(), waiting_.data() + done, waiting_.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent < 0) break;
    done += static_cast<std::size_t>(sent);
  }
  waiting_.erase(0, done);
  if (waiting_.empty()) std::string().swap(waiting_);
  return true;
}

}  // namespace plimsoll::shim
