#include "exporters/gzip.h"

namespace plimsoll::exporters {

Gzip::Gzip(Sink sink) : sink_(std::move(sink)), out_(std::size_t{32} * 1024, '\0') {
  constexpr int kGzipWindow = 15 + 16;  // 16 asks zlib for the gzip wrapper
  good_ = deflateInit2(&stream_, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK;
}

Gzip::~Gzip() { deflateEnd(&stream_); }

bool Gzip::deflate(std::string_view part, int flush) {
  // zlib reads only; its type is older than const.
  stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(part.data()));
  stream_.avail_in = static_cast<uInt>(part.size());
  do {
    stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
    stream_.avail_out = static_cast<uInt>(out_.size());
    if (!good_ || ::deflate(&stream_, flush) == Z_STREAM_ERROR) return good_ = false;
    const std::size_t packed = out_.size() - stream_.avail_out;
    if (packed > 0) good_ = sink_(std::string_view(out_).substr(0, packed));
  } while (good_ && stream_.avail_out == 0);
  return good_;
}

}  // namespace plimsoll::exporters
