#include <array>

#include "agent/cli/verb.h"

namespace plimsoll::cli {
namespace {

constexpr std::array kVerbs = {
    Verb{"run", "Make a container from an image and start it", run},
    Verb{"create", "Make a container without starting it", create},
    Verb{"start", "Start containers", start},
    Verb{"stop", "Stop containers: a signal, then SIGKILL", stop},
    Verb{"restart", "Stop and start containers", restart},
    Verb{"kill", "Send a signal to containers", kill},
    Verb{"rm", "Remove containers", rm},
    Verb{"wait", "Wait until containers end, and print their exit codes", wait},
    Verb{"ps", "List containers", ps},
    Verb{"logs", "Show what a container wrote", logs},
    Verb{"attach", "Connect to a running container's input and output", attach},
    Verb{"exec", "Run a command in a running container", exec},
    Verb{"inspect", "Show all that is known of a container or image", inspect},
    Verb{"stats", "Show containers' use of resources", stats},
    Verb{"top", "A live screen of every container against its limits", top},
    Verb{"export", "Print what was recorded, as JSON lines", export_history},
    Verb{"events", "Follow what happens to containers", events},
    Verb{"images", "List images", images},
    Verb{"import", "Make an image from a tar archive of a root filesystem", import_image},
    Verb{"rmi", "Remove images", rmi},
    Verb{"tag", "Give an image another name", tag},
    Verb{"decisions", "Show what policies decided and what came of it", decisions},
    Verb{"recommend", "Show what containers should be limited to, from what they used", recommend},
    Verb{"noisy", "Show which containers kept others waiting for a CPU", noisy},
    Verb{"oom", "Show what the kernel killed for lack of memory, and why", oom},
    Verb{"version", "Show the versions of the command line and of the agent", version},
};

}  // namespace

std::span<const Verb> verbs() { return kVerbs; }

const Verb* find_verb(std::string_view name) {
  for (const Verb& verb : kVerbs) {
    if (verb.name == name) return &verb;
  }
  return nullptr;
}

}  // namespace plimsoll::cli
