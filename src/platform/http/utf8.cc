#include "platform/http/utf8.h"

#include <boost/beast/websocket/detail/utf8_checker.hpp>

namespace boxoffice::http {

bool IsUtf8(std::string_view text) {
  return boost::beast::websocket::detail::check_utf8(text.data(), text.size());
}

}  // namespace boxoffice::http
