// Sockets made in a cgroup and a network of choice, all used by the test's own process, which is in none of
// them: what is counted for the cgroup is counted by the socket.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>

#include <fstream>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "tests/vm/bpf_fixture.h"

namespace plimsoll::bpf {

// This process, for as long as it lives, in a cgroup; then back where it was.
class Inside {
 public:
  explicit Inside(const fs::path& folder) { enter(folder); }
  ~Inside() { enter(home_); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  static fs::path own() {
    std::ifstream in("/proc/self/cgroup");
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("0::/")) return fs::path(cgroup_mount()) / line.substr(4);
    }
    return cgroup_mount();
  }
  static void enter(const fs::path& folder) {
    std::ofstream procs(folder / "cgroup.procs");
    procs << ::getpid() << std::flush;
    EXPECT_TRUE(procs) << folder;
  }
  const fs::path home_ = own();
};

class NetTest : public ProbesTest {
 protected:
  NetTest() : ProbesTest({"net"}) {}
  void SetUp() override {
    ProbesTest::SetUp();
    for (const fs::path& one : {client_, server_}) fs::create_directories(one);
    ASSERT_TRUE(probes_->watch(id_of(client_)));
    ASSERT_TRUE(probes_->watch(id_of(server_)));
  }

  // Where a socket is made; `netns` is a file, empty: this process' own network.
  struct Place {
    fs::path cgroup;
    std::string netns;
  };
  static UniqueFd make_socket(const Place& place, int family, int type) {
    const Inside inside(place.cgroup);
    const UniqueFd home(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!place.netns.empty()) {
      const UniqueFd there(::open(place.netns.c_str(), O_RDONLY | O_CLOEXEC));
      EXPECT_EQ(::setns(there.get(), CLONE_NEWNET), 0) << place.netns;
    }
    UniqueFd made(::socket(family, type | SOCK_CLOEXEC, 0));
    EXPECT_TRUE(made);
    if (!place.netns.empty()) {
      EXPECT_EQ(::setns(home.get(), CLONE_NEWNET), 0);
    }
    return made;
  }

  struct Address {
    sockaddr_storage bytes{};
    socklen_t size = sizeof(sockaddr_storage);
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&bytes); }
    int port() const {  // at the same place in both families
      return ntohs(reinterpret_cast<const sockaddr_in*>(&bytes)->sin_port);
    }
  };
  static Address address_of(const std::string& text, int port) {
    Address out;
    auto* v4 = reinterpret_cast<sockaddr_in*>(&out.bytes);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.bytes);
    if (::inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
      v4->sin_family = AF_INET;
      v4->sin_port = htons(static_cast<std::uint16_t>(port));
      out.size = sizeof *v4;
    } else {
      EXPECT_EQ(::inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr), 1) << text;
      v6->sin6_family = AF_INET6;
      v6->sin6_port = htons(static_cast<std::uint16_t>(port));
      out.size = sizeof *v6;
    }
    return out;
  }
  static Address bind_to(const UniqueFd& socket, const std::string& text) {
    Address address = address_of(text, 0);
    EXPECT_EQ(::bind(socket.get(), address.get(), address.size), 0);
    EXPECT_EQ(::getsockname(socket.get(), address.get(), &address.size), 0);
    return address;
  }

  struct Listener {
    UniqueFd socket;
    Address address;
  };
  static Listener listen_at(const Place& place, const std::string& text) {
    Address address = address_of(text, 0);
    Listener out{make_socket(place, address.bytes.ss_family, SOCK_STREAM), {}};
    out.address = bind_to(out.socket, text);
    EXPECT_EQ(::listen(out.socket.get(), 16), 0);
    return out;
  }
  // errno, or 0.
  static int connect_to(const UniqueFd& socket, Address to) {
    return ::connect(socket.get(), to.get(), to.size) == 0 ? 0 : errno;
  }
  static UniqueFd accept_from(const Listener& listener) {
    UniqueFd made(::accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_TRUE(made);
    return made;
  }
  struct Connection {
    UniqueFd client, server;
  };
  static Connection connection(const Place& client, const Listener& listener) {
    Connection out{make_socket(client, listener.address.bytes.ss_family, SOCK_STREAM), {}};
    EXPECT_EQ(connect_to(out.client, listener.address), 0);
    out.server = accept_from(listener);
    return out;
  }
  // Sends so much, and returns when it was read.
  static void send_all(const UniqueFd& from, const UniqueFd& to, std::size_t bytes) {
    const std::jthread sender([&] {
      const std::vector<char> block(65536);
      for (std::size_t sent = 0; sent < bytes;) {
        const ssize_t wrote = ::write(from.get(), block.data(), std::min(block.size(), bytes - sent));
        ASSERT_GT(wrote, 0);
        sent += static_cast<std::size_t>(wrote);
      }
    });
    std::vector<char> block(65536);
    for (std::size_t seen = 0; seen < bytes;) {
      const ssize_t got = ::read(to.get(), block.data(), block.size());
      ASSERT_GT(got, 0);
      seen += static_cast<std::size_t>(got);
    }
  }

  // What ss says of a TCP socket of this process by its local port.
  struct Seen {
    std::uint64_t bytes_sent = 0, bytes_received = 0, segments_out = 0, segments_in = 0, retransmits = 0;
  };
  static Seen ss(const UniqueFd& socket, const std::string& netns = "") {
    Address local;
    EXPECT_EQ(::getsockname(socket.get(), local.get(), &local.size), 0);
    const std::string enter = netns.empty() ? "" : "nsenter --net=" + netns + " ";
    const auto told = vm_test::run_program(
        {"/bin/sh", "-c", enter + "ss -tinH state connected sport = :" + std::to_string(local.port())});
    EXPECT_EQ(told.status, 0) << told.err;
    EXPECT_NE(told.out, "") << "no such socket";
    const auto number = [&](const std::string& pattern) -> std::uint64_t {
      std::smatch found;  // what is 0 is not shown
      return std::regex_search(told.out, found, std::regex(pattern)) ? std::stoull(found[1]) : 0;
    };
    return {number(R"(\bbytes_sent:(\d+))"), number(R"(\bbytes_received:(\d+))"),
            number(R"(\bsegs_out:(\d+))"), number(R"(\bsegs_in:(\d+))"), number(R"(\bretrans:\d+/(\d+))")};
  }

  model::Network seen_of(const fs::path& cgroup) const {
    const auto seen = probes_->read(id_of(cgroup)).network;
    EXPECT_TRUE(seen);
    return seen.value_or(model::Network{});
  }

  const fs::path client_ = folder_ / "client", server_ = folder_ / "server";
};

}  // namespace plimsoll::bpf
