// The OCI image configuration (image-spec, config.md) to and from its text.
#pragma once

#include <string>

#include "agent/image/store.h"

namespace plimsoll::image {

std::string config_to_json(const Image& image);
// Fills all but id, references and size.
Result<Image> config_from_json(const std::string& text);

}  // namespace plimsoll::image
