// The images of this host: content-addressed layers, the configurations made of them, and the names that
// point to those. Below its folder:
//   layers/DIFF_ID/root/...      one immutable layer; DIFF_ID is the SHA-256 of the uncompressed tar
//   layers/DIFF_ID/size          bytes of its files
//   configs/IMAGE_ID.json        OCI image configuration; IMAGE_ID is the SHA-256 of this file
//   references.json              {"demo:latest": IMAGE_ID, ...}
//   incoming/*                   half-made layers; removed when the store is opened
// A layer appears by rename once it is whole and on disk; a configuration by rename after its layer, a name
// by rename after its configuration. A crash in between leaves at most an unnamed image or an unused layer.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/image/reference.h"
#include "agent/image/unpack.h"

namespace plimsoll::image {

// What containers of the image run by default (OCI image-spec, config.md "config").
struct Defaults {
  std::vector<std::string> env;  // "NAME=value"
  std::vector<std::string> cmd, entrypoint;
  std::string working_dir, user, stop_signal;
  std::map<std::string, std::string> labels;
  std::set<std::string> exposed_ports, volumes;
};

struct Image {
  std::string id;       // 64 hex digits
  std::string diff_id;  // of its layer, 64 hex digits
  std::vector<Reference> references;
  WallTime created;
  std::uint64_t size = 0;
  std::string architecture, os;
  std::string comment;
  Defaults config;
};

struct ImportOptions {
  std::optional<Reference> reference;
  std::vector<std::string>
      changes;  // Dockerfile lines: CMD ENTRYPOINT ENV WORKDIR USER LABEL EXPOSE VOLUME STOPSIGNAL
  std::string comment;
};

struct Removed {
  std::vector<Reference> untagged;
  std::vector<std::string> deleted;  // image ids
};

// Applies Dockerfile instructions ("CMD [\"sh\"]", "ENV A=b") to `config`. kInvalid names the line.
Result<> apply_changes(const std::vector<std::string>& changes, Defaults& config);

// Thread-safe. One process at a time may hold a folder open (the caller's lock).
class Store {
 public:
  static Result<std::unique_ptr<Store>> open(const std::string& folder, const Clock& clock);
  ~Store();

  // Reads `source` to its end and makes one image of it. Other calls go on meanwhile.
  Result<Image> import(const ByteSource& source, const ImportOptions& options);
  // By name ("demo", "demo:1"), by id or its unique prefix of 4 or more, with or without "sha256:".
  // kNotFound: "No such image: demo:latest".
  Result<Image> find(const std::string& name) const;
  std::vector<Image> list() const;  // newest first
  Result<> tag(const std::string& name, const Reference& reference);
  // Removes a name, and the image with its last name. kConflict while a container uses it (`force` removes
  // the names nevertheless), or where an id has several names and not `force`.
  Result<Removed> remove(const std::string& name, bool force);

  std::string layer_folder(const Image& image) const;

  // A container keeps its image: pin when it is created or found again, unpin when it is removed. kNotFound
  // where the image is not there (any more).
  Result<> pin(const std::string& image_id, const std::string& container_id);
  void unpin(const std::string& image_id, const std::string& container_id);

 private:
  Store(std::string folder, const Clock& clock);
  Result<> load();
  Result<> save_references(const std::map<Reference, std::string>& references) const;
  Result<std::string> add_layer(const ByteSource& source, std::uint64_t& size);
  Result<> drop_image(const std::string& id);
  Result<std::string> id_of(const std::string& name) const;
  Image with_references(const Image& image) const;

  const std::string folder_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, Image> images_;                // by id
  std::map<Reference, std::string> references_;        // to image ids
  std::map<std::string, std::set<std::string>> pins_;  // image id -> container ids
  std::map<std::string, int> arriving_;  // diff ids of layers whose configuration is about to be written
  std::uint64_t next_incoming_ = 0;
};

}  // namespace plimsoll::image
