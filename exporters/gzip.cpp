#include "exporters/gzip.h"

#include <zlib.h>

namespace plimsoll::exporters {

Result<std::string> gzip(std::string_view text) {
  constexpr int kGzipWindow = 15 + 16;  // 16 asks zlib for the gzip wrapper
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return fail("gzip: out of memory");
  }
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int code = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (code != Z_STREAM_END) return fail("gzip: deflate gave " + std::to_string(code));
  return out;
}

}  // namespace plimsoll::exporters
