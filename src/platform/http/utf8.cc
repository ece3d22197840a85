#include "platform/http/utf8.h"

#include <boost/beast/websocket/detail/utf8_checker.hpp>
#include <boost/locale/utf.hpp>

#include "base/bytes.h"

namespace boxoffice::http {

bool IsUtf8(std::string_view text) {
  if (!AnyByte(text, 'a', [](uint64_t word) { return word & kHighBits; })) return true;  // ASCII
  return boost::beast::websocket::detail::check_utf8(text.data(), text.size());
}

std::string ToUtf8(std::string_view text) {
  namespace utf = boost::locale::utf;
  std::string out;
  out.reserve(text.size());
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at != end;) {
    const char* const begin = at;
    const utf::code_point code = utf::utf_traits<char>::decode(at, end);
    if (code == utf::illegal || code == utf::incomplete) {
      at = begin + 1;
      out += "\ufffd";
    } else {
      out.append(begin, at);
    }
  }
  return out;
}

}  // namespace boxoffice::http
