// Tar streams for tests, entry by entry, malicious ones too.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <span>
#include <string>

#include "agent/image/unpack.h"

namespace plimsoll::image {

class TarText {
 public:
  using Change = std::function<void(archive_entry*)>;

  TarText() : archive_(::archive_write_new()) {
    ::archive_write_set_format_pax_restricted(archive_);
    ::archive_write_open2(archive_, this, nullptr, &TarText::append, nullptr, nullptr);
  }
  TarText(const TarText&) = delete;
  TarText& operator=(const TarText&) = delete;
  ~TarText() { ::archive_write_free(archive_); }

  TarText& file(const std::string& name, const std::string& content, const Change& change = {}) {
    return add(name, AE_IFREG, 0644, content, change);
  }
  TarText& folder(const std::string& name, mode_t mode = 0755) { return add(name, AE_IFDIR, mode, "", {}); }
  TarText& symlink(const std::string& name, const std::string& target) {
    return add(name, AE_IFLNK, 0777, "",
               [&](archive_entry* entry) { ::archive_entry_set_symlink(entry, target.c_str()); });
  }
  TarText& hard_link(const std::string& name, const std::string& target) {
    return add(name, AE_IFREG, 0644, "",
               [&](archive_entry* entry) { ::archive_entry_set_hardlink(entry, target.c_str()); });
  }
  TarText& device(const std::string& name, dev_t number) {
    return add(name, AE_IFCHR, 0666, "",
               [&](archive_entry* entry) { ::archive_entry_set_rdev(entry, number); });
  }
  std::string text() {
    ::archive_write_close(archive_);
    return text_;
  }

 private:
  static la_ssize_t append(archive*, void* self, const void* bytes, std::size_t size) {
    static_cast<TarText*>(self)->text_.append(static_cast<const char*>(bytes), size);
    return static_cast<la_ssize_t>(size);
  }
  TarText& add(const std::string& name, unsigned type, mode_t mode, const std::string& content,
               const Change& change) {
    archive_entry* entry = ::archive_entry_new();
    ::archive_entry_set_pathname(entry, name.c_str());
    ::archive_entry_set_filetype(entry, type);
    ::archive_entry_set_perm(entry, mode);
    ::archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    ::archive_entry_set_mtime(entry, 1'600'000'000, 0);
    if (change) change(entry);
    ::archive_write_header(archive_, entry);
    if (!content.empty()) ::archive_write_data(archive_, content.data(), content.size());
    ::archive_entry_free(entry);
    return *this;
  }

  archive* archive_;
  std::string text_;
};

// `text` through one of libarchive's filters, without padding behind it.
inline std::string compressed(const std::string& text, int filter) {
  std::string out(text.size() + 4096, '\0');
  std::size_t used = 0;
  archive* writer = ::archive_write_new();
  ::archive_write_set_format_raw(writer);
  ::archive_write_add_filter(writer, filter);
  ::archive_write_set_bytes_in_last_block(writer, 1);
  ::archive_write_open_memory(writer, out.data(), out.size(), &used);
  archive_entry* entry = ::archive_entry_new();
  ::archive_entry_set_filetype(entry, AE_IFREG);
  ::archive_write_header(writer, entry);
  ::archive_write_data(writer, text.data(), text.size());
  ::archive_entry_free(entry);
  ::archive_write_free(writer);
  out.resize(used);
  return out;
}

// Gives `text` out in pieces of at most `piece` bytes.
inline ByteSource source_of(std::string text, std::size_t piece = 10'000) {
  return [text = std::move(text), piece,
          at = std::size_t{0}](std::span<char> into) mutable -> Result<std::size_t> {
    const std::size_t count = std::min({into.size(), text.size() - at, piece});
    std::memcpy(into.data(), text.data() + at, count);
    at += count;
    return count;
  };
}

}  // namespace plimsoll::image
