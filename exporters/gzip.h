#pragma once

#include <zlib.h>

#include <string>
#include <string_view>

#include "exporters/render.h"

namespace plimsoll::exporters {

// RFC 1952, at the fastest level: a scrape is read once, by a neighbour. Each part that is written goes to
// the sink packed, as far as zlib gives it away; finish() sends the rest. False: the sink wants no more, or
// memory is short.
class Gzip {
 public:
  explicit Gzip(Sink sink);
  ~Gzip();
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  bool write(std::string_view part) { return deflate(part, Z_NO_FLUSH); }
  bool finish() { return deflate({}, Z_FINISH); }

 private:
  bool deflate(std::string_view part, int flush);

  Sink sink_;
  std::string out_;
  z_stream stream_{};
  bool good_;
};

}  // namespace plimsoll::exporters
