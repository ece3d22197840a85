// Amounts of money: whole minor units of one currency. KRW has no minor unit, so ₩1,000 is {1000, KRW}.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace boxoffice {

// Nobody needs more; far below the overflow of int64, and exact in a JSON number (2^53).
inline constexpr int64_t kMaxAmount = 1'000'000'000'000'000;

// An ISO 4217 code: three upper-case letters. A value.
class Currency {
 public:
  constexpr Currency() = default;
  // "KRW"; anything but three upper-case letters: nullopt.
  [[nodiscard]] static constexpr std::optional<Currency> Parse(std::string_view code) {
    if (code.size() != 3) return std::nullopt;
    Currency currency;
    for (size_t i = 0; i < 3; ++i) {
      if (code[i] < 'A' || code[i] > 'Z') return std::nullopt;
      currency.code_[i] = code[i];
    }
    return currency;
  }
  [[nodiscard]] constexpr std::string_view code() const { return {code_, 3}; }
  constexpr auto operator<=>(const Currency&) const = default;

 private:
  char code_[3] = {'X', 'X', 'X'};  // XXX: ISO 4217's "no currency"
};

struct Money {
  int64_t amount = 0;  // minor units
  Currency currency;
  constexpr bool operator==(const Money&) const = default;
};

}  // namespace boxoffice
