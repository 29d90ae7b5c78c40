// Values of control files that have a line a disk (io.max, io.weight).
#pragma once

#include <string>
#include <string_view>

namespace plimsoll::enforce {

// What `file`'s text says of what was asked, in the words of the asking: asked "8:0 rbps=1048576", it gives
// "8:0 rbps=max" where the file has no line of 8:0. Of files without disks: the text itself.
std::string value_shown(std::string_view file, std::string_view asked, std::string text);

}  // namespace plimsoll::enforce
