// Who ends a hog first, and who ends what should not be ended: Plimsoll beside earlyoom, oomd, systemd-oomd
// and the kernel's own OOM killer, on one host.
//   bench_peers [ROUNDS] [ONLY]      in a virtual machine only, since the host runs out of memory:
//   tests/vm/vm
// Breach: the moment when less of the host's memory is available than 10 %, which is earlyoom's own line, or
// 5 %, guard-the-host's; those that go by pressure are measured from 10 %. Action: the hog has ended. Where
// the kernel's OOM killer was first, the round counts as missed.
#include <sys/prctl.h>

#include <algorithm>
#include <list>
#include <map>
#include <optional>

#include "agent/base/units.h"
#include "tests/bench/measure.h"
#include "tests/bench/peers/guards.h"

namespace {

using namespace plimsoll::bench;

struct Hog {
  const char* name;
  std::size_t a_second;
};
constexpr std::array kHogs = {Hog{"64 MiB/s", 64 * kMiB}, Hog{"flat out", 0}};
constexpr auto kCeiling = 90s;  // of a round

struct Round {
  double ms = 0;    // from breach to the hog's end
  double left = 0;  // MiB available when it was least
  bool ended = false, breached = false, by_kernel = false;
};

class Bench {
 public:
  Bench(Programs at, int rounds) : at_(std::move(at)), rounds_(rounds), line_(total() / 10) {}

  void run(const Guard& guard) {
    const fs::path folder = "/tmp/peers";
    fs::remove_all(folder);
    fs::create_directories(folder);
    std::list<Process> daemons;
    int number = 0;
    for (const Command& one : guard.commands(at_, folder, line_)) {
      daemons.emplace_back(one.words, folder / ("log" + std::to_string(number++)));
      for (int i = 0; i < 600 && !one.ready.empty() && !fs::exists(one.ready); ++i)
        std::this_thread::sleep_for(100ms);
    }
    std::this_thread::sleep_for(3s);  // those that give no sign
    const auto up = [&] {
      return std::ranges::none_of(daemons, [](const Process& one) { return one.gone(); });
    };
    if (!up()) return fail(guard, folder, number);
    for (const Hog& hog : kHogs) rounds(guard, hog);
    bursts(guard);
    if (!up()) fail(guard, folder, number);
  }

 private:
  static void fail(const Guard& guard, const fs::path& folder, int logs) {
    std::printf("%-13s %-11s ended by itself:\n", guard.name, guard.settings);
    for (int i = 0; i < logs; ++i) std::printf("%s\n", text_of(folder / ("log" + std::to_string(i))).c_str());
  }

  void rounds(const Guard& guard, const Hog& hog) {
    std::vector<double> times, left;
    int early = 0, kernels = 0;
    const bool alone = guard.commands == nobody;
    for (int i = 0; i < rounds_; ++i) {
      new_cgroup();
      const Round one = round(hog, total() * static_cast<std::size_t>(guard.line) / 100);
      if (one.ended && one.breached && (alone || !one.by_kernel)) times.push_back(one.ms);
      early += one.ended && !one.breached ? 1 : 0;
      kernels += one.by_kernel ? 1 : 0;
      left.push_back(one.left);
      std::this_thread::sleep_for(guard.rest + 1s);
    }
    std::printf("%-13s %-11s %-9s below %2d %%: ", guard.name, guard.settings, hog.name, guard.line);
    double& base = base_.try_emplace(hog.name, 0).first->second;
    if (times.empty()) {
      std::printf("never");
    } else {
      const double middle = median(times);
      if (base == 0) base = middle;
      std::printf("median %7.0f ms = %6.2f of the first row's; from %.0f to %.0f", middle, middle / base,
                  std::ranges::min(times), std::ranges::max(times));
    }
    std::printf("; of %d rounds the kernel first in %d, before the breach in %d; least left %.0f MiB\n",
                rounds_, kernels, early, median(left));
    std::fflush(stdout);
  }

  // What was stalled before is in the averages of a cgroup's pressure for minutes, and is no fault of the
  // next.
  static void new_cgroup() {
    const fs::path folder = "/sys/fs/cgroup/docker";
    std::error_code error;
    fs::remove(folder, error);
    fs::create_directories(folder);
    std::ofstream(folder / "cgroup.subtree_control") << "+memory +pids +cpu" << std::flush;
  }

