#include "agent/container/containers.h"

#include <nlohmann/json.hpp>

#include "agent/container/config_json.h"
#include "agent/container/core.h"

namespace plimsoll::container {

Result<CreateRequest> parse_create(const std::string& body) {
  const nlohmann::json document = nlohmann::json::parse(body, nullptr, false);
  if (document.is_discarded()) return invalid("the request's body is not JSON");
  return config_from_json(document);
}

Result<WaitCondition> parse_wait_condition(const std::string& text) {
  if (text.empty() || text == "not-running") return WaitCondition::kNotRunning;
  if (text == "next-exit") return WaitCondition::kNextExit;
  if (text == "removed") return WaitCondition::kRemoved;
  return invalid("invalid condition: \"" + text + "\"");
}

Containers::Containers(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Containers::~Containers() = default;

Result<std::unique_ptr<Containers>> Containers::open(const Paths& paths, image::Store& images,
                                                     const Clock& clock) {
  auto core = std::make_unique<Core>(paths, images, clock);
  PLIMSOLL_TRY(core->open());
  return std::unique_ptr<Containers>(new Containers(std::move(core)));
}

Result<Created> Containers::create(const CreateRequest& request) { return core_->create(request); }
Result<bool> Containers::start(const std::string& name) { return core_->start(name); }
Result<bool> Containers::stop(const std::string& name, std::optional<std::chrono::seconds> timeout,
                              const std::string& signal) {
  return core_->stop(name, timeout, signal);
}
Result<> Containers::kill(const std::string& name, const std::string& signal) {
  return core_->kill(name, signal);
}
Result<> Containers::restart(const std::string& name, std::optional<std::chrono::seconds> timeout,
                             const std::string& signal) {
  return core_->restart(name, timeout, signal);
}
void Containers::interrupt() { core_->interrupt(); }
Result<> Containers::remove(const std::string& name, bool force) { return core_->remove(name, force); }
Result<> Containers::rename(const std::string& name, const std::string& new_name) {
  return core_->rename(name, new_name);
}
Result<Subscription> Containers::wait(const std::string& name, WaitCondition condition,
                                      std::function<void(int)> done) {
  return core_->wait(name, condition, std::move(done));
}

Result<std::string> Containers::id_of(const std::string& name) const {
  PLIMSOLL_ASSIGN(State state, core_->state_of(name));
  return state.id;
}
Result<Config> Containers::config(const std::string& name) const {
  PLIMSOLL_ASSIGN(State state, core_->state_of(name));
  return state.config;
}
Result<nlohmann::json> Containers::inspect(const std::string& name, bool size) const {
  return core_->inspect(name, size);
}
Result<nlohmann::json> Containers::list(const ListOptions& options) const { return core_->list(options); }
Result<Top> Containers::top(const std::string& name) const { return core_->top(name); }
std::map<Status, int> Containers::counts() const { return core_->counts(); }

Result<UniqueFd> Containers::attach(const std::string& name, Streams streams) {
  return core_->attach(name, streams);
}
Result<> Containers::resize(const std::string& name, int rows, int columns) {
  return core_->resize(name, rows, columns);
}
Result<std::unique_ptr<LogReader>> Containers::logs(const std::string& name,
                                                    const LogOptions& options) const {
  return core_->logs(name, options);
}

Result<std::string> Containers::exec_create(const std::string& name, const ExecConfig& config) {
  return core_->exec_create(name, config);
}
Result<UniqueFd> Containers::exec_start(const std::string& exec_id, bool detach) {
  return core_->exec_start(exec_id, detach);
}
Result<nlohmann::json> Containers::exec_inspect(const std::string& exec_id) const {
  return core_->exec_inspect(exec_id);
}
bool Containers::exec_wait(const std::string& exec_id, std::chrono::milliseconds most) const {
  return core_->exec_wait(exec_id, most);
}
Result<ExecConfig> Containers::exec_config(const std::string& exec_id) const {
  return core_->exec_config(exec_id);
}
Result<> Containers::exec_resize(const std::string& exec_id, int rows, int columns) {
  return core_->exec_resize(exec_id, rows, columns);
}

std::vector<EventText> Containers::events(WallTime since) const { return core_->events().since(since); }
Subscription Containers::subscribe(std::optional<WallTime> since,
                                   std::function<void(const EventText&)> tell) {
  return core_->events().subscribe(since, std::move(tell));
}
std::optional<model::ContainerRef> Containers::identity(const std::string& container_id) const {
  return core_->identity(container_id);
}
Subscription Containers::on_exit(ExitListener tell) { return core_->on_exit(std::move(tell)); }

}  // namespace plimsoll::container
