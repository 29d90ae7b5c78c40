// The shim's event loop: one thread, one epoll set. It holds one process from `created` to its exit.
//   1. Output is read, written to the log, and passed to whoever is attached. A client that is slow makes the
//      shim stop reading (and so, in the end, the process stop writing); one that then takes nothing for 5 s
//      is cut off.
//   2. When the process ends: the rest of the cgroup is killed, output is read to its end (at most 2 s more:
//   a
//      process that left may hold it open), usage is read, exit.json is written, the runtime's state and the
//      cgroup are removed, every client is told.
//   3. It then answers late clients until kRelease.
#pragma once

#include <sys/epoll.h>

#include <list>
#include <optional>

#include "agent/base/clock.h"
#include "agent/shim/client.h"
#include "agent/shim/exit_record.h"
#include "agent/shim/log_writer.h"
#include "agent/shim/options.h"
#include "agent/shim/runtime_child.h"

namespace plimsoll::shim {

class Loop {
 public:
  Loop(const Options& options, const Clock& clock, int dir, LogWriter log, Held held,
       std::optional<kernel::Cgroup> cgroup)
      : options_(options),
        clock_(clock),
        dir_(dir),
        log_(std::move(log)),
        held_(std::move(held)),
        cgroup_(std::move(cgroup)) {}

  // Until kRelease. `listener` is the bound socket, `signals` a signalfd of SIGCHLD and SIGTERM.
  Result<> run(UniqueFd listener, UniqueFd signals);

 private:
  enum class State { kCreated, kRunning, kDraining, kRemoving, kExited };

  Result<> watch(int fd, std::uint32_t events);
  void handle(const epoll_event& event);
  void accept_clients();
  void read_client(Client& client);
  void handle_frame(Client& client, const Frame& frame);
  void start(Client& client);
  void attach(Client& client, std::string_view streams);
  void signal(Client& client, const std::string& text);
  void resize(Client& client, const std::string& text);
  void release(Client& client);
  void answer(Client& client, const Result<>& result);
  std::string status() const;

  void read_output(UniqueFd& from, FrameKind kind);
  void pass_on(FrameKind kind, std::string_view bytes);
  void add_input(Client& client, std::string_view bytes);
  void write_input();
  void pause_or_resume();
  void set_events(int fd, std::uint32_t events);

  void handle_signals();
  void process_ended(int status);
  void drained();
  void removed();
  void tell_all(FrameKind kind, std::string_view text);
  void drop_dead_clients();
  void complain(const Error& error) { tell_all(FrameKind::kError, error.message()); }
  int timeout() const;
  void check_deadlines();
  UniqueFd& input() { return options_.tty ? held_.terminal : held_.in; }

  const Options& options_;
  const Clock& clock_;
  int dir_;
  LogWriter log_;
  Held held_;
  std::optional<kernel::Cgroup> cgroup_;
  UniqueFd epoll_, listener_, signals_;
  std::list<Client> clients_;
  std::list<int> dead_;  // descriptors of clients to be dropped once the event is handled
  std::string waiting_input_;
  bool input_ends_ = false;
  bool paused_ = false;
  State state_ = State::kCreated;
  ExitRecord exit_;
  std::string exit_text_;
  int delete_pid_ = -1;
  std::optional<BootTime> slow_since_, drain_until_;
  bool released_ = false;
};

}  // namespace plimsoll::shim
