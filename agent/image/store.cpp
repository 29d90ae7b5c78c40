#include "agent/image/store.h"

#include <sys/stat.h>
#include <sys/utsname.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/base/units.h"
#include "agent/image/config_json.h"
#include "agent/image/digest.h"
#include "agent/kernel/file.h"

namespace plimsoll::image {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kShortestPrefix = 4;
constexpr std::size_t kIdLength = 64;

Result<> make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail("make folder " + path + ": " + error.message());
  return {};
}

Result<> remove_tree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return fail("remove " + path + ": " + error.message());
  return {};
}

Result<> rename_to(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return fail_errno("rename " + from + " to " + to);
  return {};
}

// GOARCH names, as OCI images have them.
std::string architecture_of_host() {
  utsname host{};
  ::uname(&host);
  const std::string machine = host.machine;
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return machine;
}

std::unexpected<Error> no_such_image(const std::string& name) {
  return fail("No such image: " + name, ErrorKind::kNotFound);
}

}  // namespace

Store::Store(std::string folder, const Clock& clock) : folder_(std::move(folder)), clock_(clock) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const std::string& folder, const Clock& clock) {
  std::unique_ptr<Store> store(new Store(folder, clock));
  PLIMSOLL_TRY(remove_tree(folder + "/incoming"));
  for (const char* part : {"/incoming", "/layers", "/configs"}) PLIMSOLL_TRY(make_folder(folder + part));
  PLIMSOLL_TRY(store->load());
  return store;
}

Result<> Store::load() {
  std::set<std::string> used_layers;
  std::error_code error;
  for (const auto& file : fs::directory_iterator(folder_ + "/configs", error)) {
    if (file.path().extension() != ".json") continue;
    PLIMSOLL_ASSIGN(const std::string text, kernel::read_file(file.path()));
    auto image = config_from_json(text);
    if (!image) return std::unexpected(std::move(image).error().in("read " + file.path().string()));
    image->id = file.path().stem();
    const auto size = kernel::read_file(folder_ + "/layers/" + image->diff_id + "/size");
    if (!size) continue;  // its layer went before it: a removal that did not finish
    image->size = parse_u64(*size).value_or(0);
    used_layers.insert(image->diff_id);
    images_.emplace(image->id, std::move(*image));
  }
  std::vector<fs::path> unused;
  for (const auto& layer : fs::directory_iterator(folder_ + "/layers", error)) {
    if (!used_layers.contains(layer.path().filename())) unused.push_back(layer.path());
  }
  for (const fs::path& layer : unused) PLIMSOLL_TRY(remove_tree(layer));
  const auto text = kernel::read_file(folder_ + "/references.json");
  if (!text) return text.error().kind() == ErrorKind::kNotFound ? Result<>{} : std::unexpected(text.error());
  const json names = json::parse(*text, nullptr, false);
  if (!names.is_object()) return fail("read " + folder_ + "/references.json: not a JSON object");
  for (const auto& [name, id] : names.items()) {
    const auto reference = parse_reference(name);
    if (reference && id.is_string() && images_.contains(id)) references_[*reference] = id;
  }
  return {};
}

Result<> Store::save_references(const std::map<Reference, std::string>& references) const {
  json out = json::object();
  for (const auto& [reference, id] : references) out[reference.text()] = id;
  return kernel::replace_file(folder_ + "/references.json", json_text(out, 1));
}

std::string Store::layer_folder(const Image& image) const {
  return folder_ + "/layers/" + image.diff_id + "/root";
}

// On return, the layer is in place and counted in arriving_.
Result<std::string> Store::add_layer(const ByteSource& source, std::uint64_t& size) {
  std::string incoming;
  {
    const std::lock_guard lock(mutex_);
    incoming = folder_ + "/incoming/" + std::to_string(next_incoming_++);
  }
  PLIMSOLL_TRY(make_folder(incoming + "/root"));
  auto unpacked = unpack(source, incoming + "/root");
  if (unpacked) {
    size = unpacked->file_bytes;
    const auto noted = kernel::replace_file(incoming + "/size", std::to_string(size));
    if (!noted) unpacked = std::unexpected(noted.error());
  }
  if (unpacked) {
    const std::lock_guard lock(mutex_);
    const std::string layer = folder_ + "/layers/" + unpacked->diff_id;
    // The same content was imported before: that copy stays, it may be mounted.
    if (!fs::exists(layer)) {
      if (auto moved = rename_to(incoming, layer); !moved)
        unpacked = std::unexpected(std::move(moved).error());
    }
    if (unpacked) ++arriving_[unpacked->diff_id];
  }
  (void)remove_tree(incoming);  // what stays is removed at the next start
  if (!unpacked) return std::unexpected(std::move(unpacked).error());
  return std::move(unpacked->diff_id);
}

