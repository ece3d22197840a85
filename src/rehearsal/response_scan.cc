#include "rehearsal/response_scan.h"

#include <algorithm>
#include <charconv>

#include <strings.h>

#include "base/text.h"

namespace boxoffice::rehearsal {
namespace {

bool SameIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// One header line, without its end.
bool ReadHeader(std::string_view line, ScannedResponse& response, size_t& length) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view name = line.substr(0, colon);
  std::string_view value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  if (SameIgnoringCase(name, "content-length")) {
    const auto number = ParseNumber<size_t>(value);
    length = number.value_or(0);
    return number.has_value();
  }
  if (SameIgnoringCase(name, "connection")) response.close = SameIgnoringCase(value, "close");
  if (SameIgnoringCase(name, "etag")) response.etag = value;
  if (SameIgnoringCase(name, "retry-after")) response.retry_after_s = ParseNumber<int>(value).value_or(0);
  return !SameIgnoringCase(name, "transfer-encoding");
}

}  // namespace

Scan ScanResponse(std::string_view bytes, ScannedResponse& response) {
  constexpr std::string_view kStart = "HTTP/1.1 ";
  const size_t head = bytes.find("\r\n\r\n");
  if (head == std::string_view::npos) return bytes.size() > 64 * 1024 ? Scan::kMalformed : Scan::kMore;
  response = {};
  if (!bytes.starts_with(kStart)) return Scan::kMalformed;
  const auto status = ParseNumber<int>(bytes.substr(kStart.size(), 3));
  if (!status) return Scan::kMalformed;
  response.status = *status;
  size_t length = 0;
  size_t position = bytes.find("\r\n") + 2;
  while (position < head) {
    const size_t end = bytes.find("\r\n", position);
    if (!ReadHeader(bytes.substr(position, end - position), response, length)) return Scan::kMalformed;
    position = end + 2;
  }
  if (response.status == 204 || response.status == 304) length = 0;  // what a GET would have had
  response.size = head + 4 + length;
  if (bytes.size() < response.size) return Scan::kMore;
  response.body = bytes.substr(head + 4, length);
  return Scan::kDone;
}

namespace {

// What follows `"name":`; empty if there is no such member.
std::string_view FindMember(std::string_view json, std::string_view name) {
  for (size_t position = json.find(name); position != std::string_view::npos;
       position = json.find(name, position + 1)) {
    std::string_view rest = json.substr(position + name.size());
    if (position == 0 || json[position - 1] != '"' || !rest.starts_with('"')) continue;
    rest.remove_prefix(1);
    const size_t value = rest.find_first_not_of(" ");
    if (value == std::string_view::npos || rest[value] != ':') continue;
    rest.remove_prefix(value + 1);
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    return rest;
  }
  return {};
}

}  // namespace

int64_t FindJsonInteger(std::string_view json, std::string_view name, int64_t otherwise) {
  const std::string_view rest = FindMember(json, name);
  int64_t number = 0;
  const bool read = std::from_chars(rest.data(), rest.data() + rest.size(), number).ec == std::errc();
  return read ? number : otherwise;
}

double FindJsonNumber(std::string_view json, std::string_view name, double otherwise) {
  const std::string_view rest = FindMember(json, name);
  double number = 0;
  const bool read = std::from_chars(rest.data(), rest.data() + rest.size(), number).ec == std::errc();
  return read ? number : otherwise;
}

std::string_view FindJsonText(std::string_view json, std::string_view name) {
  std::string_view rest = FindMember(json, name);
  if (!rest.starts_with('"')) return {};
  rest.remove_prefix(1);
  return rest.substr(0, rest.find('"'));
}

std::string_view FindFailureCode(std::string_view reservation) {
  const std::string_view failure = FindMember(reservation, "failure");
  return failure.starts_with('{') ? FindJsonText(failure, "code") : std::string_view();
}

std::string_view FindQueueToken(std::string_view place) {
  const std::string_view in = FindJsonText(place, "admission");
  return in.empty() ? FindJsonText(place, "token") : in;
}

}  // namespace boxoffice::rehearsal
