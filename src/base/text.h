// What several readers of text share. Pure.
#pragma once

#include <string_view>

namespace boxoffice {

// `text` without what of `blanks` is at its beginning and its end.
[[nodiscard]] constexpr std::string_view Trim(std::string_view text, std::string_view blanks = " \t") {
  const size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

}  // namespace boxoffice
