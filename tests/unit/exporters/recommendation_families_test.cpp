// What containers should be limited to, from values to the text.
#include <gtest/gtest.h>

#include "exporters/render.h"

namespace plimsoll::exporters {
namespace {

TEST(RecommendationFamilies, TellTargetAndBoundsByResource) {
  auto ref = std::make_shared<model::ContainerRef>();
  ref->cgroup = "/web";
  ref->name = "web";
  ref->image = "web:1";
  Scrape scrape;
  LabelCache cache;
  EXPECT_EQ(render(scrape, cache).find("plimsoll_recommendation"), std::string::npos);
  scrape.recommendations = std::make_shared<const std::vector<model::Recommendation>>(
      std::vector{model::Recommendation{.container = ref,
                                        .policy = "fit",
                                        .target = 1048576,
                                        .lower = 4096,
                                        .upper = 2097152,
                                        .confidence = 0.5},
                  model::Recommendation{.container = ref,
                                        .resource = model::Recommendation::Resource::kCpu,
                                        .policy = "fit",
                                        .target = 0.5,
                                        .lower = 0.25,
                                        .upper = 1,
                                        .confidence = 0.75}});
  const std::string text = render(scrape, cache);
  const std::string labels = R"({id="/web",name="web",image="web:1",policy="fit",)";
  for (const char* line :
       {"bytes{}bound=\"lower\"} 4096\n", "bytes{}bound=\"target\"} 1048576\n",
        "bytes{}bound=\"upper\"} 2097152\n", "cores{}bound=\"target\"} 0.5\n",
        "confidence_ratio{}resource=\"memory\"} 0.5\n", "confidence_ratio{}resource=\"cpu\"} 0.75\n"}) {
    std::string wanted = line;
    wanted.replace(wanted.find("{}"), 2, labels);
    EXPECT_NE(text.find("plimsoll_recommendation_" + wanted), std::string::npos) << wanted << text;
  }
}

}  // namespace
}  // namespace plimsoll::exporters
