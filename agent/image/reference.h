// Image references as Docker reads them (github.com/distribution/reference): [HOST[:PORT]/]PATH[:TAG].
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace plimsoll::image {

// The familiar form: "docker.io/library/demo" is "demo", and the tag is never empty ("latest" by default).
struct Reference {
  std::string repository;
  std::string tag;
  std::string text() const { return repository + ":" + tag; }
  auto operator<=>(const Reference&) const = default;
};

// kInvalid names the reference and the rule it breaks. References by digest ("demo@sha256:...") are refused:
// an image of this store is named by tag or by its id.
Result<Reference> parse_reference(std::string_view text);

}  // namespace plimsoll::image
