#include "agent/launch/device_program.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "agent/base/unique_fd.h"

namespace plimsoll::launch {
namespace {

// Registers of the program.
constexpr std::uint8_t kResult = BPF_REG_0, kContext = BPF_REG_1, kType = BPF_REG_2, kAccess = BPF_REG_3,
                       kMajor = BPF_REG_4, kMinor = BPF_REG_5, kScratch = BPF_REG_6;

bpf_insn insn(int code, std::uint8_t dst, std::uint8_t src, int off, std::int32_t imm) {
  bpf_insn out{};
  out.code = static_cast<std::uint8_t>(code);
  out.dst_reg = dst & 0xF;
  out.src_reg = src & 0xF;
  out.off = static_cast<std::int16_t>(off);
  out.imm = imm;
  return out;
}

bpf_insn load(std::uint8_t dst, int offset) {
  return insn(BPF_LDX | BPF_MEM | BPF_W, dst, kContext, offset, 0);
}

std::int32_t mask_of(const std::string& access) {
  std::int32_t mask = 0;
  for (const char c : access) {
    mask |= c == 'm' ? BPF_DEVCG_ACC_MKNOD : c == 'r' ? BPF_DEVCG_ACC_READ : BPF_DEVCG_ACC_WRITE;
  }
  return mask;
}

void emit_return(std::vector<bpf_insn>& out, bool allow) {
  out.push_back(insn(BPF_ALU64 | BPF_MOV | BPF_K, kResult, 0, 0, allow ? 1 : 0));
  out.push_back(insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

// kAccess holds what is still undecided. A matching "allow" takes its kinds off it, and nothing left is a
// yes; a matching "deny" of any kind that is left is a no.
void emit_rule(std::vector<bpf_insn>& out, const oci::DeviceRule& rule) {
  std::vector<bpf_insn> body;
  const std::int32_t mask = mask_of(rule.access);
  if (rule.allow) {
    body.push_back(insn(BPF_ALU64 | BPF_AND | BPF_K, kAccess, 0, 0, ~mask & 7));
    body.push_back(insn(BPF_JMP | BPF_JNE | BPF_K, kAccess, 0, 2, 0));
    emit_return(body, true);
  } else {
    body.push_back(insn(BPF_ALU64 | BPF_MOV | BPF_X, kScratch, kAccess, 0, 0));
    body.push_back(insn(BPF_ALU64 | BPF_AND | BPF_K, kScratch, 0, 0, mask));
    body.push_back(insn(BPF_JMP | BPF_JEQ | BPF_K, kScratch, 0, 2, 0));
    emit_return(body, false);
  }
  std::vector<bpf_insn> tests;
  const auto test = [&tests](std::uint8_t reg, std::int64_t value) {
    tests.push_back(insn(BPF_JMP | BPF_JNE | BPF_K, reg, 0, 0, static_cast<std::int32_t>(value)));
  };
  if (rule.type != 'a') test(kType, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
  if (rule.major) test(kMajor, *rule.major);
  if (rule.minor) test(kMinor, *rule.minor);
  for (std::size_t i = 0; i < tests.size(); ++i) {
    tests[i].off = static_cast<std::int16_t>(tests.size() - i - 1 + body.size());
  }
  out.insert(out.end(), tests.begin(), tests.end());
  out.insert(out.end(), body.begin(), body.end());
}

std::vector<oci::DeviceRule> always_allowed() {
  std::vector<oci::DeviceRule> rules = {{.allow = true, .type = 'c', .access = "m"},
                                        {.allow = true, .type = 'b', .access = "m"}};
  const auto allow = [&rules](std::int64_t major, std::optional<std::int64_t> minor) {
    rules.push_back({.allow = true, .type = 'c', .major = major, .minor = minor, .access = "rwm"});
  };
  for (const std::int64_t minor : {3, 5, 7, 8, 9}) allow(1, minor);
  for (const std::int64_t minor : {0, 1, 2}) allow(5, minor);
  allow(136, std::nullopt);
  return rules;
}

long bpf(int command, bpf_attr& attributes) {
  return ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

}  // namespace

std::vector<bpf_insn> device_program(const std::vector<oci::DeviceRule>& rules) {
  std::vector<oci::DeviceRule> all = rules;
  for (oci::DeviceRule& rule : always_allowed()) all.push_back(std::move(rule));
  std::vector<bpf_insn> out = {
      load(kType, offsetof(bpf_cgroup_dev_ctx, access_type)),
      insn(BPF_ALU64 | BPF_MOV | BPF_X, kAccess, kType, 0, 0),
      insn(BPF_ALU64 | BPF_AND | BPF_K, kType, 0, 0, 0xFFFF),
      insn(BPF_ALU64 | BPF_RSH | BPF_K, kAccess, 0, 0, 16),
      load(kMajor, offsetof(bpf_cgroup_dev_ctx, major)),
      load(kMinor, offsetof(bpf_cgroup_dev_ctx, minor)),
  };
  for (auto rule = all.rbegin(); rule != all.rend(); ++rule) {
    // A rule of all kinds of devices is a rule of all devices: what stood before it is void.
    emit_rule(out, *rule);
    if (rule->type == 'a' && !rule->major && !rule->minor && mask_of(rule->access) == 7) break;
  }
  emit_return(out, false);
  return out;
}

Result<> attach_device_program(int cgroup, const std::vector<bpf_insn>& program) {
  bpf_attr load_attributes{};
  load_attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  load_attributes.insns = reinterpret_cast<std::uint64_t>(program.data());
  load_attributes.insn_cnt = static_cast<std::uint32_t>(program.size());
  load_attributes.license = reinterpret_cast<std::uint64_t>("GPL");
  const UniqueFd loaded(static_cast<int>(bpf(BPF_PROG_LOAD, load_attributes)));
  if (!loaded) return fail_errno("load the device program of linux.resources.devices");
  bpf_attr attach_attributes{};
  attach_attributes.target_fd = static_cast<std::uint32_t>(cgroup);
  attach_attributes.attach_bpf_fd = static_cast<std::uint32_t>(loaded.get());
  attach_attributes.attach_type = BPF_CGROUP_DEVICE;
  attach_attributes.attach_flags = BPF_F_ALLOW_MULTI;
  if (bpf(BPF_PROG_ATTACH, attach_attributes) != 0)
    return fail_errno("attach the device program to the cgroup");
  return {};
}

}  // namespace plimsoll::launch
