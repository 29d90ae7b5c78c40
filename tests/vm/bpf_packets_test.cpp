// The two programs that see every packet of the host, run by the kernel on packets of the test's choice
// (BPF_PROG_TEST_RUN): none may ever be held back, and each is counted once. The kernel makes a socket for
// such a packet, in the cgroup of whoever asks. One without a socket cannot be had this way, nor does the
// kernel run them for such.
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <cstring>
#include <optional>
#include <set>

#include "tests/vm/net_fixture.h"

namespace plimsoll::bpf {
namespace {

constexpr std::uint32_t kPass = 1;

using Packet = std::vector<std::uint8_t>;

// Ethernet's header, as the kernel wants it, and then so many bytes, which begin with `head`.
Packet packet(std::uint16_t protocol, std::size_t size, const std::vector<std::uint8_t>& head = {}) {
  Packet out(ETH_HLEN + size);
  out[12] = static_cast<std::uint8_t>(protocol >> 8);
  out[13] = static_cast<std::uint8_t>(protocol);
  std::copy_n(head.begin(), std::min(head.size(), size), out.begin() + ETH_HLEN);
  return out;
}
// 127.0.0.1 to itself, UDP; the length that it tells of is not looked at.
Packet ipv4(std::size_t size) {
  return packet(ETH_P_IP, size, {0x45, 0, 0, 100, 0, 1, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1});
}
// ::1 to itself, TCP.
Packet ipv6(std::size_t size) {
  std::vector<std::uint8_t> head(40);
  head[0] = 0x60;
  head[6] = 6;
  head[7] = 64;
  head[23] = head[39] = 1;
  return packet(ETH_P_IPV6, size, head);
}

class PacketsTest : public NetTest {
 protected:
  void SetUp() override {
    NetTest::SetUp();
    ASSERT_EQ(why_down("net"), "");
    for (int* fd : {&sent_, &received_}) {
      *fd = own_fd<bpf_prog_info>("bpf-prog", fd == &sent_ ? "sent" : "received");
      ASSERT_GE(*fd, 0) << "the probe's program is not among this process' descriptors";
    }
  }
  // What the program says of the packet; nullopt: the kernel does not hand it such a one.
  static std::optional<std::uint32_t> run(int program, const Packet& packet, int times = 1,
                                          __sk_buff* context = nullptr) {
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet.data(),
                .data_size_in = static_cast<std::uint32_t>(packet.size()), .repeat = times);
    if (context != nullptr) {
      options.ctx_in = context;
      options.ctx_size_in = sizeof *context;
    }
    const int failed = bpf_prog_test_run_opts(program, &options);
    if (failed == 0 && times > 1) std::printf("%u ns a packet\n", options.duration);
    if (failed == 0) return options.retval;
    EXPECT_EQ(failed, -EINVAL) << std::strerror(-failed);
    return std::nullopt;
  }
  struct Counted {
    std::uint64_t bytes_sent, packets_sent, bytes_received, packets_received;
    bool operator==(const Counted&) const = default;
  };
  Counted counted(const fs::path& cgroup) const {
    const model::Network seen = seen_of(cgroup);
    return {seen.bytes_sent, seen.packets_sent, seen.bytes_received, seen.packets_received};
  }
  static constexpr Counted kNothing{};

