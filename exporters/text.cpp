#include "exporters/text.h"

#include <array>
#include <charconv>
#include <cmath>

namespace plimsoll::exporters {
namespace {

void append_escaped(std::string& out, std::string_view text) {
  while (true) {
    const std::size_t at = text.find_first_of("\\\"\n");
    out.append(text.substr(0, at));
    if (at == std::string_view::npos) return;
    out.push_back('\\');
    out.push_back(text[at] == '\n' ? 'n' : text[at]);
    text.remove_prefix(at + 1);
  }
}

}  // namespace

std::string_view to_string(Type type) { return type == Type::kCounter ? "counter" : "gauge"; }

void append_number(std::string& out, double value) {
  std::array<char, 32> buffer;
  constexpr double kExact = 1e15;
  if (value >= 0 && value < kExact && !std::signbit(value)) {
    const auto whole = static_cast<std::uint64_t>(value);
    // Most values are counts and bytes: these digits are the same ones, several times sooner.
    if (static_cast<double>(whole) == value) {
      const auto end = std::to_chars(buffer.begin(), buffer.end(), whole).ptr;
      out.append(buffer.data(), end);
      return;
    }
  }
  if (std::isnan(value)) {
    out.append("Nan");
  } else if (std::isinf(value)) {
    out.append(value < 0 ? "-Inf" : "+Inf");
  } else {
    const auto end = std::to_chars(buffer.begin(), buffer.end(), value, std::chars_format::general, 16).ptr;
    out.append(buffer.data(), end);
  }
}

void append_label(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty() && out.back() != '{') out.push_back(',');
  out.append(name);
  out.append("=\"");
  append_escaped(out, value);
  out.push_back('"');
}

void FamilyWriter::add(std::string_view fixed, std::span<const Label> more, double value) {
  if (!begun_) {
    begun_ = true;
    out_.append("# HELP ").append(name_).append(" ").append(help_);
    out_.append("\n# TYPE ").append(name_).append(" ").append(to_string(type_)).append("\n");
  }
  out_.append(name_);
  if (!fixed.empty() || !more.empty()) {
    out_.push_back('{');
    out_.append(fixed);
    for (const auto& [name, text] : more) append_label(out_, name, text);
    out_.push_back('}');
  }
  out_.push_back(' ');
  append_number(out_, value);
  out_.push_back('\n');
}

}  // namespace plimsoll::exporters
