// Right-sizing against numbers computed by hand, and against right_size/reference.py, which computes them
// from the definitions over a recorded series.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>

#include "policies/pressure_seeker.h"
#include "policies/recommender.h"

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;

constexpr double kMiB = 1024.0 * 1024;
const std::string kSeriesFolder = std::string(PLIMSOLL_SOURCE_DIR) + "/tests/unit/policies/right_size";

WallTime at(Nanoseconds time) { return WallTime(std::chrono::hours(24 * 20000) + time); }

DecayingHistogram small() { return {{.first = 1, .most = 1000, .growth = 2}, 1h}; }

TEST(DecayingHistogram, BucketsGrowByTheFactorAndHoldTheirEnd) {
  const DecayingHistogram histogram = small();
  // 1, 3, 7, 15, ... with a factor of 2.
  EXPECT_EQ(histogram.end_of(0), 1);
  EXPECT_EQ(histogram.end_of(2), 7);
  for (const auto& [value, bucket] : std::map<double, std::size_t>{
           {0, 0}, {-1, 0}, {0.5, 0}, {1, 0}, {1.01, 1}, {3, 1}, {3.01, 2}, {7, 2}, {1000, 9}, {1e30, 9}}) {
    EXPECT_EQ(histogram.bucket_of(value), bucket) << value;
  }
  EXPECT_EQ(histogram.bucket_of(std::nan("")), 0U);
}

TEST(DecayingHistogram, AHalfLifeHalvesAWeight) {
  DecayingHistogram histogram = small();
  EXPECT_TRUE(histogram.empty());
  EXPECT_EQ(histogram.percentile(0.5), 0);
  histogram.add(0.5, 4, at(0h));  // weighs 1 after two half-lives
  histogram.add(5, 1, at(2h));
  EXPECT_EQ(histogram.percentile(0.5), 1);
  EXPECT_EQ(histogram.percentile(0.51), 7);
  EXPECT_EQ(histogram.percentile(1), 7);
  histogram.add(5, 0.1, at(2h));
  EXPECT_EQ(histogram.percentile(0.5), 7);
}

TEST(DecayingHistogram, TakesBackWhatWasAdded) {
  DecayingHistogram histogram = small();
  histogram.add(5, 1, at(0h));
  histogram.add(50, 1, at(5h));
  histogram.take_back(50, 1, at(5h));
  EXPECT_EQ(histogram.percentile(1), 7);
  histogram.take_back(5, 1, at(0h));
  EXPECT_TRUE(histogram.empty());
}

TEST(DecayingHistogram, AYearOfHalfLivesLosesNothing) {
  DecayingHistogram histogram = small();
  for (int hour = 0; hour < 24 * 365; ++hour) histogram.add(hour % 2 == 0 ? 5 : 50, 1, at(hour * 1h));
  EXPECT_TRUE(std::isfinite(histogram.weights().back().second));
  // The newest is an odd hour's: 1 + 1/4 + ... against 1/2 + 1/8 + ...: two thirds.
  EXPECT_EQ(histogram.percentile(0.333), 7);
  EXPECT_EQ(histogram.percentile(0.334), 63);
  histogram.use_half_life(100h, at(24h * 365));
  EXPECT_EQ(histogram.percentile(0.333), 7);
  EXPECT_EQ(histogram.percentile(0.334), 63);
}

TEST(Recommender, AnHourCountsByItsPeak) {
  Recommender memory(Recommender::Kind::kMemory, 48h);
  EXPECT_FALSE(memory.estimate({}));
  for (int minute = 0; minute < 60; ++minute) {
    memory.take((100 + minute % 7) * kMiB, 60s, at(minute * 1min));
  }
  EXPECT_EQ(memory.peak(), 106 * kMiB);
  EXPECT_EQ(memory.state().weights.size(), 1U);
  memory.take(10 * kMiB, 60s, at(60min));
  EXPECT_EQ(memory.state().weights.size(), 2U);
  EXPECT_EQ(memory.peak(), 10 * kMiB);
}

TEST(Recommender, AnOomKillWantedMoreThanWasSeen) {
  Recommender memory(Recommender::Kind::kMemory, 48h);
  memory.take(200 * kMiB, 1s, at(0s));
  memory.oom(200 * kMiB, at(1s));
  EXPECT_EQ(memory.peak(), 300 * kMiB);  // 200 + 100
  memory.take(1000 * kMiB, 1s, at(2s));
  memory.oom(900 * kMiB, at(3s));
  EXPECT_EQ(memory.peak(), 1200 * kMiB);  // 1.2 x 1000
  // A week later it still lies within the 98th percentile.
  for (int hour = 1; hour < 24 * 7; ++hour) memory.take(200 * kMiB, 60s, at(hour * 1h));
  EXPECT_GE(memory.estimate({.margin = 0})->target, 1200 * kMiB);
}

