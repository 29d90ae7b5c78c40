// The agent's log. Libraries return errors and do not log; whoever decides what to do about one does.
// log.cpp is the only file that includes spdlog. Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace plimsoll::log {

enum class Level { kDebug, kInfo, kWarning, kError };
enum class Format { kText, kJson };

// Lines go to standard error. Call once, before threads.
void configure(Level level, Format format);
Result<Level> parse_level(std::string_view text);  // debug | info | warning | error

void debug(std::string_view message);
void info(std::string_view message);
void warning(std::string_view message);
void error(std::string_view message);

}  // namespace plimsoll::log
