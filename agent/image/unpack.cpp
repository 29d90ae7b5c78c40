#include "agent/image/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>

#include <array>
#include <memory>
#include <optional>

#include "agent/image/digest.h"
#include "agent/image/layer_writer.h"

namespace plimsoll::image {
namespace {

using Archive = std::unique_ptr<archive, int (*)(archive*)>;

std::string text_of(archive* from) {
  const char* text = ::archive_error_string(from);
  return text != nullptr ? text : "unknown error";
}

// The outer reader: undoes the compression. The inner one reads the tar from it, and the hash sees every byte
// on the way.
struct Pipe {
  const ByteSource& source;
  std::optional<Error> source_error;  // why `source` failed, where it did
  Archive outer{::archive_read_new(), ::archive_read_free};
  Sha256 hash{};
  std::array<char, 65536> in{};
  std::array<char, 65536> out{};
};

la_ssize_t read_source(archive* reader, void* data, const void** buffer) {
  auto& pipe = *static_cast<Pipe*>(data);
  auto got = pipe.source(pipe.in);
  if (!got) {
    ::archive_set_error(reader, EIO, "%s", got.error().message().c_str());
    pipe.source_error = std::move(got).error();
    return ARCHIVE_FATAL;
  }
  *buffer = pipe.in.data();
  return static_cast<la_ssize_t>(*got);
}

la_ssize_t read_uncompressed(archive* reader, void* data, const void** buffer) {
  auto& pipe = *static_cast<Pipe*>(data);
  const la_ssize_t got = ::archive_read_data(pipe.outer.get(), pipe.out.data(), pipe.out.size());
  if (got < 0) {
    ::archive_set_error(reader, EIO, "%s", text_of(pipe.outer.get()).c_str());
    return ARCHIVE_FATAL;
  }
  pipe.hash.update({pipe.out.data(), static_cast<std::size_t>(got)});
  *buffer = pipe.out.data();
  return got;
}

Result<> open_outer(Pipe& pipe) {
  archive* outer = pipe.outer.get();
  // By name: "all" would also start programs for the formats that the library lacks.
  ::archive_read_support_filter_gzip(outer);
  ::archive_read_support_filter_bzip2(outer);
  ::archive_read_support_filter_xz(outer);
  ::archive_read_support_filter_zstd(outer);
  ::archive_read_support_format_raw(outer);
  ::archive_read_support_format_empty(outer);
  archive_entry* entry = nullptr;
  const bool opened = ::archive_read_open(outer, &pipe, nullptr, read_source, nullptr) == ARCHIVE_OK;
  const int header = opened ? ::archive_read_next_header(outer, &entry) : ARCHIVE_FATAL;
  if (header == ARCHIVE_OK) return {};
  if (pipe.source_error) return std::unexpected(std::move(*pipe.source_error));
  return invalid("unpack layer: " + (header == ARCHIVE_EOF ? "the archive is empty" : text_of(outer)));
}

// libarchive's own text for an entry that ends before its size is cryptic enough to be told in ours.
Error tar_error(Pipe& pipe, archive* inner) {
  if (pipe.source_error) return std::move(*pipe.source_error);
  return Error("unpack layer: not a whole tar archive: " + text_of(inner), ErrorKind::kInvalid);
}

}  // namespace

Result<Unpacked> unpack(const ByteSource& source, const std::string& folder) {
  PLIMSOLL_ASSIGN(LayerWriter writer, LayerWriter::open(folder));
  Pipe pipe{source, std::nullopt};
  PLIMSOLL_TRY(open_outer(pipe));
  const Archive inner(::archive_read_new(), ::archive_read_free);
  ::archive_read_support_format_tar(inner.get());
  if (::archive_read_open(inner.get(), &pipe, nullptr, read_uncompressed, nullptr) != ARCHIVE_OK) {
    return std::unexpected(tar_error(pipe, inner.get()));
  }
  while (true) {
    archive_entry* entry = nullptr;
    const int status = ::archive_read_next_header(inner.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    if (status < ARCHIVE_WARN) return std::unexpected(tar_error(pipe, inner.get()));
    PLIMSOLL_TRY(writer.write(inner.get(), entry));
  }
  // The padding behind the last entry belongs to the digest.
  const void* rest = nullptr;
  while (true) {
    const la_ssize_t got = read_uncompressed(inner.get(), &pipe, &rest);
    if (got < 0) return std::unexpected(tar_error(pipe, inner.get()));
    if (got == 0) break;
  }
  PLIMSOLL_TRY(writer.finish());
  return Unpacked{.diff_id = pipe.hash.finish(), .file_bytes = writer.file_bytes()};
}

}  // namespace plimsoll::image
