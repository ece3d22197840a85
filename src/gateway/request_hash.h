// What makes two requests the same: a hash of the method, the path and the body's meaning.
#pragma once

#include <string>
#include <string_view>

namespace boxoffice::gateway {

// SHA-256 of "METHOD path\ncanonical body", 32 bytes. `canonical_body` is written by the caller from the
// fields that it read, in an order of its own, so that spaces and the order of fields don't count.
[[nodiscard]] std::string HashRequest(std::string_view method, std::string_view path,
                                      std::string_view canonical_body);

}  // namespace boxoffice::gateway
