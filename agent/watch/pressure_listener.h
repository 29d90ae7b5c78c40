// Listens to PSI triggers on a thread of its own. Polling a trigger takes its signal away, so the triggers
// cannot sit in an epoll set that the agent's loop holds inside its own: the loop would see "ready", and the
// trigger behind it would be lost. The thread passes keys on through an eventfd.
// All members may be called from one thread while the listener's own runs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"
#include "agent/kernel/psi_trigger.h"

namespace plimsoll::watch {

class PressureListener {
 public:
  static Result<std::unique_ptr<PressureListener>> start();
  ~PressureListener();
  PressureListener(const PressureListener&) = delete;
  PressureListener& operator=(const PressureListener&) = delete;

  Result<> add(std::uint64_t key, kernel::PsiTrigger trigger);
  void remove(std::uint64_t key);
  bool has(std::uint64_t key) const;
  std::size_t size() const;

  int fd() const { return wake_.get(); }  // readable while take_fired() has something to say
  // Keys whose trigger fired since the last call, each once, ascending.
  std::vector<std::uint64_t> take_fired();

 private:
  PressureListener() = default;
  void run();

  UniqueFd epoll_, wake_, stop_;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, kernel::PsiTrigger> triggers_;
  std::vector<std::uint64_t> fired_;
  std::thread thread_;
};

}  // namespace plimsoll::watch
