// Reads one cgroup, over and over, through descriptors kept open: measured 3 to 5 times cheaper than opening
// each time. A descriptor of a vanished cgroup's file gives ENODEV, so a cgroup that took over the name is
// never read by mistake. Single-threaded.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"
#include "agent/model/sample.h"
#include "agent/watch/descriptor_budget.h"

namespace plimsoll::watch {

class CgroupReader {
 public:
  // `path` is the cgroup's folder; `expected` its inode: kNotFound where the folder is gone or another one.
  // The budget must outlive the reader.
  static Result<CgroupReader> open(const std::string& path, model::CgroupId expected,
                                   DescriptorBudget& budget);
  CgroupReader(CgroupReader&&) noexcept = default;
  CgroupReader& operator=(CgroupReader&&) = delete;
  ~CgroupReader();

  // Fills cpu, memory, pressure, io and threads of `into`. Files that this cgroup lacks leave their field
  // absent. kNotFound: the cgroup is gone, `into` is as it was. `buffer` is scratch, shared by all readers.
  Result<> read(model::Sample& into, std::string& buffer);
  // cgroup.events: whether processes are in it, and whether it is frozen. kNotFound as above.
  Result<> read_events(model::Sample& into);
  // hugetlb.*: few use them, so they are read apart and opened each time.
  void read_hugetlb(std::vector<model::HugetlbStat>& into);
  // Files appear when the parent turns a controller on: looks again for those that were absent.
  void look_again();

  int folder() const { return folder_.get(); }
  std::uint64_t malformed() const { return malformed_; }  // files that could not be understood so far
  std::size_t kept() const;                               // files read through kept descriptors
  std::size_t reopened() const;                           // files opened for each reading

  static constexpr std::size_t kFiles = 11;
  static const char* file_name(std::size_t file);  // of those that read() reads; file < kFiles

 private:
  enum class State { kAbsent, kKept, kReopened };
  struct Slot {
    State state = State::kAbsent;
    UniqueFd fd;
  };

  CgroupReader(UniqueFd folder, DescriptorBudget& budget) : folder_(std::move(folder)), budget_(&budget) {}
  Result<std::string_view> text_of(std::size_t file, std::string& buffer);

  UniqueFd folder_;
  DescriptorBudget* budget_;
  std::array<Slot, kFiles> slots_;
  std::vector<std::string> hugetlb_sizes_;
  std::uint64_t malformed_ = 0;
};

}  // namespace plimsoll::watch
