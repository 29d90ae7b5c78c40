// The words between the launcher and the process that it cloned, over one SOCK_SEQPACKET pair: one message a
// word. Both ends are close-on-exec: the child's end of file is the news that its program runs.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"

namespace plimsoll::launch {

enum class Word : char {
  kError = 'E',   // child: failed; kind and text follow
  kReady = 'R',   // child: all is set up, but for the exec
  kFilter = 'F',  // launcher: the seccomp filter follows
  kGo = 'G',      // launcher: go on
  kGone = 0,      // the other end is closed
};

struct Message {
  Word word = Word::kGone;
  std::string body;
};

class Handshake {
 public:
  static Result<std::pair<Handshake, Handshake>> make();  // launcher's end, child's end

  Result<> say(Word word, std::string_view body = {}) const;
  // Never raises SIGPIPE, never fails: there is nobody left to tell.
  void say_error(const Error& error) const;
  Result<Message> hear() const;
  // Waits for this word. A kError becomes the error that it carries.
  Result<Message> expect(Word word) const;

  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }

 private:
  explicit Handshake(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace plimsoll::launch
