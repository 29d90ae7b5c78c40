#include "bpf/maps.h"
#include "bpf/readings.h"

namespace plimsoll::bpf {

void read_net(const Object& object, const Place& place, model::ProbeReadings& out) {
  const auto counts = object.counters().read<wire_net>("net", place.id.inode);
  if (!counts) return;
  out.network = model::Network{.bytes_sent = counts->bytes_sent,
                               .bytes_received = counts->bytes_received,
                               .packets_sent = counts->packets_sent,
                               .packets_received = counts->packets_received,
                               .retransmits = counts->retransmits,
                               .resets_sent = counts->resets_sent,
                               .resets_received = counts->resets_received,
                               .accepts = counts->accepts,
                               .connected = counts->connected,
                               .refused = counts->refused,
                               .timed_out = counts->timed_out,
                               .failed = counts->failed,
                               .connects = histogram(counts->connects)};
}

}  // namespace plimsoll::bpf
