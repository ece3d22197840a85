#include "platform/rpc/field.h"

#include <fmt/format.h>

namespace boxoffice::rpc {

std::unexpected<Error> InvalidField(std::string_view field, std::string_view problem) {
  return Fail(Code::kInvalidArgument, "invalid_field", fmt::format("{}: {}", field, problem));
}

Result<std::string> ParseText(std::string_view field, const std::string& text, size_t max_bytes) {
  if (text.empty() || text.size() > max_bytes) {
    return InvalidField(field, fmt::format("must have 1 to {} bytes", max_bytes));
  }
  if (text.find('\0') != std::string::npos) return InvalidField(field, "must have no NUL byte");
  return text;
}

Result<std::string> OptionalText(std::string_view field, const std::string& text, size_t max_bytes) {
  if (text.size() > max_bytes) return InvalidField(field, fmt::format("has at most {} bytes", max_bytes));
  if (text.empty()) return text;
  return ParseText(field, text, max_bytes);
}

Result<void> CheckLimit(uint32_t limit, uint32_t max) {
  if (limit < 1 || limit > max) return InvalidField("limit", fmt::format("must be in 1 to {}", max));
  return {};
}

Result<Money> ParseMoney(const money::v1::Money& money) {
  const auto currency = Currency::Parse(money.currency());
  if (!currency) return InvalidField("money.currency", "must be three upper-case letters");
  if (money.amount() <= 0 || money.amount() > kMaxAmount) {
    return Fail(Code::kInvalidArgument, "amount_out_of_range",
                fmt::format("money.amount: must be in 1 to {}", kMaxAmount));
  }
  return Money{money.amount(), *currency};
}

}  // namespace boxoffice::rpc
