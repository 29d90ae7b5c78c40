#include "exporters/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

namespace plimsoll::exporters {
namespace {

constexpr int kGzipHeader = 16;
constexpr std::size_t kStep = 64 * 1024;

}  // namespace

Result<std::string> gzip(std::string_view text) {
  z_stream stream{};
  if (::deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + kGzipHeader, MAX_MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
    return fail("gzip: out of memory");
  }
  std::string out;
  std::size_t written = 0;
  int state = Z_OK;
  while (state == Z_OK) {
    if (stream.avail_in == 0) {
      const std::size_t part = std::min<std::size_t>(text.size(), std::numeric_limits<uInt>::max());
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // zlib does not write to it
      stream.avail_in = static_cast<uInt>(part);
      text.remove_prefix(part);
    }
    out.resize(written + kStep);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + written);
    stream.avail_out = kStep;
    state = ::deflate(&stream, text.empty() ? Z_FINISH : Z_NO_FLUSH);
    written += kStep - stream.avail_out;
  }
  ::deflateEnd(&stream);
  if (state != Z_STREAM_END) return fail("gzip: " + std::to_string(state));
  out.resize(written);
  return out;
}

}  // namespace plimsoll::exporters
