#include "agent/watch/cgroup_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "agent/kernel/control_files.h"
#include "agent/kernel/file.h"

namespace plimsoll::watch {
namespace {

using model::Sample;

template <typename Target, typename Value>
bool keep(Target& target, Result<Value> value) {
  if (value) {
    target = *std::move(value);
  } else {
    target.reset();
  }
  return value.has_value();
}

bool keep_bytes(std::optional<Bytes>& target, std::string_view text) {
  const auto value = kernel::parse_count(text);
  target = value ? std::optional(Bytes{*value}) : std::nullopt;
  return value.has_value();
}

struct File {
  const char* name;
  bool (*parse)(std::string_view text, Sample& into);  // false: not understood, the field is absent then
  void (*clear)(Sample& into);
};

// Adding a file is a line here (and kFiles).
constexpr std::array<File, CgroupReader::kFiles> kTable = {{
    {"cpu.stat",
     [](std::string_view text, Sample& into) { return keep(into.cpu, kernel::parse_cpu_stat(text)); },
     [](Sample& into) { into.cpu.reset(); }},
    {"memory.current",
     [](std::string_view text, Sample& into) { return keep_bytes(into.memory.current, text); },
     [](Sample& into) { into.memory.current.reset(); }},
    {"memory.peak", [](std::string_view text, Sample& into) { return keep_bytes(into.memory.peak, text); },
     [](Sample& into) { into.memory.peak.reset(); }},
    {"memory.swap.current",
     [](std::string_view text, Sample& into) { return keep_bytes(into.memory.swap_current, text); },
     [](Sample& into) { into.memory.swap_current.reset(); }},
    {"memory.stat",
     [](std::string_view text, Sample& into) {
       return keep(into.memory.stat, kernel::parse_memory_stat(text));
     },
     [](Sample& into) { into.memory.stat.reset(); }},
    {"memory.events",
     [](std::string_view text, Sample& into) {
       return keep(into.memory.events, kernel::parse_memory_events(text));
     },
     [](Sample& into) { into.memory.events.reset(); }},
    {"cpu.pressure",
     [](std::string_view text, Sample& into) {
       return keep(into.pressure.cpu, kernel::parse_pressure(text));
     },
     [](Sample& into) { into.pressure.cpu.reset(); }},
    {"memory.pressure",
     [](std::string_view text, Sample& into) {
       return keep(into.pressure.memory, kernel::parse_pressure(text));
     },
     [](Sample& into) { into.pressure.memory.reset(); }},
    {"io.pressure",
     [](std::string_view text, Sample& into) { return keep(into.pressure.io, kernel::parse_pressure(text)); },
     [](Sample& into) { into.pressure.io.reset(); }},
    {"io.stat",
     [](std::string_view text, Sample& into) { return kernel::parse_io_stat(text, into.io).has_value(); },
     [](Sample& into) { into.io.clear(); }},
    {"pids.current",
     [](std::string_view text, Sample& into) { return keep(into.threads, kernel::parse_count(text)); },
     [](Sample& into) { into.threads.reset(); }},
}};

UniqueFd open_at(int folder, const char* name) {
  return UniqueFd(::openat(folder, name, O_RDONLY | O_CLOEXEC));
}

// "2MB" of each hugetlb.2MB.current.
std::vector<std::string> hugetlb_sizes(int folder) {
  std::vector<std::string> sizes;
  const int copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(copy < 0 ? nullptr : ::fdopendir(copy), ::closedir);
  while (const dirent* entry = dir ? ::readdir(dir.get()) : nullptr) {
    std::string_view name = entry->d_name;
    if (!name.starts_with("hugetlb.") || !name.ends_with(".current")) continue;
    name = name.substr(8, name.size() - 16);
    if (name.find('.') == std::string_view::npos) sizes.emplace_back(name);  // not SIZE.rsvd
  }
  std::ranges::sort(sizes);
  return sizes;
}

}  // namespace

const char* CgroupReader::file_name(std::size_t file) { return kTable[file].name; }

Result<CgroupReader> CgroupReader::open(const std::string& path, model::CgroupId expected,
                                        DescriptorBudget& budget) {
  UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return fail_errno("open cgroup " + path);
  struct stat info{};
  if (::fstat(folder.get(), &info) != 0) return fail_errno("stat cgroup " + path);
  if (model::CgroupId{info.st_ino} != expected) {
    return fail("open cgroup " + path + ": another one took its name", ErrorKind::kNotFound);
  }
  CgroupReader reader(std::move(folder), budget);
  reader.look_again();
  reader.hugetlb_sizes_ = hugetlb_sizes(reader.folder());
  return reader;
}

CgroupReader::~CgroupReader() {
  for (const Slot& slot : slots_) {
    if (slot.fd) budget_->give_back();
  }
}

void CgroupReader::look_again() {
  for (std::size_t file = 0; file < kFiles; ++file) {
    Slot& slot = slots_[file];
    if (slot.state == State::kKept) continue;
    UniqueFd fd = open_at(folder_.get(), kTable[file].name);
    if (!fd) {
      slot.state = State::kAbsent;
    } else if (budget_->take()) {
      slot.state = State::kKept;
      slot.fd = std::move(fd);
    } else {
      slot.state = State::kReopened;
    }
  }
}

Result<std::string_view> CgroupReader::text_of(std::size_t file, std::string& buffer) {
  if (slots_[file].state == State::kKept) return kernel::pread_all(slots_[file].fd.get(), buffer);
  const UniqueFd fd = open_at(folder_.get(), kTable[file].name);
  if (!fd) return fail_errno(kTable[file].name);
  return kernel::pread_all(fd.get(), buffer);
}

Result<> CgroupReader::read(Sample& into, std::string& buffer) {
  for (std::size_t file = 0; file < kFiles; ++file) {
    if (slots_[file].state == State::kAbsent) continue;
    auto text = text_of(file, buffer);
    if (text) {
      if (!kTable[file].parse(*text, into)) ++malformed_;
      continue;
    }
    // ENOENT and ENODEV. The controller may have been turned off: then the folder itself is still there.
    if (text.error().kind() == ErrorKind::kNotFound) {
      if (::faccessat(folder_.get(), "cgroup.events", F_OK, 0) != 0 &&
          ::faccessat(folder_.get(), "cgroup.procs", F_OK, 0) != 0) {
        return std::unexpected(std::move(text).error());
      }
      if (slots_[file].fd) budget_->give_back();
      slots_[file] = Slot{};
    }
    kTable[file].clear(into);  // EOPNOTSUPP: cgroup.pressure is 0
  }
  return {};
}

Result<> CgroupReader::read_events(Sample& into) {
  PLIMSOLL_ASSIGN(const std::string text, kernel::read_file_at(folder_.get(), "cgroup.events"));
  if (const auto events = kernel::parse_cgroup_events(text)) {
    into.populated = events->populated;
    into.frozen = events->frozen;
  } else {
    ++malformed_;
  }
  return {};
}

void CgroupReader::read_hugetlb(std::vector<model::HugetlbStat>& into) {
  into.clear();
  for (const std::string& size : hugetlb_sizes_) {
    model::HugetlbStat stat{size, std::nullopt, std::nullopt};
    if (const auto text = kernel::read_file_at(folder_.get(), "hugetlb." + size + ".current")) {
      keep_bytes(stat.current, *text);
    }
    if (const auto text = kernel::read_file_at(folder_.get(), "hugetlb." + size + ".events")) {
      keep(stat.failures, kernel::parse_hugetlb_events(*text));
    }
    into.push_back(std::move(stat));
  }
}

std::size_t CgroupReader::kept() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(slots_, [](const Slot& slot) { return slot.state == State::kKept; }));
}

std::size_t CgroupReader::reopened() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(slots_, [](const Slot& slot) { return slot.state == State::kReopened; }));
}

}  // namespace plimsoll::watch
