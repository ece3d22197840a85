#include "bench/response_scan.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace boxoffice::bench {
namespace {

bool SameIgnoringCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

template <typename Number>
bool ParseNumber(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// One header line, without its end.
bool ReadHeader(std::string_view line, ScannedResponse& response, size_t& length) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view name = line.substr(0, colon);
  std::string_view value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  if (SameIgnoringCase(name, "content-length")) return ParseNumber(value, length);
  if (SameIgnoringCase(name, "connection")) response.close = SameIgnoringCase(value, "close");
  return !SameIgnoringCase(name, "transfer-encoding");
}

}  // namespace

Scan ScanResponse(std::string_view bytes, ScannedResponse& response) {
  constexpr std::string_view kStart = "HTTP/1.1 ";
  const size_t head = bytes.find("\r\n\r\n");
  if (head == std::string_view::npos) return bytes.size() > 64 * 1024 ? Scan::kMalformed : Scan::kMore;
  response = {};
  if (!bytes.starts_with(kStart) || !ParseNumber(bytes.substr(kStart.size(), 3), response.status))
    return Scan::kMalformed;
  size_t length = 0;
  size_t position = bytes.find("\r\n") + 2;
  while (position < head) {
    const size_t end = bytes.find("\r\n", position);
    if (!ReadHeader(bytes.substr(position, end - position), response, length)) return Scan::kMalformed;
    position = end + 2;
  }
  response.size = head + 4 + length;
  if (bytes.size() < response.size) return Scan::kMore;
  response.body = bytes.substr(head + 4, length);
  return Scan::kDone;
}

std::string_view FindJsonText(std::string_view json, std::string_view name) {
  for (size_t position = json.find(name); position != std::string_view::npos;
       position = json.find(name, position + 1)) {
    std::string_view rest = json.substr(position + name.size());
    if (position == 0 || json[position - 1] != '"' || !rest.starts_with('"')) continue;
    rest.remove_prefix(1);
    rest.remove_prefix(std::min(rest.find_first_not_of(" :"), rest.size()));
    if (!rest.starts_with('"')) continue;
    rest.remove_prefix(1);
    return rest.substr(0, rest.find('"'));
  }
  return {};
}

}  // namespace boxoffice::bench
