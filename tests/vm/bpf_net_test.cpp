// The probe of sockets, against what ss and the workload itself know. Needs CAP_BPF, CAP_PERFMON and
// CAP_NET_ADMIN.
#include "tests/vm/net_fixture.h"

namespace plimsoll::bpf {
namespace {

constexpr int kTimes = 25;

TEST_F(NetTest, ConnectionsAreCountedAtBothEnds) {
  for (const char* where : {"127.0.0.1", "::1"}) {
    const auto client = seen_of(client_), server = seen_of(server_);
    const Listener listener = listen_at({server_, ""}, where);
    for (int i = 0; i < kTimes; ++i) connection({client_, ""}, listener);
    const auto client_after = seen_of(client_), server_after = seen_of(server_);
    EXPECT_EQ(client_after.connected - client.connected, kTimes) << where;
    EXPECT_EQ(client_after.accepts, 0U) << where;
    EXPECT_EQ(server_after.accepts - server.accepts, kTimes) << where;
    EXPECT_EQ(server_after.connected, 0U) << where;
    const auto latencies = client_after.connects - client.connects;
    EXPECT_EQ(latencies.count(), kTimes);
    EXPECT_GT(latencies.sum.count(), 0);
    EXPECT_EQ(client_after.retransmits + client_after.refused + client_after.failed, 0U);
  }
}

TEST_F(NetTest, RefusalsAreCounted) {
  UniqueFd unused = make_socket({server_, ""}, AF_INET, SOCK_STREAM);
  const Address nobody = bind_to(unused, "127.0.0.1");  // and nobody listens
  for (int i = 0; i < kTimes; ++i)
    EXPECT_EQ(connect_to(make_socket({client_, ""}, AF_INET, SOCK_STREAM), nobody), ECONNREFUSED);
  const auto seen = seen_of(client_);
  EXPECT_EQ(seen.refused, kTimes);
  EXPECT_EQ(seen.resets_received, kTimes);
  EXPECT_EQ(seen.connected, 0U);
  EXPECT_EQ(seen.failed, 0U);
  EXPECT_EQ(seen.timed_out, 0U);
  EXPECT_EQ(seen.connects.count(), 0U);
}

TEST_F(NetTest, ResetsAreCountedWhereTheyAreSentAndReceived) {
  const Listener listener = listen_at({server_, ""}, "127.0.0.1");
  for (int i = 0; i < kTimes; ++i) {
    Connection one = connection({client_, ""}, listener);
    const linger hard{.l_onoff = 1, .l_linger = 0};
    EXPECT_EQ(::setsockopt(one.client.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    one.client.reset();
  }
  EXPECT_EQ(seen_of(client_).resets_sent, kTimes);
  EXPECT_EQ(seen_of(client_).resets_received, 0U);
  EXPECT_EQ(seen_of(server_).resets_received, kTimes);
  EXPECT_EQ(seen_of(server_).resets_sent, 0U);
}

// ss is asked between two of our readings that are the same.
TEST_F(NetTest, BytesAndPacketsAreThoseOfSs) {
  constexpr std::uint64_t kThere = 8 << 20, kBack = 1 << 20;
  for (const char* where : {"127.0.0.1", "::1"}) {
    const auto client_began = seen_of(client_), server_began = seen_of(server_);
    const Listener listener = listen_at({server_, ""}, where);
    const Connection one = connection({client_, ""}, listener);
    send_all(one.client, one.server, kThere);
    send_all(one.server, one.client, kBack);
    model::Network client_ended, server_ended;
    Seen client, server;
    ASSERT_TRUE(vm_test::eventually([&] {  // an acknowledgement may be on its way
      const auto before = seen_of(client_);
      server_ended = seen_of(server_);
      client = ss(one.client);
      server = ss(one.server);
      client_ended = seen_of(client_);
      return before.packets_sent == client_ended.packets_sent &&
             before.packets_received == client_ended.packets_received;
    }));
    EXPECT_GE(client.bytes_sent, kThere);  // more, where some was sent twice
    EXPECT_EQ(client.bytes_received, kBack);
    EXPECT_EQ(client_ended.packets_sent - client_began.packets_sent, client.segments_out) << where;
    EXPECT_EQ(client_ended.packets_received - client_began.packets_received, client.segments_in) << where;
    EXPECT_EQ(client_ended.retransmits - client_began.retransmits, client.retransmits) << where;
    // ss does not count headers: of IP and TCP, with options.
    const auto sent = client_ended.bytes_sent - client_began.bytes_sent;
    const auto received = client_ended.bytes_received - client_began.bytes_received;
    EXPECT_GT(sent, client.bytes_sent) << where;
    EXPECT_LE(sent, client.bytes_sent + 100 * client.segments_out) << where;
    EXPECT_GT(received, client.bytes_received) << where;
    EXPECT_LE(received, server.bytes_sent + 100 * client.segments_in) << where;
    // The way between may cut large packets, each piece with headers of its own.
    const auto arrived = server_ended.bytes_received - server_began.bytes_received;
    EXPECT_GT(arrived, client.bytes_sent) << where;
    EXPECT_LE(arrived, client.bytes_sent + 100 * client.segments_out) << where;
    std::printf("%s: %.5f of the bytes that ss tells of\n", where,
                static_cast<double>(sent) / static_cast<double>(client.bytes_sent));
  }
}

TEST_F(NetTest, DatagramsAreCountedToTheByte) {
  struct Kind {
    const char* where;
    std::uint64_t headers;
  };
  for (const Kind kind : {Kind{"127.0.0.1", 20 + 8}, Kind{"::1", 40 + 8}}) {
    const auto client = seen_of(client_), server = seen_of(server_);
    Address to = address_of(kind.where, 0);
    const UniqueFd from = make_socket({client_, ""}, to.bytes.ss_family, SOCK_DGRAM);
    const UniqueFd into = make_socket({server_, ""}, to.bytes.ss_family, SOCK_DGRAM);
    to = bind_to(into, kind.where);
    char text[100]{};
    for (int i = 0; i < kTimes; ++i) {
      ASSERT_EQ(::sendto(from.get(), text, sizeof text, 0, to.get(), to.size), 100);
      ASSERT_EQ(::recv(into.get(), text, sizeof text, 0), 100);
    }
    const auto client_after = seen_of(client_), server_after = seen_of(server_);
    EXPECT_EQ(client_after.packets_sent - client.packets_sent, kTimes) << kind.where;
    EXPECT_EQ(client_after.bytes_sent - client.bytes_sent, kTimes * (kind.headers + 100)) << kind.where;
    EXPECT_EQ(client_after.bytes_received, client.bytes_received) << kind.where;
    EXPECT_EQ(server_after.packets_received - server.packets_received, kTimes) << kind.where;
    EXPECT_EQ(server_after.bytes_received - server.bytes_received, kTimes * (kind.headers + 100))
        << kind.where;
  }
}

TEST_F(NetTest, ASocketOfACgroupBelowCountsForTheContainer) {
  fs::create_directories(client_ / "below");
  const Listener listener = listen_at({server_, ""}, "127.0.0.1");
  const Connection one = connection({client_ / "below", ""}, listener);
  send_all(one.client, one.server, 1000);
  EXPECT_EQ(seen_of(client_).connected, 1U);
  EXPECT_GT(seen_of(client_).bytes_sent, 1000U);
  EXPECT_FALSE(probes_->read(id_of(client_ / "below")).network);
}

TEST_F(NetTest, ASocketThatOutlivesItsContainerIsNobodys) {
  const Listener listener = listen_at({server_, ""}, "127.0.0.1");
  const Connection one = connection({client_, ""}, listener);
  send_all(one.client, one.server, 1000);
  const model::CgroupId gone = id_of(client_);
  fs::remove(client_);
  send_all(one.client, one.server, 1000);
  EXPECT_GT(probes_->read(gone).network->bytes_sent, 2000U) << "until it is forgotten it is the container's";
  probes_->forget(gone);
  send_all(one.client, one.server, 1000);
  ASSERT_TRUE(probes_->watch(gone));  // to see that nothing was begun for it
  EXPECT_EQ(probes_->read(gone).network->bytes_sent, 0U);
}

TEST_F(NetTest, WithoutTheCgroupMountItSaysWhatItMisses) {
  auto options = only({"net"});
  options.cgroup_mount.clear();
  probes_ = Probes::open(options);
  for (const model::ProbeState& probe : probes_->states()) {
    if (probe.name != "net") continue;
    EXPECT_FALSE(probe.up);
    EXPECT_EQ(probe.why, "attach net to cgroup_skb/egress: the cgroup mount is not known");
  }
  EXPECT_FALSE(probes_->read(id()).network);
}

// Two networks with a link between them, of which one end can lose what it sends.
class Link {
 public:
  explicit Link(const std::string& name) : near_(name + "-near"), far_(name + "-far") {
    sh("ip netns add " + near_ + " && ip netns add " + far_ + " && ip -n " + near_ +
       " link add eth0 type veth peer name eth0 netns " + far_ + " && ip -n " + near_ +
       " addr add 10.9.0.1/24 dev eth0 && ip -n " + far_ + " addr add 10.9.0.2/24 dev eth0 && ip -n " +
       near_ + " link set eth0 up && ip -n " + far_ + " link set eth0 up");
  }
  ~Link() { sh("ip netns del " + near_ + "; ip netns del " + far_); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  void lose(int percent) const {
    sh("modprobe -q sch_netem; tc -n " + near_ + " qdisc replace dev eth0 root netem loss " +
       std::to_string(percent) + "%");
  }
  std::string near() const { return "/run/netns/" + near_; }
  std::string far() const { return "/run/netns/" + far_; }

 private:
  static void sh(const std::string& script) {
    const auto done = vm_test::run_program({"/bin/sh", "-c", script});
    EXPECT_EQ(done.status, 0) << script << ": " << done.err;
  }
  std::string near_, far_;
};

TEST_F(NetTest, ALossyLinkShowsInItsContainerOnly) {
  const Link bad("plimsoll-bad"), good("plimsoll-good");
  fs::create_directories(folder_ / "child");
  const fs::path other = folder_ / "child";
  ASSERT_TRUE(probes_->watch(id_of(other)));
  bad.lose(20);
  const Listener bad_listener = listen_at({server_, bad.far()}, "10.9.0.2");
  const Listener good_listener = listen_at({server_, good.far()}, "10.9.0.2");
  const Connection lossy = connection({client_, bad.near()}, bad_listener);
  const Connection clean = connection({other, good.near()}, good_listener);
  std::uint64_t before = 0, kernels = 0;
  for (int i = 0; i < 100 && kernels < 10; ++i) {
    send_all(lossy.client, lossy.server, 50'000);
    send_all(clean.client, clean.server, 50'000);
    before = seen_of(client_).retransmits;
    kernels = ss(lossy.client, bad.near()).retransmits;
  }
  const std::uint64_t after = seen_of(client_).retransmits;
  EXPECT_GE(kernels, 10U);
  EXPECT_LE(before, kernels);
  EXPECT_GE(after, kernels);
  // None, but that a slow machine may have had to send again what it thought lost.
  const std::uint64_t clean_before = seen_of(other).retransmits;
  const std::uint64_t cleans = ss(clean.client, good.near()).retransmits;
  EXPECT_LE(clean_before, cleans);
  EXPECT_GE(seen_of(other).retransmits, cleans);
  EXPECT_LT(seen_of(other).retransmits, before);
  EXPECT_GT(seen_of(other).bytes_sent, 50'000U);
  std::printf("segments sent again: lossy %lu to %lu, by ss %lu; clean %lu, by ss %lu\n", before, after,
              kernels, clean_before, cleans);
}

TEST_F(NetTest, WhoDoesNotAnswerAndWhatIsGivenUpAreToldApart) {
  const Link dead("plimsoll-dead");
  dead.lose(100);
  const Place place{client_, dead.near()};
  const UniqueFd waits = make_socket(place, AF_INET, SOCK_STREAM);
  const int once = 1;
  ASSERT_EQ(::setsockopt(waits.get(), IPPROTO_TCP, TCP_SYNCNT, &once, sizeof once), 0);
  // Without it the link's own search for the neighbour would fail first.
  const auto neighbour = vm_test::run_program(
      {"/bin/sh", "-c", "ip -n plimsoll-dead-near neigh add 10.9.0.2 lladdr 02:00:00:00:00:01 dev eth0"});
  ASSERT_EQ(neighbour.status, 0) << neighbour.err;
  EXPECT_EQ(connect_to(waits, address_of("10.9.0.2", 80)), ETIMEDOUT);
  UniqueFd hasty = make_socket(place, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
  EXPECT_EQ(connect_to(hasty, address_of("10.9.0.2", 80)), EINPROGRESS);
  hasty.reset();
  const auto seen = seen_of(client_);
  EXPECT_EQ(seen.timed_out, 1U);
  EXPECT_EQ(seen.failed, 1U);
  EXPECT_GE(seen.retransmits, 1U) << "the SYN";
  EXPECT_EQ(seen.connected, 0U);
}

}  // namespace
}  // namespace plimsoll::bpf
