// Checks of a request's fields. What is malformed is an Error (kInvalidArgument, invalid_field) whose detail
// begins with the field's name: "saga_id: must be the 16 bytes of a UUID".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/money.h"
#include "base/result.h"
#include "boxoffice/money/v1/money.pb.h"

namespace boxoffice::rpc {

[[nodiscard]] std::unexpected<Error> InvalidField(std::string_view field, std::string_view problem);

// An Id or Uuid of its 16 bytes; nil is none.
template <typename T>
[[nodiscard]] Result<T> ParseId(std::string_view field, std::string_view bytes) {
  const auto id = T::FromBytes(bytes);
  if (!id || id->IsNil()) return InvalidField(field, "must be the 16 bytes of a UUID");
  return *id;
}

// The text itself, if it has 1 to `max_bytes` bytes, none of them NUL, which PostgreSQL cannot store.
[[nodiscard]] Result<std::string> ParseText(std::string_view field, const std::string& text,
                                            size_t max_bytes);

// The same of one that may be empty.
[[nodiscard]] Result<std::string> OptionalText(std::string_view field, const std::string& text,
                                               size_t max_bytes);

// Of a page: 1 to `max`.
[[nodiscard]] Result<void> CheckLimit(uint32_t limit, uint32_t max);

// Of a field named "money". Errors also: amount_out_of_range (kInvalidArgument), not in 1 to kMaxAmount.
[[nodiscard]] Result<Money> ParseMoney(const money::v1::Money& money);

}  // namespace boxoffice::rpc