Result<Image> Store::import(const ByteSource& source, const ImportOptions& options) {
  Image image;
  PLIMSOLL_TRY(apply_changes(options.changes, image.config));
  auto layer = add_layer(source, image.size);
  if (!layer) return std::unexpected(std::move(layer).error());
  image.diff_id = *layer;
  image.created = clock_.wall();
  image.architecture = architecture_of_host();
  image.os = "linux";
  image.comment = options.comment;
  const std::string text = config_to_json(image);
  image.id = sha256_hex(text);

  const std::lock_guard lock(mutex_);
  if (--arriving_[image.diff_id] == 0) arriving_.erase(image.diff_id);
  PLIMSOLL_TRY(kernel::replace_file(folder_ + "/configs/" + image.id + ".json", text));
  images_[image.id] = image;
  if (options.reference) {
    auto references = references_;
    references[*options.reference] = image.id;
    PLIMSOLL_TRY(save_references(references));
    references_ = std::move(references);
  }
  return with_references(image);
}

Image Store::with_references(const Image& image) const {
  Image out = image;
  for (const auto& [reference, id] : references_) {
    if (id == image.id) out.references.push_back(reference);
  }
  return out;
}

Result<std::string> Store::id_of(const std::string& name) const {
  std::string hex = name;
  if (hex.starts_with("sha256:")) hex.erase(0, 7);
  if (images_.contains(hex)) return hex;
  const auto reference = parse_reference(name);
  if (reference) {
    if (const auto found = references_.find(*reference); found != references_.end()) return found->second;
  }
  const bool is_hex = hex.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (is_hex && hex.size() >= kShortestPrefix && hex.size() < kIdLength) {
    const auto first = images_.lower_bound(hex);
    if (first != images_.end() && first->first.starts_with(hex)) {
      const auto second = std::next(first);
      if (second != images_.end() && second->first.starts_with(hex)) {
        return invalid("image id prefix " + name + " is ambiguous");
      }
      return first->first;
    }
  }
  if (!reference && !is_hex && !name.starts_with("sha256:")) return std::unexpected(reference.error());
  return no_such_image(reference ? reference->text() : name);
}

Result<Image> Store::find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  PLIMSOLL_ASSIGN(const std::string id, id_of(name));
  return with_references(images_.at(id));
}

std::vector<Image> Store::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<Image> out;
  for (const auto& [id, image] : images_) out.push_back(with_references(image));
  std::ranges::sort(out, [](const Image& a, const Image& b) { return a.created > b.created; });
  return out;
}

Result<> Store::tag(const std::string& name, const Reference& reference) {
  const std::lock_guard lock(mutex_);
  PLIMSOLL_ASSIGN(const std::string id, id_of(name));
  auto references = references_;
  references[reference] = id;
  PLIMSOLL_TRY(save_references(references));
  references_ = std::move(references);
  return {};
}

Result<> Store::drop_image(const std::string& id) {
  const std::string diff_id = images_.at(id).diff_id;
  const std::string config = folder_ + "/configs/" + id + ".json";
  if (::unlink(config.c_str()) != 0 && errno != ENOENT) return fail_errno("remove " + config);
  images_.erase(id);
  const bool used = arriving_.contains(diff_id) || std::ranges::any_of(images_, [&](const auto& one) {
                      return one.second.diff_id == diff_id;
                    });
  if (used) return {};
  // Out of the way first, so that half a layer is never taken for a whole one.
  const std::string gone = folder_ + "/incoming/gone-" + std::to_string(next_incoming_++);
  PLIMSOLL_TRY(rename_to(folder_ + "/layers/" + diff_id, gone));
  return remove_tree(gone);
}

Result<Removed> Store::remove(const std::string& name, bool force) {
  const std::lock_guard lock(mutex_);
  PLIMSOLL_ASSIGN(const std::string id, id_of(name));
  const auto reference = parse_reference(name);
  const auto named = reference ? references_.find(*reference) : references_.end();
  const bool by_name = named != references_.end() && named->second == id;
  auto references = references_;
  Removed removed;
  std::erase_if(references, [&](const auto& one) {
    const bool drop = one.second == id && (!by_name || one.first == *reference);
    if (drop) removed.untagged.push_back(one.first);
    return drop;
  });
  const std::string shown = id.substr(0, 12);
  if (!by_name && removed.untagged.size() > 1 && !force) {
    return fail("conflict: unable to delete " + shown + " (must be forced) - image is referenced by " +
                    std::to_string(removed.untagged.size()) + " names",
                ErrorKind::kConflict);
  }
  const bool last = std::ranges::none_of(references, [&](const auto& one) { return one.second == id; });
  const auto pinned = pins_.find(id);
  if (last && pinned != pins_.end() && !force) {
    return fail("conflict: unable to remove image " + name + " - container " +
                    pinned->second.begin()->substr(0, 12) + " is using it",
                ErrorKind::kConflict);
  }
  PLIMSOLL_TRY(save_references(references));
  references_ = std::move(references);
  if (last && pinned == pins_.end()) {
    PLIMSOLL_TRY(drop_image(id));
    removed.deleted.push_back(id);
  }
  return removed;
}

Result<> Store::pin(const std::string& image_id, const std::string& container_id) {
  const std::lock_guard lock(mutex_);
  if (!images_.contains(image_id)) return no_such_image(image_id);
  pins_[image_id].insert(container_id);
  return {};
}

void Store::unpin(const std::string& image_id, const std::string& container_id) {
  const std::lock_guard lock(mutex_);
  const auto found = pins_.find(image_id);
  if (found == pins_.end()) return;
  found->second.erase(container_id);
  if (found->second.empty()) pins_.erase(found);
}

}  // namespace plimsoll::image
