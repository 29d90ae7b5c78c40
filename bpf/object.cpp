#include "bpf/object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cstdio>
#include <map>

namespace plimsoll::bpf {
namespace {

// What libbpf and the verifier say of a failure, kept for the error: libraries do not print.
thread_local std::string said;

int keep(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  // The verifier's words come in one piece, and the last of them are the reason.
  va_list again;
  va_copy(again, arguments);
  const int size = std::vsnprintf(nullptr, 0, format, again);
  va_end(again);
  if (size <= 0) return 0;
  std::string words(static_cast<std::size_t>(size) + 1, '\0');
  std::vsnprintf(words.data(), words.size(), format, arguments);
  words.pop_back();
  said += words;
  return 0;
}

// The last line that is not libbpf's own frame around the verifier's words, nor its word that the whole
// failed too: the line before that names the program.
std::string reason() {
  std::string best;
  std::size_t begin = 0;
  while (begin < said.size()) {
    const std::size_t end = std::min(said.find('\n', begin), said.size());
    const std::string line = said.substr(begin, end - begin);
    begin = end + 1;
    if (line.empty() || line.find("-- ") != std::string::npos || line.starts_with("processed ")) continue;
    // Neither names the reason, and the second guesses at it.
    if (line.find(": failed to load") != std::string::npos || line.find("ulimit") != std::string::npos)
      continue;
    best = line;
  }
  said.clear();
  return best;
}

std::unexpected<Error> refused(const std::string& doing, int number) {
  const std::string why = reason();
  return fail_errno(doing + (why.empty() ? "" : " (" + why + ")"), number < 0 ? -number : number);
}

constexpr std::uint32_t kSmall = 64;  // bytes of a value on one CPU

bool by_container(const bpf_map* map) { return bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_HASH; }

// The one that has its object's name; others are the kernel programs' own.
bool by_slot(const bpf_map* map, const std::string& object) {
  return bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY && bpf_map__name(map) == object;
}

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};

// Whether the kernel has the function, or the tracepoint, that a section "fentry/NAME" asks for.
bool has_hook(const btf* kernel, std::string_view section) {
  const std::size_t slash = section.find('/');
  if (slash == std::string_view::npos) return true;
  const std::string target(section.substr(slash + 1));
  if (section.starts_with("tp_btf/"))
    return btf__find_by_name_kind(kernel, ("btf_trace_" + target).c_str(), BTF_KIND_TYPEDEF) > 0;
  return btf__find_by_name_kind(kernel, target.c_str(), BTF_KIND_FUNC) > 0;
}

}  // namespace

void Object::CloseObject::operator()(bpf_object* object) const { bpf_object__close(object); }
void Object::CloseLink::operator()(bpf_link* link) const { bpf_link__destroy(link); }
Object::~Object() = default;

Result<std::unique_ptr<Object>> Object::load(const ObjectSource& source, std::span<const SharedMap> shared,
                                             const Room& room, int cgroup_root) {
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  libbpf_set_print(keep);
  said.clear();
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = source.name.c_str(),
              .btf_custom_path = source.types.empty() ? nullptr : source.types.c_str());
  std::unique_ptr<Object> made(new Object);
  made->object_.reset(bpf_object__open_mem(source.bytes.data(), source.bytes.size(), &options));
  if (!made->object_) return refused("open the BPF object " + source.name, errno);
  PLIMSOLL_TRY(made->size_maps(source, shared, room));
  PLIMSOLL_TRY(made->choose_programs(source.name));
  if (const int code = bpf_object__load(made->object_.get()); code != 0)
    return refused("load the BPF object " + source.name, code);
  made->find_counters(source.name);
  PLIMSOLL_TRY(made->attach(source.name, cgroup_root));
  return made;
}

