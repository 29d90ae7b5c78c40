// A socket as Beast's synchronous streams want it, with a limit on how long the other side may be silent.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/system/error_code.hpp>
#include <cerrno>
#include <chrono>

namespace plimsoll::api {

class FdStream {
 public:
  // `fd` stays its owner's.
  FdStream(int fd, std::chrono::milliseconds patience) : fd_(fd), patience_(patience) {}
  void set_patience(std::chrono::milliseconds patience) { patience_ = patience; }

  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, boost::system::error_code& code) {
    for (const boost::asio::mutable_buffer buffer : boost::beast::buffers_range_ref(buffers)) {
      if (buffer.size() == 0) continue;
      while (ready(POLLIN, code)) {
        const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
        if (got > 0) return static_cast<std::size_t>(got);
        if (got == 0) {
          code = boost::asio::error::eof;
          return 0;
        }
        if (errno != EINTR && errno != EAGAIN) {
          code.assign(errno, boost::system::system_category());
          return 0;
        }
      }
      return 0;
    }
    code.clear();
    return 0;
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, boost::system::error_code& code) {
    std::array<iovec, 16> parts{};
    msghdr message{};
    message.msg_iov = parts.data();
    for (const boost::asio::const_buffer buffer : boost::beast::buffers_range_ref(buffers)) {
      if (buffer.size() == 0) continue;
      parts[message.msg_iovlen++] = {const_cast<void*>(buffer.data()), buffer.size()};
      if (message.msg_iovlen == parts.size()) break;
    }
    code.clear();
    while (message.msg_iovlen > 0 && ready(POLLOUT, code)) {
      const ssize_t sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent >= 0) return static_cast<std::size_t>(sent);
      if (errno != EINTR && errno != EAGAIN) {
        code.assign(errno, boost::system::system_category());
        return 0;
      }
    }
    return 0;
  }
  // Beast's concepts name these too; nothing here throws.
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers) {
    boost::system::error_code code;
    return read_some(buffers, code);
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers) {
    boost::system::error_code code;
    return write_some(buffers, code);
  }

 private:
  bool ready(short events, boost::system::error_code& code) {
    code.clear();
    pollfd wait{fd_, events, 0};
    int got = 0;
    do {
      got = ::poll(&wait, 1, patience_.count() < 0 ? -1 : static_cast<int>(patience_.count()));
    } while (got < 0 && errno == EINTR);
    if (got > 0) return true;
    code = got == 0 ? boost::system::error_code(boost::asio::error::timed_out)
                    : boost::system::error_code(errno, boost::system::system_category());
    return false;
  }

  int fd_;
  std::chrono::milliseconds patience_;
};

}  // namespace plimsoll::api