TEST(Recommender, BoundsCloseInWithTime) {
  Recommender cpu(Recommender::Kind::kCpu, 12h);
  cpu.take(1, 60s, at(0s));
  const Sizing plain{.percentile = 0.9, .half_life = 12h, .margin = 0};
  const double end = cpu.estimate(plain)->target;
  EXPECT_GE(end, 1);
  EXPECT_LE(end, 1.05);
  // One minute is 1/1440 of a day.
  EXPECT_NEAR(cpu.estimate(plain)->upper, end * 1441, 1e-6);
  EXPECT_NEAR(cpu.estimate(plain)->lower, end / (2.44 * 2.44), 1e-9);
  EXPECT_NEAR(cpu.estimate(plain)->confidence, 1.0 / 1441, 1e-12);
  for (int minute = 1; minute < 7 * 1440; ++minute) cpu.take(1, 60s, at(minute * 1min));
  EXPECT_NEAR(cpu.estimate(plain)->upper, end * 8 / 7, 1e-9);
  EXPECT_NEAR(cpu.estimate(plain)->confidence, 7.0 / 8, 1e-12);
  const Sizing bounded{.percentile = 0.9, .half_life = 12h, .margin = 0.5, .least = 0.25, .most = 1.2};
  EXPECT_EQ(cpu.estimate(bounded)->target, 1.2);
  EXPECT_EQ(cpu.estimate(bounded)->upper, 1.2);
  // A gap in which nothing was seen is not observed time.
  cpu.take(1, 100h, at(200h));
  EXPECT_EQ(cpu.estimate(plain)->observed, 7 * 24h + 1min);
}

TEST(Recommender, CpuIsWeighedByLoad) {
  Recommender cpu(Recommender::Kind::kCpu, 1000h);
  for (int i = 0; i < 90; ++i) cpu.take(0.005, 1s, at(i * 1s));
  for (int i = 90; i < 100; ++i) cpu.take(2, 1s, at(i * 1s));
  // 90 s weigh 9, 10 s of 2 cores weigh 20: half of the load lies at 2 cores.
  EXPECT_GT(cpu.estimate({.percentile = 0.5, .margin = 0})->target, 2);
  EXPECT_EQ(cpu.estimate({.percentile = 0.3, .margin = 0})->target, 0.01);
}

