// What is wrong with a policy file, and where: "web.yaml:7:5: what is wrong, what was expected".
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace plimsoll::policies {

// 1-based; line 0 is the file as a whole.
struct Place {
  int line = 0;
  int column = 0;
  auto operator<=>(const Place&) const = default;
};

struct Diagnostic {
  std::string file;
  Place place;
  std::string message;
  bool warning = false;  // the set is good, but probably not what was meant
};
// "file:line:column: message"; warnings read "file:line:column: warning: message".
std::string to_string(const Diagnostic& diagnostic);

// Those that are no warnings.
std::size_t count_errors(std::span<const Diagnostic> diagnostics);

// Collects all that is wrong with one file, so that a user mends it in one go. Bounded: a hostile file does
// not make a hostile report.
class Diagnostics {
 public:
  explicit Diagnostics(std::string file) : file_(std::move(file)) {}
  void error(Place place, std::string message);
  void warning(Place place, std::string message);
  bool has_errors() const { return errors_ > 0; }
  std::size_t errors() const { return errors_; }
  const std::string& file() const { return file_; }
  // In the order of their places.
  std::vector<Diagnostic> take() &&;

 private:
  std::string file_;
  std::vector<Diagnostic> found_;
  std::size_t errors_ = 0;
};

}  // namespace plimsoll::policies
