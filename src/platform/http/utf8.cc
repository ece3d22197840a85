#include "platform/http/utf8.h"

#include <boost/beast/websocket/detail/utf8_checker.hpp>

#include "base/bytes.h"

namespace boxoffice::http {

bool IsUtf8(std::string_view text) {
  if (!AnyByte(text, 'a', [](uint64_t word) { return word & kHighBits; })) return true;  // ASCII
  return boost::beast::websocket::detail::check_utf8(text.data(), text.size());
}

}  // namespace boxoffice::http
