#include <array>

#include "exporters/catalogue.h"
#include "exporters/read.h"

namespace plimsoll::exporters {
namespace {

using model::FsStat;
using model::IoStat;
using model::NetStat;

// "/dev/vda", as cAdvisor writes it; a device without a name stays "8:0".
std::string device_label(const IoStat& stat) {
  return stat.device.find(':') == std::string::npos ? "/dev/" + stat.device : stat.device;
}

template <auto kField>
void io(const Subject& subject, Points& points) {
  for (const IoStat& stat : subject.sample.io)
    points.add(number(stat.*kField), {{"device", device_label(stat)}});
}

void device_usage(const Subject& subject, Points& points) {
  for (const IoStat& stat : subject.sample.io) {
    const std::string device = device_label(stat);
    const std::string major = std::to_string(stat.major);
    const std::string minor = std::to_string(stat.minor);
    points.add(number(stat.read),
               {{"device", device}, {"major", major}, {"minor", minor}, {"operation", "Read"}});
    points.add(number(stat.written),
               {{"device", device}, {"major", major}, {"minor", minor}, {"operation", "Write"}});
  }
}

template <auto kField>
void filesystem(const Subject& subject, Points& points) {
  if (subject.sample.fs)
    points.add(number((*subject.sample.fs).*kField), {{"device", subject.sample.fs->device}});
}

template <auto kField>
void network(const Subject& subject, Points& points) {
  for (const NetStat& stat : subject.sample.net)
    points.add(number(stat.*kField), {{"interface", stat.interface}});
}

constexpr Type kCounter = Type::kCounter;
constexpr Type kGauge = Type::kGauge;

constexpr std::array<ContainerMetric, 17> kRows = {{
    {"container_fs_reads_bytes_total", kCounter, "bytes", "device", "Cumulative count of bytes read.",
     io<&IoStat::read>},
    {"container_fs_writes_bytes_total", kCounter, "bytes", "device", "Cumulative count of bytes written.",
     io<&IoStat::written>},
    {"container_fs_reads_total", kCounter, "", "device", "Cumulative count of reads completed.",
     io<&IoStat::reads>},
    {"container_fs_writes_total", kCounter, "", "device", "Cumulative count of writes completed.",
     io<&IoStat::writes>},
    {"container_blkio_device_usage_total", kCounter, "bytes", "device,major,minor,operation",
     "Blkio device bytes usage.", device_usage},
    {"container_fs_usage_bytes", kGauge, "bytes", "device",
     "Number of bytes that are consumed on the file system under the container's root.",
     filesystem<&FsStat::usage>},
    {"container_fs_limit_bytes", kGauge, "bytes", "device",
     "Number of bytes that the file system under the container's root can hold.", filesystem<&FsStat::limit>},
    {"container_fs_inodes_free", kGauge, "", "device", "Number of available inodes.",
     filesystem<&FsStat::inodes_free>},
    {"container_fs_inodes_total", kGauge, "", "device", "Number of inodes.",
     filesystem<&FsStat::inodes_total>},
    {"container_network_receive_bytes_total", kCounter, "bytes", "interface",
     "Cumulative count of bytes received.", network<&NetStat::received>},
    {"container_network_receive_packets_total", kCounter, "", "interface",
     "Cumulative count of packets received.", network<&NetStat::rx_packets>},
    {"container_network_receive_packets_dropped_total", kCounter, "", "interface",
     "Cumulative count of packets dropped while receiving.", network<&NetStat::rx_dropped>},
    {"container_network_receive_errors_total", kCounter, "", "interface",
     "Cumulative count of errors encountered while receiving.", network<&NetStat::rx_errors>},
    {"container_network_transmit_bytes_total", kCounter, "bytes", "interface",
     "Cumulative count of bytes transmitted.", network<&NetStat::transmitted>},
    {"container_network_transmit_packets_total", kCounter, "", "interface",
     "Cumulative count of packets transmitted.", network<&NetStat::tx_packets>},
    {"container_network_transmit_packets_dropped_total", kCounter, "", "interface",
     "Cumulative count of packets dropped while transmitting.", network<&NetStat::tx_dropped>},
    {"container_network_transmit_errors_total", kCounter, "", "interface",
     "Cumulative count of errors encountered while transmitting.", network<&NetStat::tx_errors>},
}};

}  // namespace

std::span<const ContainerMetric> io_metrics() { return kRows; }

}  // namespace plimsoll::exporters
