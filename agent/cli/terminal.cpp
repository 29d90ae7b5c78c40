#include "agent/cli/terminal.h"

#include <sys/ioctl.h>

namespace plimsoll::cli {

std::optional<TerminalSize> terminal_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return std::nullopt;
  return TerminalSize{size.ws_row, size.ws_col};
}

RawTerminal::RawTerminal(int fd) : fd_(fd) {
  termios now{};
  if (::tcgetattr(fd, &now) != 0) return;
  saved_ = now;
  ::cfmakeraw(&now);
  ::tcsetattr(fd, TCSANOW, &now);
}

RawTerminal::~RawTerminal() {
  if (saved_) ::tcsetattr(fd_, TCSADRAIN, &*saved_);
}

}  // namespace plimsoll::cli
