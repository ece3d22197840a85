#include "platform/http/json_writer.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.h"

namespace boxoffice::http {
namespace {

// '<' so that the text may stand in a script element of a page.
constexpr std::array<bool, 256> kNeedsEscape = [] {
  std::array<bool, 256> needs{};
  std::fill_n(needs.begin(), 0x20, true);
  for (const char c : {'"', '\\', '<'}) needs[static_cast<unsigned char>(c)] = true;
  return needs;
}();

}  // namespace

void AppendJsonString(std::string_view text, std::string& out) {
  const auto maybe_escape = [](uint64_t word) {
    return AnyBelow(word, ' ') | AnyEqual(word, '"') | AnyEqual(word, '\\') | AnyEqual(word, '<');
  };
  if (!AnyByte(text, 'a', maybe_escape)) {
    const size_t start = out.size();
    const size_t end = start + text.size() + 2;
    out.resize_and_overwrite(end, [&](char* all, size_t) {
      all[start] = '"';
      std::memcpy(all + start + 1, text.data(), text.size());
      all[end - 1] = '"';
      return end;
    });
    return;
  }
  out.push_back('"');
  size_t copied = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (!kNeedsEscape[c]) continue;
    out.append(text.substr(copied, i - copied));
    copied = i + 1;
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c == '\n') {
      out.append("\\n");
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
    }
  }
  out.append(text.substr(copied));
  out.push_back('"');
}

}  // namespace boxoffice::http
