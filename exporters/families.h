// The families that are not rows of the catalogue. Private to exporters.
#pragma once

#include <string>
#include <vector>

#include "exporters/exporter.h"

namespace plimsoll::exporters {

void write_machine(const Scrape& scrape, std::string& out);
void write_decisions(const std::vector<DecisionCount>& decisions, std::string& out);
void write_workloads(const model::Snapshot& now, std::string& out);
// plimsoll_container_info. `labels`: as rendered, one for each of now.containers.
void write_info(const model::Snapshot& now, const std::vector<LabelCache::Text>& labels, std::string& out);
// plimsoll_ended_* and plimsoll_container_exit_code. `labels`: one for each of now.ended.
void write_ended(const model::Snapshot& now, const std::vector<LabelCache::Text>& labels, std::string& out);

}  // namespace plimsoll::exporters
