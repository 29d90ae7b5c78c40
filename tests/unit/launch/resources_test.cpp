#include "agent/launch/resources.h"

#include <gtest/gtest.h>

#include "agent/launch/device_program.h"
#include "agent/launch/process_setup.h"
#include "agent/launch/seccomp_filter.h"
#include "agent/launch/store.h"

namespace plimsoll::launch {
namespace {

std::vector<std::string> lines(const oci::Resources& resources) {
  std::vector<std::string> out;
  const auto writes = control_writes(resources).value();
  for (const ControlWrite& write : writes) {
    out.push_back(write.file + "=" + write.value + " (" + write.controller + ")");
  }
  return out;
}

TEST(ControlWrites, EveryLimit) {
  oci::Resources resources;
  resources.memory = oci::MemoryResources{.limit = 100, .reservation = 50, .swap = 150};
  resources.cpu = oci::CpuResources{
      .shares = 1024, .burst = 10, .period = 50000, .quota = 25000, .cpus = "0-1", .mems = "0"};
  resources.pids_limit = 7;
  resources.block_io =
      oci::BlockIoResources{.weight = 1000, .read_bps = {{8, 16, 5}}, .write_iops = {{8, 16, 0}}};
  resources.hugepage_limits = {{"2MB", 4}};
  resources.unified = {{"memory.high", "80"}, {"cgroup.max.depth", "2"}};
  EXPECT_EQ(lines(resources),
            (std::vector<std::string>{
                "memory.max=100 (memory)", "memory.swap.max=50 (memory)", "memory.low=50 (memory)",
                "cpu.weight=100 (cpu)", "cpu.max=25000 50000 (cpu)", "cpu.max.burst=10 (cpu)",
                "cpuset.cpus=0-1 (cpuset)", "cpuset.mems=0 (cpuset)", "pids.max=7 (pids)",
                "io.bfq.weight=1000 (io)", "io.max=8:16 rbps=5 (io)", "io.max=8:16 wiops=max (io)",
                "hugetlb.2MB.max=4 (hugetlb)", "cgroup.max.depth=2 ()", "memory.high=80 (memory)"}));
}

TEST(ControlWrites, Unlimited) {
  oci::Resources resources;
  resources.memory = oci::MemoryResources{.limit = -1, .swap = -1};
  resources.cpu = oci::CpuResources{.shares = 512, .quota = -1, .idle = 1};
  resources.pids_limit = -1;
  EXPECT_EQ(lines(resources),
            (std::vector<std::string>{"memory.max=max (memory)", "memory.swap.max=max (memory)",
                                      "cpu.max=max (cpu)", "cpu.idle=1 (cpu)", "pids.max=max (pids)"}));
}

TEST(CpuWeight, EndsAndDefaultsMeet) {
  EXPECT_EQ(cpu_weight(2), 1U);
  EXPECT_EQ(cpu_weight(1024), 100U);
  EXPECT_EQ(cpu_weight(262144), 10000U);
  EXPECT_EQ(cpu_weight(0), 1U);
  EXPECT_EQ(cpu_weight(1ULL << 60), 10000U);
}

// Runs the program as the kernel would, with the few instructions that it is made of.
bool allowed(const std::vector<bpf_insn>& program, char type, unsigned access, unsigned major,
             unsigned minor) {
  std::uint64_t regs[11] = {};
  const std::uint32_t context[3] = {access << 16 | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
                                    major, minor};
  for (std::size_t at = 0; at < program.size(); ++at) {
    const bpf_insn& one = program[at];
    const auto imm = static_cast<std::uint64_t>(static_cast<std::int64_t>(one.imm));
    std::uint64_t& dst = regs[one.dst_reg];
    switch (one.code) {
      case BPF_LDX | BPF_MEM | BPF_W:
        dst = context[one.off / 4];
        break;
      case BPF_ALU64 | BPF_MOV | BPF_X:
        dst = regs[one.src_reg];
        break;
      case BPF_ALU64 | BPF_MOV | BPF_K:
        dst = imm;
        break;
      case BPF_ALU64 | BPF_AND | BPF_K:
        dst &= imm;
        break;
      case BPF_ALU64 | BPF_RSH | BPF_K:
        dst >>= imm;
        break;
      case BPF_JMP | BPF_JNE | BPF_K:
        at += dst != imm ? static_cast<std::size_t>(one.off) : 0;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        at += dst == imm ? static_cast<std::size_t>(one.off) : 0;
        break;
      case BPF_JMP | BPF_EXIT:
        return regs[0] == 1;
      default:
        ADD_FAILURE() << "unexpected instruction " << int{one.code};
        return false;
    }
  }
  ADD_FAILURE() << "ran off the end";
  return false;
}

constexpr unsigned kRead = BPF_DEVCG_ACC_READ, kWrite = BPF_DEVCG_ACC_WRITE, kMake = BPF_DEVCG_ACC_MKNOD;

TEST(DeviceProgram, DeniesAllButTheUsualNodes) {
  const auto program = device_program({{.allow = false}});
  EXPECT_TRUE(allowed(program, 'c', kRead | kWrite, 1, 3));
  EXPECT_TRUE(allowed(program, 'c', kRead | kWrite, 136, 42));
  EXPECT_TRUE(allowed(program, 'b', kMake, 8, 0));
  EXPECT_FALSE(allowed(program, 'b', kRead, 8, 0));
  EXPECT_FALSE(allowed(program, 'c', kRead, 1, 1));
}

TEST(DeviceProgram, LaterRulesWinForTheirKindsOfAccess) {
  const auto program = device_program({{.allow = false},
                                       {.allow = true, .type = 'b', .major = 8, .access = "r"},
                                       {.allow = true, .type = 'b', .major = 8, .minor = 1, .access = "w"},
                                       {.allow = false, .type = 'b', .major = 8, .minor = 2, .access = "r"}});
  EXPECT_TRUE(allowed(program, 'b', kRead, 8, 0));
  EXPECT_FALSE(allowed(program, 'b', kRead | kWrite, 8, 0));
  EXPECT_TRUE(allowed(program, 'b', kRead | kWrite, 8, 1));  // two rules together
  EXPECT_FALSE(allowed(program, 'b', kRead, 8, 2));
  EXPECT_FALSE(allowed(program, 'c', kRead, 8, 1));
}

TEST(DeviceProgram, AllowAll) {
  const auto program = device_program({{.allow = true}});
  EXPECT_TRUE(allowed(program, 'b', kRead | kWrite | kMake, 259, 7));
}

TEST(SeccompFilter, DefaultProfileCompiles) {
  const auto filter = compile_seccomp(oci::default_seccomp());
  ASSERT_TRUE(filter) << filter.error().message();
  EXPECT_GT(filter->program.size(), 100U);
  EXPECT_LE(filter->program.size(), 4096U);
}

TEST(SeccompFilter, Errors) {
  oci::Seccomp profile{.default_action = "SCMP_ACT_MOON"};
  EXPECT_EQ(compile_seccomp(profile).error().message(),
            "linux.seccomp.action: unknown action 'SCMP_ACT_MOON'");
  profile.default_action = "SCMP_ACT_ALLOW";
  profile.architectures = {"SCMP_ARCH_PDP11"};
  EXPECT_EQ(compile_seccomp(profile).error().message(),
            "linux.seccomp.architectures: unknown architecture 'SCMP_ARCH_PDP11'");
  profile.architectures.clear();
  profile.syscalls = {{.names = {"read"}, .action = "SCMP_ACT_ERRNO", .args = {{7, 0, 0, "SCMP_CMP_EQ"}}}};
  EXPECT_EQ(compile_seccomp(profile).error().message(), "linux.seccomp.syscalls.args.index: expected 0 to 5");
  profile.syscalls[0].args[0] = {0, 0, 0, "=="};
  EXPECT_EQ(compile_seccomp(profile).error().message(),
            "linux.seccomp.syscalls.args.op: unknown operator '=='");
}

TEST(Record, SurvivesTheTripThroughJson) {
  const Record record{.id = "a",
                      .bundle = "/b",
                      .root = "/b/r",
                      .created = "2026-11-24T08:00:00Z",
                      .pid = 7,
                      .start_time = 9,
                      .cgroup = "/c/d",
                      .cgroup_topmost = "/c",
                      .namespaces = 5,
                      .annotations = {{"k", "v"}}};
  const Record back = parse_record(state_json(record, Status::kRunning)).value();
  EXPECT_EQ(back.id, "a");
  EXPECT_EQ(back.pid, 7);
  EXPECT_EQ(back.start_time, 9U);
  EXPECT_EQ(back.cgroup_topmost, "/c");
  EXPECT_EQ(back.annotations.at("k"), "v");
  EXPECT_FALSE(parse_record("{}"));
}

TEST(FindProgram, SearchesPath) {
  EXPECT_EQ(find_program("sh", {"PATH=/nowhere:/bin"}).value(), "/bin/sh");
  EXPECT_EQ(find_program("no-such-program", {"PATH=/bin"}).error().message(),
            "exec no-such-program: executable file not found in $PATH");
  EXPECT_EQ(find_program("/etc", {}).error().message(), "exec /etc: Is a directory");
  EXPECT_EQ(find_program("/etc/passwd", {}).error().message(), "exec /etc/passwd: Permission denied");
}

}  // namespace
}  // namespace plimsoll::launch
