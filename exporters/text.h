// The Prometheus text format 0.0.4, written straight into one string: byte for byte what prometheus-cpp's
// TextSerializer makes of the same values (a test proves it), without building its objects first.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "exporters/metric.h"

namespace plimsoll::exporters {

// `%.16g`, "+Inf", "-Inf", "Nan" (which Prometheus reads without regard to case).
void append_number(std::string& out, double value);
// name="value" with \, " and newline escaped; a comma before it unless `out` is empty or ends with '{'.
void append_label(std::string& out, std::string_view name, std::string_view value);

// Writes the series of one family. # HELP and # TYPE come with the first of them, so that a family without
// any leaves no trace. `help` must not hold a newline. The views must outlive the writer.
class FamilyWriter {
 public:
  FamilyWriter(std::string& out, std::string_view name, Type type, std::string_view help)
      : out_(out), name_(name), type_(type), help_(help) {}
  // `fixed`: labels already rendered, joined by ','; `more` are appended.
  void add(std::string_view fixed, std::span<const Label> more, double value);
  void add(std::string_view fixed, double value) { add(fixed, {}, value); }

 private:
  std::string& out_;
  std::string_view name_;
  Type type_;
  std::string_view help_;
  bool begun_ = false;
};

}  // namespace plimsoll::exporters