  int sent_ = -1, received_ = -1;
};

TEST_F(PacketsTest, EveryPacketPassesWhosesoeverItIs) {
  fs::create_directories(client_ / "below");
  struct Kind {
    const char* name;
    Packet bytes;
    bool whole;  // the kernel may refuse to make others
  };
  const std::vector<Kind> kinds = {
      {"IPv4", ipv4(100), true},
      {"IPv6", ipv6(100), true},
      {"large", ipv4(2500), true},
      {"IPv4's header only", ipv4(20), true},
      {"IPv6's header only", ipv6(40), true},
      {"ARP", packet(ETH_P_ARP, 28), true},
      {"of no known protocol", packet(0xFFFF, 60), true},
      {"IPv4 cut in its header", ipv4(7), false},
      {"IPv6 cut in its header", ipv6(30), false},
      {"a single byte", packet(0xFFFF, 1), false},
      {"Ethernet's header only", packet(ETH_P_IP, 0), false},
      {"cut in Ethernet's header", Packet(6), false},
  };
  std::set<std::string_view> refused;
  for (const fs::path& place : {client_, client_ / "below", folder_, fs::path(cgroup_mount())}) {
    const Inside inside(place);
    for (const Kind& kind : kinds) {
      for (const int program : {sent_, received_}) {
        const auto said = run(program, kind.bytes);
        EXPECT_TRUE(said || !kind.whole) << kind.name;
        EXPECT_EQ(said.value_or(kPass), kPass) << kind.name << " in " << place;
        if (!said) refused.insert(kind.name);
      }
    }
  }
  for (const std::string_view name : refused)
    std::printf("the kernel makes no packet: %s\n", std::string(name).c_str());
}

TEST_F(PacketsTest, APacketIsCountedOnceForTheContainerOfItsSocket) {
  constexpr int kPackets = 1000;
  struct Kind {
    Packet bytes;
    std::uint64_t size;
  };
  for (const Kind& kind : {Kind{ipv4(100), 100}, Kind{ipv6(1400), 1400}}) {
    const Counted before = counted(client_);
    const Inside inside(client_);
    EXPECT_EQ(run(sent_, kind.bytes, kPackets), kPass);
    Counted wanted = before;
    wanted.bytes_sent += kPackets * kind.size;
    wanted.packets_sent += kPackets;
    EXPECT_EQ(counted(client_), wanted);
    EXPECT_EQ(run(received_, kind.bytes, kPackets), kPass);
    wanted.bytes_received += kPackets * kind.size;
    wanted.packets_received += kPackets;
    EXPECT_EQ(counted(client_), wanted);
  }
  EXPECT_EQ(counted(server_), kNothing);
}

TEST_F(PacketsTest, ASocketBelowTheContainerIsItsOwn) {
  const fs::path below = client_ / "below";
  fs::create_directories(below / "deeper");
  {
    const Inside inside(below / "deeper");
    EXPECT_EQ(run(sent_, ipv4(60)), kPass);
    EXPECT_EQ(run(received_, ipv6(80)), kPass);
    EXPECT_EQ(run(sent_, ipv4(60)), kPass) << "and once it is known whose it is";
  }
  EXPECT_EQ(counted(client_), (Counted{120, 2, 80, 1}));
}

TEST_F(PacketsTest, APacketOfNobodyIsCountedForNobody) {
  for (const fs::path& place : {folder_, fs::path(cgroup_mount())}) {
    const Inside inside(place);
    EXPECT_EQ(run(sent_, ipv4(100)), kPass);
    EXPECT_EQ(run(received_, ipv6(100)), kPass);
  }
  EXPECT_EQ(counted(client_), kNothing);
  EXPECT_EQ(counted(server_), kNothing);
  // Nobody's turns out to be somebody's: the cgroup is named as a container now.
  ASSERT_TRUE(probes_->watch(id()));
  const Inside inside(folder_);
  EXPECT_EQ(run(sent_, ipv4(100)), kPass);
  EXPECT_EQ(counted(folder_), (Counted{100, 1, 0, 0}));
}

TEST_F(PacketsTest, WhatACardCutsIsAsManyPacketsAsItIsCutInto) {
  const Inside inside(client_);
  __sk_buff whole{};
  whole.gso_segs = 7;
  whole.gso_size = 300;
  EXPECT_EQ(run(sent_, ipv4(2000), 1, &whole), kPass);
  EXPECT_EQ(run(received_, ipv4(2000), 1, &whole), kPass);
  EXPECT_EQ(counted(client_), (Counted{2000, 7, 2000, 7}));
}

}  // namespace
}  // namespace plimsoll::bpf
