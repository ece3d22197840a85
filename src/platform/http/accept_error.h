// Internal to the server: what becomes of listening when a connection could not be accepted.
#pragma once

#include <cstdint>

#include <boost/asio/error.hpp>

namespace boxoffice::http {

enum class AfterAcceptError : uint8_t {
  kAcceptNext,   // at once
  kPauseBefore,  // accepting the next
  kEnd,          // nobody listens any more
};

// A client that went before it was accepted says nothing of the next one. Whatever else it is (no file
// descriptors left, here or on the whole machine, or no memory) would be the same again at once, and the
// thread would do nothing else.
[[nodiscard]] inline AfterAcceptError After(const boost::system::error_code& error) {
  if (error == boost::asio::error::operation_aborted || error == boost::asio::error::bad_descriptor)
    return AfterAcceptError::kEnd;
  return error == boost::asio::error::connection_aborted ? AfterAcceptError::kAcceptNext
                                                         : AfterAcceptError::kPauseBefore;
}

}  // namespace boxoffice::http
