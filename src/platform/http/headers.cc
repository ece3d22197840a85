#include "platform/http/headers.h"

#include <algorithm>
#include <cstring>

#include <boost/beast/core/string.hpp>

#include "base/bytes.h"
#include "platform/obs/log.h"

namespace boxoffice::http {
namespace {

constexpr std::string_view kColon = ": ";
constexpr std::string_view kEnd = "\r\n";
constexpr size_t kUsual = 320;  // bytes of the headers that nearly every answer gets

bool MayStandInHeader(std::string_view text) {
  const auto maybe_control = [](uint64_t word) { return AnyBelow(word, ' ') | AnyEqual(word, 0x7f); };
  if (!AnyByte(text, ' ', maybe_control)) return true;
  return std::ranges::none_of(text, [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 0x7f; });
}

// The header's line at the start of `lines`, with its end.
std::string_view FirstLine(std::string_view lines) { return lines.substr(0, lines.find(kEnd) + kEnd.size()); }

bool IsOf(std::string_view line, std::string_view name) {
  return line.size() > name.size() && line.substr(name.size()).starts_with(kColon) &&
         boost::beast::iequals(line.substr(0, name.size()), name);
}

}  // namespace

void AppendHeader(std::string_view name, std::string_view value, std::string& out) {
  if (!MayStandInHeader(name) || !MayStandInHeader(value)) {
    obs::Log(obs::Level::kError, "http_header_dropped", {{"size", value.size()}});
    return;
  }
  const size_t start = out.size();
  out.resize(start + name.size() + kColon.size() + value.size() + kEnd.size());
  char* const text = out.data() + start;
  std::memcpy(text, name.data(), name.size());
  std::memcpy(text + name.size(), kColon.data(), kColon.size());
  std::memcpy(text + name.size() + kColon.size(), value.data(), value.size());
  std::memcpy(text + name.size() + kColon.size() + value.size(), kEnd.data(), kEnd.size());
}

void Headers::Add(std::string_view name, std::string_view value) {
  if (lines_.empty()) lines_.reserve(kUsual);
  AppendHeader(name, value, lines_);
}

void Headers::Set(std::string_view name, std::string_view value) {
  for (size_t start = 0; start < lines_.size();) {
    const size_t size = FirstLine(std::string_view(lines_).substr(start)).size();
    if (IsOf(std::string_view(lines_).substr(start, size), name)) {
      lines_.erase(start, size);
    } else {
      start += size;
    }
  }
  Add(name, value);
}

std::optional<std::string_view> Headers::Find(std::string_view name) const {
  for (std::string_view left = lines_; !left.empty();) {
    const std::string_view line = FirstLine(left);
    if (IsOf(line, name)) {
      const size_t start = name.size() + kColon.size();
      return line.substr(start, line.size() - start - kEnd.size());
    }
    left.remove_prefix(line.size());
  }
  return std::nullopt;
}

}  // namespace boxoffice::http
