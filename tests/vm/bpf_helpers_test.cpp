// The probes' own arithmetic, run by the kernel on values of the test's choice.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <helpers.skel.h>

#include <memory>

#include "agent/model/probes.h"
#include "bpf/wire.h"

namespace plimsoll::bpf {
namespace {

class HelpersTest : public testing::Test {
 protected:
  void SetUp() override {
    std::size_t size = 0;
    const void* bytes = helpers_bpf__elf_bytes(&size);
    object_.reset(bpf_object__open_mem(bytes, size, nullptr));
    ASSERT_TRUE(object_);
    ASSERT_EQ(bpf_object__load(object_.get()), 0);
  }
  // What the program returns; `in` is what it is given, and what it makes of it.
  template <typename In>
  std::uint32_t run(const char* program, In& in) {
    LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &in, .ctx_size_in = sizeof in);
    const int fd = bpf_program__fd(bpf_object__find_program_by_name(object_.get(), program));
    EXPECT_EQ(bpf_prog_test_run_opts(fd, &options), 0) << program;
    return options.retval;
  }
  wire_histogram times() const {
    wire_histogram out{};
    const std::uint32_t zero = 0;
    EXPECT_EQ(bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(object_.get(), "times"), &zero, &out), 0);
    return out;
  }
  std::size_t slot_of(std::uint64_t nanoseconds) {
    const wire_histogram before = times();
    EXPECT_EQ(run("put_time", nanoseconds), 0U);
    const wire_histogram after = times();
    EXPECT_EQ(after.nanoseconds - before.nanoseconds, nanoseconds);
    std::size_t slot = WIRE_SLOTS, changed = 0;
    for (std::size_t i = 0; i < WIRE_SLOTS; ++i) {
      if (after.slots[i] == before.slots[i]) continue;
      slot = i;
      changed += after.slots[i] - before.slots[i];
    }
    EXPECT_EQ(changed, 1U);
    return slot;
  }

  struct CloseObject {
    void operator()(bpf_object* object) const { bpf_object__close(object); }
  };
  std::unique_ptr<bpf_object, CloseObject> object_;
};

// Each end of a slot, and what is beside it, where the model says it is.
TEST_F(HelpersTest, TimesFallIntoTheSlotsOfTheModel) {
  EXPECT_EQ(slot_of(0), 0U);
  for (std::size_t slot = 0; slot + 1 < model::TimeHistogram::kSlots; ++slot) {
    const auto end = static_cast<std::uint64_t>(model::TimeHistogram::end_of(slot).count());
    EXPECT_EQ(slot_of(end - 1), slot) << end - 1;
    EXPECT_EQ(slot_of(end), slot + 1) << end;
  }
  EXPECT_EQ(slot_of(std::uint64_t{1} << 62), model::TimeHistogram::kSlots - 1);
}

TEST_F(HelpersTest, AnExcessIsToldOnceAWindow) {
  struct {
    std::uint64_t began, sum, more, most, window, now;
  } in = {.began = 0, .sum = 0, .more = 1, .most = 3, .window = 100, .now = 1000};
  const auto next = [&](std::uint64_t now) {
    in.now = now;
    return run("exceed", in) != 0;
  };
  EXPECT_FALSE(next(1000));
  EXPECT_FALSE(next(1001));
  EXPECT_TRUE(next(1002)) << "the third";
  EXPECT_FALSE(next(1003)) << "told in this window";
  EXPECT_FALSE(next(1101)) << "a new window begins";
  EXPECT_EQ(in.sum, 1U);
  EXPECT_FALSE(next(1102));
  EXPECT_TRUE(next(1103));
  in.more = 50;
  EXPECT_TRUE(next(2000)) << "all at once";
}

}  // namespace
}  // namespace plimsoll::bpf
