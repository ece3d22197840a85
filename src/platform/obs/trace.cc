#include "platform/obs/trace.h"

#include <algorithm>

#include <fmt/compile.h>
#include <fmt/format.h>

namespace boxoffice::obs {
namespace {

bool IsLowerHex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

}  // namespace

std::string NewTraceparent(Random& random) {
  const uint64_t high = random.Next();
  const uint64_t low = random.Next() | 1;
  const uint64_t span = random.Next() | 1;
  return fmt::format(FMT_COMPILE("00-{:016x}{:016x}-{:016x}-01"), high, low, span);
}

bool IsTraceparent(std::string_view text) {
  if (text.size() != 55 || !text.starts_with("00-") || text[35] != '-' || text[52] != '-') return false;
  const std::string_view trace = text.substr(3, 32);
  const std::string_view span = text.substr(36, 16);
  return IsLowerHex(trace) && IsLowerHex(span) && IsLowerHex(text.substr(53)) && !IsZero(trace) &&
         !IsZero(span);
}

std::string_view TraceId(std::string_view traceparent) {
  return IsTraceparent(traceparent) ? traceparent.substr(3, 32) : std::string_view();
}

}  // namespace boxoffice::obs