Result<> Object::size_maps(const ObjectSource& source, std::span<const SharedMap> shared, const Room& room) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object_.get()) {
    const std::string name = bpf_map__name(map);
    const auto given = std::ranges::find(shared, name, &SharedMap::name);
    int code = 0;
    if (given != shared.end()) {
      code = bpf_map__reuse_fd(map, given->fd);
    } else if (by_container(map)) {
      const bool wide = bpf_map__key_size(map) > sizeof(std::uint64_t);
      code = bpf_map__set_max_entries(map, wide ? room.cells : room.containers);
      // Of large ones all that there is room for, on each CPU, would be many times what is ever there. Small
      // ones are best taken beforehand: within an interrupt the kernel has but a few to give.
      if (code == 0 && bpf_map__value_size(map) > kSmall)
        code = bpf_map__set_map_flags(map, bpf_map__map_flags(map) | BPF_F_NO_PREALLOC);
    } else if (by_slot(map, source.name)) {
      code = bpf_map__set_max_entries(map, room.containers);
    }
    if (code != 0) return refused("prepare the BPF map " + name + " of " + source.name, code);
  }
  return {};
}

// libbpf itself leaves out those whose sections begin with '?', until it is told otherwise.
Result<> Object::choose_programs(const std::string& name) {
  std::unique_ptr<btf, FreeBtf> kernel;
  std::map<std::string, bool> done;  // what several can do, by the part of their names that is equal
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_.get()) {
    if (bpf_program__autoload(program)) continue;
    if (!kernel) kernel.reset(btf__load_vmlinux_btf());
    if (!kernel) return refused("read the kernel's types for " + name, errno);
    bool has = has_hook(kernel.get(), bpf_program__section_name(program));
    const std::string full = bpf_program__name(program);
    if (const std::size_t end = full.find("___"); end != std::string::npos) {
      bool& already = done[full.substr(0, end)];
      has = has && !already;
      already = already || has;
    }
    bpf_program__set_autoload(program, has);
  }
  const auto undone = std::ranges::find(done, false, [](const auto& one) { return one.second; });
  if (undone == done.end()) return {};
  return fail("load the BPF object " + name + ": this kernel has no hook for " + undone->first);
}

Result<> Object::attach(const std::string& name, int cgroup_root) {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_.get()) {
    if (!bpf_program__autoload(program)) continue;
    const bool of_cgroup = bpf_program__type(program) == BPF_PROG_TYPE_CGROUP_SKB;
    if (of_cgroup && cgroup_root < 0)
      return fail("attach " + name + " to " + bpf_program__section_name(program) +
                  ": the cgroup mount is not known");
    bpf_link* link =
        of_cgroup ? bpf_program__attach_cgroup(program, cgroup_root) : bpf_program__attach(program);
    if (link == nullptr) {
      const int number = errno;
      links_.clear();
      return refused("attach " + name + " to " + bpf_program__section_name(program), number);
    }
    links_.emplace_back(link);
  }
  return {};
}

int Object::map(const char* name) const {
  const bpf_map* map = bpf_object__find_map_by_name(object_.get(), name);
  return map == nullptr ? -1 : bpf_map__fd(map);
}

void Object::find_counters(const std::string& name) {
  std::vector<Counters::Map> maps;
  const bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object_.get()) {
    const bool hash = by_container(map), array = bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY;
    const bool set = bpf_map__type(map) == BPF_MAP_TYPE_HASH && bpf_map__value_size(map) == sizeof(char);
    if (!hash && !array && !set) continue;
    maps.push_back({.name = bpf_map__name(map),
                    .fd = bpf_map__fd(map),
                    .key_bytes = bpf_map__key_size(map),
                    .value_bytes = bpf_map__value_size(map),
                    .by_container = hash,
                    .by_slot = by_slot(map, name),
                    .set = set});
  }
  counters_ = Counters(maps, libbpf_num_possible_cpus());
}

RunTime Object::run_time() const {
  RunTime all;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_.get()) {
    bpf_prog_info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) != 0) continue;
    all.spent += Nanoseconds(static_cast<std::int64_t>(info.run_time_ns));
    all.runs += info.run_cnt;
    all.missed += info.recursion_misses;
  }
  return all;
}

}  // namespace plimsoll::bpf
