#include "agent/history/segment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "agent/kernel/file.h"

namespace plimsoll::history {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".history";
constexpr std::uint32_t kMagic = 0x4b4c4250;    // "PBLK"
constexpr std::uint32_t kMostRaw = 256U << 20;  // of a block; what claims more is damaged
constexpr int kLevel = 3;

struct Block {
  std::uint32_t magic = kMagic;
  std::uint32_t packed = 0, raw = 0;  // bytes
  std::uint32_t checksum = 0;         // CRC-32 of the packed bytes
  std::int64_t first = 0, last = 0;   // nanoseconds since 1970
};
static_assert(sizeof(Block) == 32);

std::uint32_t checksum_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

std::string head_of(const std::string& boot_id) {
  return fmt::format("plimsoll-history {} {}\n", kFormat, boot_id);
}

Result<> write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno("write " + path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<std::string> pack(ZSTD_CCtx_s* context, std::string_view raw) {
  std::string packed(ZSTD_compressBound(raw.size()) + 64, '\0');
  ZSTD_inBuffer in{raw.data(), raw.size(), 0};
  ZSTD_outBuffer out{packed.data(), packed.size(), 0};
  for (std::size_t left = 1; left != 0;) {
    left = ZSTD_compressStream2(context, &out, &in, ZSTD_e_flush);
    if (ZSTD_isError(left) != 0) return fail(std::string("pack history: ") + ZSTD_getErrorName(left));
    if (left != 0 && out.pos == out.size) {
      packed.resize(packed.size() * 2);
      out.dst = packed.data(), out.size = packed.size();
    }
  }
  packed.resize(out.pos);
  return packed;
}

std::optional<std::int64_t> first_of(std::string_view name) {
  if (!name.ends_with(kSuffix)) return std::nullopt;
  std::int64_t nanoseconds = 0;
  const auto [end, error] =
      std::from_chars(name.data(), name.data() + name.size() - kSuffix.size(), nanoseconds);
  if (error != std::errc{} || end != name.data() + name.size() - kSuffix.size()) return std::nullopt;
  return nanoseconds;
}

}  // namespace

void SegmentWriter::FreeContext::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }
void SegmentReader::FreeContext::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }
SegmentWriter::~SegmentWriter() = default;
SegmentReader::~SegmentReader() = default;

Result<std::vector<SegmentFile>> segments_of(const std::string& folder) {
  std::vector<SegmentFile> found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const auto first = first_of(at->path().filename().string());
    if (!first) continue;
    std::error_code gone;  // removed meanwhile: as if it had not been there
    const std::uint64_t bytes = at->file_size(gone);
    if (!gone) found.push_back({at->path().string(), WallTime(std::chrono::nanoseconds(*first)), bytes});
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return fail("read the folder " + folder + ": " + error.message());
  std::ranges::sort(found, {}, &SegmentFile::first);
  return found;
}

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::create(const std::string& folder, WallTime first,
                                                             const std::string& boot_id) {
  std::unique_ptr<SegmentWriter> made(new SegmentWriter);
  made->path_ = fmt::format("{}/{:020}{}", folder, first.time_since_epoch().count(), kSuffix);
  made->context_.reset(ZSTD_createCCtx());
  if (!made->context_) return fail("pack history: no memory");
  ZSTD_CCtx_setParameter(made->context_.get(), ZSTD_c_compressionLevel, kLevel);
  made->fd_ = UniqueFd(::open(made->path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640));
  if (!made->fd_) return fail_errno("make " + made->path_);
  const std::string head = head_of(boot_id);
  auto written = write_all(made->fd_.get(), head, made->path_);
  const UniqueFd inside(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (written && (!inside || ::fsync(inside.get()) != 0))
    written = fail_errno("make " + made->path_ + " durable");
  if (!written) {
    ::unlink(made->path_.c_str());
    return std::unexpected(written.error());
  }
  made->bytes_ = head.size();
  return made;
}

Result<> SegmentWriter::append(std::string_view raw, WallTime first, WallTime last) {
  PLIMSOLL_ASSIGN(const std::string packed, pack(context_.get(), raw));
  const Block block{.packed = static_cast<std::uint32_t>(packed.size()),
                    .raw = static_cast<std::uint32_t>(raw.size()),
                    .checksum = checksum_of(packed),
                    .first = first.time_since_epoch().count(),
                    .last = last.time_since_epoch().count()};
  std::string bytes(reinterpret_cast<const char*>(&block), sizeof block);
  bytes += packed;
  auto written = write_all(fd_.get(), bytes, path_);
  if (written && ::fdatasync(fd_.get()) != 0) written = fail_errno("make " + path_ + " durable");
  if (!written) {
    [[maybe_unused]] const int cut = ::ftruncate(fd_.get(), static_cast<off_t>(bytes_));
    return written;
  }
  bytes_ += bytes.size();
  return {};
}

Result<std::unique_ptr<SegmentReader>> SegmentReader::open(const std::string& path) {
  std::unique_ptr<SegmentReader> made(new SegmentReader);
  made->path_ = path;
  PLIMSOLL_ASSIGN(made->bytes_, kernel::read_file(path));
  made->context_.reset(ZSTD_createDCtx());
  if (!made->context_) return fail("unpack " + path + ": no memory");
  const std::size_t line = made->bytes_.find('\n');
  const std::string start = fmt::format("plimsoll-history {} ", kFormat);
  if (line == std::string::npos || !made->bytes_.starts_with(start))
    return invalid(path + ": expected a file of history that begins '" + start + "'");
  made->boot_id_ = made->bytes_.substr(start.size(), line - start.size());
  made->at_ = line + 1;
  return made;
}

std::optional<std::string> SegmentReader::next() {
  const auto damaged = [&](const char* what) {
    damage_ = path_ + ": " + what + " at byte " + std::to_string(at_);
    at_ = bytes_.size();
    return std::nullopt;
  };
  if (at_ == bytes_.size()) return std::nullopt;
  Block block;
  if (bytes_.size() - at_ < sizeof block) return damaged("a block without its end");
  std::memcpy(&block, bytes_.data() + at_, sizeof block);
  if (block.magic != kMagic || block.raw > kMostRaw) return damaged("no block");
  if (bytes_.size() - at_ - sizeof block < block.packed) return damaged("a block without its end");
  const std::string_view packed(bytes_.data() + at_ + sizeof block, block.packed);
  if (checksum_of(packed) != block.checksum) return damaged("a block that is not as it was written");
  std::string raw(block.raw, '\0');
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  ZSTD_outBuffer out{raw.data(), raw.size(), 0};
  while (in.pos < in.size) {
    const std::size_t before = in.pos + out.pos;
    const std::size_t code = ZSTD_decompressStream(context_.get(), &out, &in);
    if (ZSTD_isError(code) != 0 || in.pos + out.pos == before) return damaged("a block that does not unpack");
  }
  if (out.pos != raw.size()) return damaged("a block of another length");
  at_ += sizeof block + block.packed;
  return raw;
}

}  // namespace plimsoll::history
