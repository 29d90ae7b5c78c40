#include "agent/launch/seccomp_filter.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string_view>

#include "agent/base/unique_fd.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace plimsoll::launch {
namespace {

using Context = std::unique_ptr<void, void (*)(scmp_filter_ctx)>;

std::string place(std::string_view what) { return "linux.seccomp." + std::string(what); }

Result<std::uint32_t> action_of(const std::string& name, std::optional<std::uint32_t> errno_ret) {
  const auto number = static_cast<std::uint16_t>(errno_ret.value_or(EPERM));
  if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(number);
  if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
  if (name == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
  if (name == "SCMP_ACT_TRAP") return SCMP_ACT_TRAP;
  if (name == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
  if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(number);
  if (name == "SCMP_ACT_NOTIFY") {
    return fail(place("action") + ": SCMP_ACT_NOTIFY is not supported yet", ErrorKind::kUnsupported);
  }
  return invalid(place("action") + ": unknown action '" + name + "'");
}

struct Operator {
  std::string_view name;
  scmp_compare compare;
};
constexpr std::array kOperators = {
    Operator{"SCMP_CMP_NE", SCMP_CMP_NE},
    Operator{"SCMP_CMP_LT", SCMP_CMP_LT},
    Operator{"SCMP_CMP_LE", SCMP_CMP_LE},
    Operator{"SCMP_CMP_EQ", SCMP_CMP_EQ},
    Operator{"SCMP_CMP_GE", SCMP_CMP_GE},
    Operator{"SCMP_CMP_GT", SCMP_CMP_GT},
    Operator{"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
};

Result<std::vector<scmp_arg_cmp>> compares_of(const oci::SeccompRule& rule) {
  std::vector<scmp_arg_cmp> out;
  for (const oci::SeccompArg& arg : rule.args) {
    const auto* known = std::ranges::find(kOperators, arg.op, &Operator::name);
    if (known == kOperators.end())
      return invalid(place("syscalls.args.op") + ": unknown operator '" + arg.op + "'");
    if (arg.index > 5) return invalid(place("syscalls.args.index") + ": expected 0 to 5");
    scmp_arg_cmp compare{};
    compare.arg = arg.index;
    compare.op = known->compare;
    compare.datum_a = arg.value;
    compare.datum_b = arg.value_two;
    out.push_back(compare);
  }
  return out;
}

Result<> add_one(const Context& context, std::uint32_t action, int syscall, const std::string& name,
                 const std::vector<scmp_arg_cmp>& compares) {
  const int code = ::seccomp_rule_add_array(context.get(), action, syscall,
                                            static_cast<unsigned>(compares.size()), compares.data());
  if (code != 0 && code != -EEXIST) return fail_errno("add rule for " + name + " to linux.seccomp", -code);
  return {};
}

Result<> add_rule(const Context& context, const oci::SeccompRule& rule, std::uint32_t default_action) {
  PLIMSOLL_ASSIGN(const std::uint32_t action, action_of(rule.action, rule.errno_ret));
  if (action == default_action) return {};  // libseccomp refuses to say it twice
  PLIMSOLL_ASSIGN(const auto compares, compares_of(rule));
  // libseccomp takes one comparison an argument; OCI means "or" where an argument comes twice.
  bool twice = false;
  for (std::size_t i = 0; i < compares.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) twice = twice || compares[i].arg == compares[j].arg;
  }
  for (const std::string& name : rule.names) {
    const int number = ::seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) continue;
    if (!twice) {
      PLIMSOLL_TRY(add_one(context, action, number, name, compares));
      continue;
    }
    for (const scmp_arg_cmp& compare : compares)
      PLIMSOLL_TRY(add_one(context, action, number, name, {compare}));
  }
  return {};
}

Result<> add_architectures(const Context& context, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    constexpr std::string_view kPrefix = "SCMP_ARCH_";
    std::string lower;
    if (name.starts_with(kPrefix)) lower = name.substr(kPrefix.size());
    std::ranges::transform(lower, lower.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    const std::uint32_t arch = lower.empty() ? 0 : ::seccomp_arch_resolve_name(lower.c_str());
    if (arch == 0) return invalid(place("architectures") + ": unknown architecture '" + name + "'");
    const int code = ::seccomp_arch_add(context.get(), arch);
    if (code != 0 && code != -EEXIST)
      return fail_errno("add architecture " + name + " to linux.seccomp", -code);
  }
  return {};
}

Result<unsigned> flags_of(const std::vector<std::string>& names) {
  unsigned flags = 0;
  for (const std::string& name : names) {
    if (name == "SECCOMP_FILTER_FLAG_LOG") {
      flags |= SECCOMP_FILTER_FLAG_LOG;
    } else if (name == "SECCOMP_FILTER_FLAG_SPEC_ALLOW") {
      flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    } else if (name == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV") {
      flags |= SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    } else if (name != "SECCOMP_FILTER_FLAG_TSYNC") {  // one thread: nothing to synchronise
      return invalid(place("flags") + ": unknown flag '" + name + "'");
    }
  }
  return flags;
}

// libseccomp 2.5 exports to a descriptor only.
Result<std::vector<sock_filter>> exported(const Context& context) {
  const UniqueFd memory(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!memory) return fail_errno("create memfd for linux.seccomp");
  if (const int code = ::seccomp_export_bpf(context.get(), memory.get()); code != 0) {
    return fail_errno("compile linux.seccomp", -code);
  }
  const off_t size = ::lseek(memory.get(), 0, SEEK_END);
  std::vector<sock_filter> program(static_cast<std::size_t>(size) / sizeof(sock_filter));
  if (::pread(memory.get(), program.data(), static_cast<std::size_t>(size), 0) != size) {
    return fail_errno("read the filter of linux.seccomp");
  }
  return program;
}

}  // namespace

Result<SeccompFilter> compile_seccomp(const oci::Seccomp& profile) {
  PLIMSOLL_ASSIGN(const std::uint32_t default_action,
                  action_of(profile.default_action, profile.default_errno_ret));
  const Context context(::seccomp_init(default_action), ::seccomp_release);
  if (!context) return fail("create the filter of linux.seccomp: libseccomp refused");
  // A binary tree: a filter of 350 calls costs each call 9 comparisons instead of up to 350.
  ::seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  PLIMSOLL_TRY(add_architectures(context, profile.architectures));
  for (const oci::SeccompRule& rule : profile.syscalls) PLIMSOLL_TRY(add_rule(context, rule, default_action));
  SeccompFilter filter;
  PLIMSOLL_ASSIGN(filter.flags, flags_of(profile.flags));
  PLIMSOLL_ASSIGN(filter.program, exported(context));
  return filter;
}

Result<> load_seccomp(const SeccompFilter& filter) {
  const sock_fprog program{static_cast<unsigned short>(filter.program.size()),
                           const_cast<sock_filter*>(filter.program.data())};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter.flags, &program) != 0) {
    return fail_errno("load the seccomp filter");
  }
  return {};
}

}  // namespace plimsoll::launch
