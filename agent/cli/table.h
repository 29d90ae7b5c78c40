// Rows for people and for programs: a table with aligned columns, one JSON object a line, or a Docker-style
// template such as '{{.Names}} {{.Status}}'.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace plimsoll::cli {

struct Column {
  std::string key;    // in JSON and templates: "Names"
  std::string title;  // in the table's head: "NAMES"; empty: not in the table
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // One cell a column, in order.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // `format` is "" or "table", "json", or a template; an unknown field of a template is kInvalid.
  Result<std::string> render(std::string_view format) const;

 private:
  std::string as_table() const;
  std::string as_json() const;
  Result<std::string> as_template(std::string_view format) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Columns that `text` takes on a terminal (UTF-8 code points; wide characters are counted as one).
std::size_t display_width(std::string_view text);

}  // namespace plimsoll::cli