TEST(Recommender, StateGoesOnWhereItWas) {
  Recommender one(Recommender::Kind::kMemory, 48h), other(Recommender::Kind::kMemory, 48h);
  for (int minute = 0; minute < 200; ++minute) one.take((50 + minute) * kMiB, 60s, at(minute * 1min));
  ASSERT_TRUE(other.restore(one.state()));
  for (Recommender* each : {&one, &other}) each->take(260 * kMiB, 60s, at(200min));
  EXPECT_EQ(one.estimate({})->target, other.estimate({})->target);
  EXPECT_EQ(one.state().weights, other.state().weights);
  Recommender::State bad = one.state();
  bad.weights = {{100'000, 1}};
  EXPECT_FALSE(other.restore(bad));
  bad.weights = {{1, -1}};
  EXPECT_FALSE(other.restore(bad));
  EXPECT_EQ(one.state().weights, other.state().weights);
}

TEST(StepTowards, IsBoundedAndNeverBelowUse) {
  const Estimate estimate{.target = 100, .lower = 80, .upper = 200};
  EXPECT_EQ(step_towards(estimate, 1000, 50, 0.2), 800);
  EXPECT_EQ(step_towards(estimate, 220, 50, 0.2), 200);
  EXPECT_FALSE(step_towards(estimate, 150, 50, 0.2)) << "between target and upper bound";
  EXPECT_EQ(step_towards(estimate, 50, 50, 0.2), 60);
  EXPECT_EQ(step_towards(estimate, 95, 50, 0.2), 100);
  EXPECT_EQ(step_towards(estimate, 1000, 900, 0.2), 900);
  EXPECT_FALSE(step_towards(estimate, 1000, 1100, 0.2)) << "use above it is no reason to go up";
}

TEST(PressureSeeker, ProbesInCalmAndBacksOffUnderPressure) {
  PressureSeeker seeker;
  const double used = 100 * kMiB;
  const auto take = [&](Nanoseconds time, Microseconds stalled, double unreclaimable = 0) {
    return seeker.take({BootTime{time}, used, unreclaimable, stalled}, 0.001);  // 30 ms in 30 s
  };
  EXPECT_FALSE(take(0s, 5s)) << "what was stalled before says nothing";
  EXPECT_FALSE(take(29s, 5s));
  auto step = take(30s, 5s);
  ASSERT_TRUE(step);
  EXPECT_NEAR(step->reclaim, 0.01 * used, 1);  // no pressure: the longest probe
  EXPECT_NEAR(step->size, 0.99 * used, 1);
  EXPECT_FALSE(step->found) << "there may be more to take";
  // 6 of 30 ms: four fifths of a probe; 30 ms, the set-point itself: none.
  EXPECT_NEAR(take(60s, 5s + 6ms)->reclaim, 0.008 * used, 1);
  step = take(90s, 5s + 36ms);
  EXPECT_EQ(step->reclaim, 0);
  EXPECT_TRUE(step->found);
  // 60 ms within a second: at once, (2 / 20)^2 = 1 % more.
  step = take(91s, 5s + 96ms);
  ASSERT_TRUE(step);
  EXPECT_EQ(step->reclaim, 0);
  EXPECT_NEAR(step->size, 1.01 * used, 1);  // not after a probe, so that its own use has grown
  EXPECT_NEAR(step->stalled, 0.06, 1e-9);
  EXPECT_FALSE(take(120s, 5s + 96ms)) << "a whole calm interval first";
  // And then a shorter probe: half, and a tenth more for the calm since.
  EXPECT_NEAR(take(121s, 5s + 96ms)->reclaim, 0.0055 * used, 1);
  // 1 s: (33 / 20)^2, bounded to as much again.
  EXPECT_EQ(take(122s, 6s + 96ms)->size, used) << "what there was before the probe did";
  EXPECT_NEAR(take(123s, 7s + 96ms)->size, 2 * used, 1);
  // What cannot be reclaimed is left alone.
  EXPECT_EQ(take(153s, 7s + 96ms, used)->reclaim, 0);
  step = take(183s, 7s + 96ms, 0.9999 * used);
  EXPECT_EQ(step->size, 0.9999 * used);
  EXPECT_TRUE(step->found);
  EXPECT_FALSE(take(213s, 1s)) << "another cgroup's counter: begun anew";
}

std::map<std::string, double> expected_after(int hours) {
  const std::string command =
      "python3 " + kSeriesFolder + "/reference.py " + kSeriesFolder + "/series.csv " + std::to_string(hours);
  std::map<std::string, double> told;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return told;
  std::array<char, 64> name{};
  double value = 0;
  while (std::fscanf(pipe, "%63s %lf", name.data(), &value) == 2) told[name.data()] = value;
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return told;
}

TEST(RightSizing, AgreesWithTheReferenceOverARecordedSeries) {
  for (const int hours : {1, 7, 20, 36}) {
    Recommender memory(Recommender::Kind::kMemory, 48h), cpu(Recommender::Kind::kCpu, 12h);
    std::ifstream series(kSeriesFolder + "/series.csv");
    std::string line;
    std::getline(series, line);
    while (std::getline(series, line)) {
      int seconds = 0, oom = 0;
      double bytes = 0, cores = 0;
      ASSERT_EQ(std::sscanf(line.c_str(), "%d,%lf,%lf,%d", &seconds, &bytes, &cores, &oom), 4) << line;
      if (seconds > hours * 3600) break;
      memory.take(bytes, 60s, at(seconds * 1s));
      if (oom != 0) memory.oom(bytes, at(seconds * 1s));
      cpu.take(cores, 60s, at(seconds * 1s));
    }
    const auto expected = expected_after(hours);
    EXPECT_EQ(expected.size(), 32U);
    for (const int percent : {50, 90, 98, 100}) {
      for (const auto& [kind, recommender] : {std::pair{"memory", &memory}, std::pair{"cpu", &cpu}}) {
        const auto made = recommender->estimate({.percentile = percent / 100.0});
        ASSERT_TRUE(made);
        const std::string name = std::string(kind) + ".p" + std::to_string(percent) + ".";
        const auto same = [&](const char* what, double value) {
          const auto found = expected.find(name + what);
          ASSERT_NE(found, expected.end()) << name << what;
          EXPECT_NEAR(value / found->second, 1, 1e-9) << name << what << " after " << hours << " h";
        };
        same("target", made->target);
        same("lower", made->lower);
        same("upper", made->upper);
        same("confidence", made->confidence);
      }
    }
  }
}

}  // namespace
}  // namespace plimsoll::policies
