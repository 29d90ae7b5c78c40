#include "agent/cli/flags.h"

#include <fmt/format.h>
#include <getopt.h>

#include <algorithm>

namespace plimsoll::cli {
namespace {

constexpr int kLongOnly = 1000;  // codes of options without a letter begin here
constexpr int kHelp = 999;  // --help; -h too, where it is not a flag of the verb's own (run's --hostname)

}  // namespace

Flags::Flags(std::string usage, std::string summary, std::string example, Order order)
    : usage_(std::move(usage)), summary_(std::move(summary)), example_(std::move(example)), order_(order) {}

Flags& Flags::add(Option option) {
  options_.push_back(std::move(option));
  return *this;
}

Flags& Flags::flag(char letter, std::string name, bool& target, std::string help) {
  return add({letter, std::move(name), "", std::move(help), [&target](const char*) { target = true; }});
}

Flags& Flags::value(char letter, std::string name, std::string& target, std::string placeholder,
                    std::string help) {
  return add({letter, std::move(name), std::move(placeholder), std::move(help),
              [&target](const char* text) { target = text; }});
}

Flags& Flags::value(char letter, std::string name, std::optional<std::string>& target,
                    std::string placeholder, std::string help) {
  return add({letter, std::move(name), std::move(placeholder), std::move(help),
              [&target](const char* text) { target = text; }});
}

Flags& Flags::list(char letter, std::string name, std::vector<std::string>& target, std::string placeholder,
                   std::string help) {
  return add({letter, std::move(name), std::move(placeholder), std::move(help),
              [&target](const char* text) { target.emplace_back(text); }});
}

const Flags::Option* Flags::find(int code) const {
  if (code >= kLongOnly) return &options_[static_cast<std::size_t>(code - kLongOnly)];
  const auto found =
      std::ranges::find_if(options_, [&](const Option& option) { return option.letter == code; });
  return found == options_.end() ? nullptr : &*found;
}

Result<std::vector<std::string>> Flags::parse(const std::vector<std::string>& args) {
  std::string letters = order_ == Order::kBeforeWords ? "+:" : ":";
  if (find('h') == nullptr) letters += 'h';
  std::vector<option> names;
  for (std::size_t i = 0; i < options_.size(); ++i) {
    const Option& one = options_[i];
    const bool takes = !one.placeholder.empty();
    if (one.letter != 0) letters += takes ? std::string{one.letter, ':'} : std::string{one.letter};
    const int code = one.letter != 0 ? one.letter : kLongOnly + static_cast<int>(i);
    names.push_back({one.name.c_str(), takes ? required_argument : no_argument, nullptr, code});
  }
  names.push_back({"help", no_argument, nullptr, kHelp});
  names.push_back({nullptr, 0, nullptr, 0});

  std::vector<std::string> kept = {"plimsoll"};
  kept.insert(kept.end(), args.begin(), args.end());
  std::vector<char*> argv;
  for (std::string& word : kept) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int argc = static_cast<int>(kept.size());

  opterr = 0;
  optind = 0;  // glibc: start over
  while (true) {
    const int code = ::getopt_long(argc, argv.data(), letters.c_str(), names.data(), nullptr);
    if (code == -1) break;
    if (code == '?' || code == ':') {
      const std::string given = optopt != 0 && optopt < kLongOnly && argv[optind - 1][1] != '-'
                                    ? fmt::format("-{}", static_cast<char>(optopt))
                                    : std::string(argv[optind - 1]);
      return invalid(fmt::format("{}: {} {}; see plimsoll {} --help", verb(),
                                 code == ':' ? "no value given for flag" : "unknown or ambiguous flag", given,
                                 verb()));
    }
    const Option* option = code == kHelp ? nullptr : find(code);
    if (option == nullptr) {
      help_asked_ = true;
    } else {
      option->set(optarg);
    }
  }
  return std::vector<std::string>(argv.begin() + optind, argv.end() - 1);
}

Result<std::optional<std::vector<std::string>>> Flags::take(const std::vector<std::string>& args,
                                                            WordCount count, std::string_view expected) {
  PLIMSOLL_ASSIGN(auto words, parse(args));
  if (help_asked_) {
    fmt::print("{}", help());
    return std::nullopt;
  }
  if (words.size() < count.least || words.size() > count.most) return std::unexpected(misuse(expected));
  return words;
}

std::string Flags::help() const {
  std::string text = fmt::format("{}\n\nUsage: plimsoll {}\n", summary_, usage_);
  if (!options_.empty()) text += "\nFlags:\n";
  for (const Option& option : options_) {
    const std::string letter = option.letter != 0 ? fmt::format("-{}, ", option.letter) : "    ";
    const std::string name =
        option.placeholder.empty() ? option.name : option.name + " " + option.placeholder;
    text += fmt::format("  {}--{:<28} {}\n", letter, name, option.help);
  }
  text += fmt::format("\nExample:\n  {}\n", example_);
  return text;
}

Error Flags::misuse(std::string_view expected) const {
  return Error(fmt::format("{}: expected {}; see plimsoll {} --help", verb(), expected, verb()),
               ErrorKind::kInvalid);
}

}  // namespace plimsoll::cli
