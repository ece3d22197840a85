#include "platform/http/gzip.h"

#include <algorithm>

#include <boost/beast/core/string.hpp>
#include <zlib.h>

#include "base/check.h"
#include "base/text.h"

namespace boxoffice::http {
namespace {

constexpr int kGzipWindow = 15 + 16;  // the largest window, in a gzip file
constexpr int kMemory = 8;            // zlib's default
constexpr size_t kUsualRatio = 8;     // of a text to its bytes: more room is made where it is larger

// "0", "0.0", …: not at all.
bool IsZeroWeight(std::string_view parameters) {
  const size_t at = parameters.find('=');
  if (at == std::string_view::npos || !boost::beast::iequals(Trim(parameters.substr(0, at)), "q"))
    return false;
  return Trim(parameters.substr(at + 1)).find_first_not_of("0.") == std::string_view::npos;
}

z_stream Reading(std::string_view bytes) {
  z_stream stream{};
  // zlib reads only, but its type does not say so.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  return stream;
}

}  // namespace

// RFC 9110, section 8.4.1: codings are of any case.
bool AcceptsCoding(std::string_view accept_encoding, std::string_view wanted) {
  bool any = false;
  while (!accept_encoding.empty()) {
    const std::string_view one = accept_encoding.substr(0, accept_encoding.find(','));
    accept_encoding.remove_prefix(std::min(one.size() + 1, accept_encoding.size()));
    const size_t semicolon = one.find(';');
    const std::string_view coding = Trim(one.substr(0, semicolon));
    const auto is = [coding](std::string_view name) { return boost::beast::iequals(coding, name); };
    const bool taken = semicolon == std::string_view::npos || !IsZeroWeight(one.substr(semicolon + 1));
    if (is(wanted) || (wanted == "gzip" && is("x-gzip"))) return taken;
    if (coding == "*") any = taken;
  }
  return any;
}

std::string Gzip(std::string_view text) {
  z_stream stream = Reading(text);
  CHECK(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, kMemory, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string bytes(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
  stream.next_out = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_out = static_cast<uInt>(bytes.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END, "the bound is one");
  bytes.resize(stream.total_out);
  bytes.shrink_to_fit();  // the bound is the text's size, and whoever keeps this would keep all of that
  deflateEnd(&stream);
  return bytes;
}

std::string Gunzip(std::string_view bytes, size_t max) {
  z_stream stream = Reading(bytes);
  if (inflateInit2(&stream, kGzipWindow) != Z_OK) return {};
  std::string text;
  int ended = Z_OK;
  while (ended == Z_OK && text.size() < max) {
    text.resize(std::min(max, text.empty() ? bytes.size() * kUsualRatio : text.size() * 2));
    stream.next_out = reinterpret_cast<Bytef*>(text.data()) + stream.total_out;
    stream.avail_out = static_cast<uInt>(text.size() - stream.total_out);
    ended = inflate(&stream, Z_NO_FLUSH);
  }
  text.resize(ended == Z_STREAM_END ? stream.total_out : 0);
  inflateEnd(&stream);
  return text;
}

}  // namespace boxoffice::http
