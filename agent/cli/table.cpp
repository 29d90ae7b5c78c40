#include "agent/cli/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"

namespace plimsoll::cli {

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string Table::as_table() const {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < columns_.size(); ++column) {
    std::size_t width = display_width(columns_[column].title);
    for (const auto& row : rows_) width = std::max(width, display_width(row[column]));
    widths.push_back(width);
  }
  std::string text;
  const auto add_line = [&](const auto& cell_of) {
    std::string line;
    for (std::size_t column = 0; column < columns_.size(); ++column) {
      if (columns_[column].title.empty()) continue;
      const std::string& cell = cell_of(column);
      line += cell;
      line.append(widths[column] - display_width(cell) + 3, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  add_line([&](std::size_t column) -> const std::string& { return columns_[column].title; });
  for (const auto& row : rows_)
    add_line([&](std::size_t column) -> const std::string& { return row[column]; });
  return text;
}

std::string Table::as_json() const {
  std::string text;
  for (const auto& row : rows_) {
    nlohmann::ordered_json object;
    for (std::size_t column = 0; column < columns_.size(); ++column)
      object[columns_[column].key] = row[column];
    text += json_text(object) + "\n";
  }
  return text;
}

Result<std::string> Table::as_template(std::string_view format) const {
  std::string text;
  for (const auto& row : rows_) {
    std::string_view rest = format;
    while (!rest.empty()) {
      const std::size_t open = rest.find("{{");
      text += rest.substr(0, open);
      if (open == std::string_view::npos) break;
      const std::size_t close = rest.find("}}", open);
      if (close == std::string_view::npos) return invalid("--format: '{{' without '}}'");
      std::string_view field = rest.substr(open + 2, close - open - 2);
      while (field.starts_with(' ')) field.remove_prefix(1);
      while (field.ends_with(' ')) field.remove_suffix(1);
      const auto column =
          std::ranges::find_if(columns_, [&](const Column& c) { return "." + c.key == field; });
      if (column == columns_.end()) {
        std::vector<std::string> known;
        for (const Column& one : columns_) known.push_back("." + one.key);
        return invalid(fmt::format("--format: unknown field '{}'; known: {}", field, fmt::join(known, " ")));
      }
      text += row[static_cast<std::size_t>(column - columns_.begin())];
      rest.remove_prefix(close + 2);
    }
    text += "\n";
  }
  return text;
}

Result<std::string> Table::render(std::string_view format) const {
  if (format.empty() || format == "table") return as_table();
  if (format == "json") return as_json();
  if (format.find("{{") == std::string_view::npos) {
    return invalid(fmt::format("--format '{}': expected table, json or a template such as '{{{{.{}}}}}'",
                               format, columns_.front().key));
  }
  return as_template(format);
}

}  // namespace plimsoll::cli
