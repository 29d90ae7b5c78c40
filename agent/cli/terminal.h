// The caller's terminal: raw while a container has it, restored at every way out.
#pragma once

#include <termios.h>

#include <functional>
#include <optional>

namespace plimsoll::cli {

struct TerminalSize {
  unsigned short rows = 24, columns = 80;
};
// The size of the terminal behind `fd`; nullopt where it is none.
std::optional<TerminalSize> terminal_size(int fd);

// Puts the terminal behind `fd` into raw mode for its lifetime; nothing happens where it is none.
class RawTerminal {
 public:
  explicit RawTerminal(int fd);
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  int fd_;
  std::optional<termios> saved_;
};

}  // namespace plimsoll::cli