  Round round(const Hog& kind, std::size_t line) {
    const std::size_t near = line_ * 3 / 2, a_second = kind.a_second;
    const std::size_t kills = kernels_kills();
    const Container hog(++number_, [=] { plimsoll::bench::hog(near, a_second); });
    std::optional<SteadyClock::time_point> breach;
    std::size_t least = total();
    const auto began = SteadyClock::now();
    while (!hog.ended() && SteadyClock::now() - began < kCeiling) {
      const std::size_t now = available();
      least = std::min(least, now);
      if (!breach && now < line) breach = SteadyClock::now();
      std::this_thread::sleep_for(2ms);
    }
    const auto end = SteadyClock::now();
    return {.ms = breach ? std::chrono::duration<double, std::milli>(end - *breach).count() : 0,
            .left = static_cast<double>(least) / kMiB,
            .ended = hog.ended(),
            .breached = breach.has_value(),
            .by_kernel = kernels_kills() != kills};
  }

  void bursts(const Guard& guard) {
    std::printf("%-13s %-11s false kills:", guard.name, guard.settings);
    for (const Burst& burst : kBursts) {
      int killed = 0;
      const int rounds = burst.slow ? 1 : rounds_;
      for (int i = 0; i < rounds; ++i) {
        new_cgroup();
        const Container one(++number_, burst.act, burst.high);
        killed += one.killed() ? 1 : 0;
        std::this_thread::sleep_for(killed > 0 ? guard.rest + 1s : std::chrono::nanoseconds(1s));
      }
      std::printf(" %s %d of %d%s", burst.name, killed, rounds, &burst == &kBursts.back() ? "\n" : ",");
      std::fflush(stdout);
    }
  }

  Programs at_;
  int rounds_;
  std::size_t line_;
  int number_ = 0;
  std::map<std::string, double> base_;  // the first row's median, by hog
};

// What a host has before anything happens: less than all of it, so that hogs are soon over the line.
void make_host() {
  std::ofstream("/sys/fs/cgroup/cgroup.subtree_control") << "+memory +pids +cpu" << std::flush;
  if (std::system(
          "modprobe zram && echo 8G >/sys/block/zram0/disksize && mkfs.ext4 -q -O ^has_journal /dev/zram0 && "
          "mkdir -p /mnt/bench && mount /dev/zram0 /mnt/bench") != 0)
    std::fprintf(stderr, "bench_peers: no disk for the page cache burst\n");
  // Where its reaper gives a hog up, the kernel looks for another, and panics where there is none.
  for (int i = 0; i < 16; ++i) {
    if (::fork() != 0) continue;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (true) ::pause();
  }
  std::ofstream("/proc/self/oom_score_adj") << -1000 << std::flush;
  const std::size_t spare = total() * 3 / 10;
  const std::size_t ballast = available() > spare ? available() - spare : 0;
  char* memory = take(ballast);
  std::memset(memory, 1, ballast);
  ::madvise(memory, ballast, MADV_DONTFORK);
}

}  // namespace

int main(int argc, char** argv) {
  if (std::getenv("PLIMSOLL_IN_VM") == nullptr) {
    std::puts("bench_peers runs the host out of memory: in a virtual machine only (tests/vm/vm)");
    return 0;
  }
  const char* cache = std::getenv("PLIMSOLL_CACHE");
  // run-suite has words for GoogleTest first.
  std::vector<std::string> words(argv + 1, argv + argc);
  std::erase_if(words, [](const std::string& word) { return word.starts_with("--"); });
  const int rounds = words.empty() ? 3 : std::max(1, std::atoi(words[0].c_str()));
  const std::string only = words.size() > 1 ? words[1] : "";
  make_host();
  std::printf("%zu MiB, of them available %zu\n", total() / kMiB, available() / kMiB);
  Bench bench({.ours = fs::read_symlink("/proc/self/exe").parent_path(),
               .peers = fs::path(cache != nullptr ? cache : "/var/cache/plimsoll") / "peers",
               .source = PLIMSOLL_SOURCE_DIR},
              rounds);
  for (const Guard& guard : kGuards) {
    if (only.empty() || only == guard.name) bench.run(guard);
  }
  return 0;
}
