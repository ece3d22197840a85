// The rows of the wallet's tables, from either store's statements.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "services/wallet/store.h"

namespace boxoffice::wallet {

// A column as this program wrote it; anything else is a corrupt store.
template <typename Row>
[[nodiscard]] Currency CurrencyAt(const Row& row, int column) {
  const auto currency = Currency::Parse(row.Text(column));
  CHECK(currency.has_value(), "a stored currency has three letters");
  return *currency;
}

// Of a statement that begins with the entry's columns.
template <typename Row>
[[nodiscard]] Entry EntryAt(const Row& row) {
  Entry entry{.id = row.template Id<EntryId>(1),
              .user_id = std::string(row.Text(0)),
              .kind = static_cast<EntryKind>(row.Int(2)),
              .money = {row.Int(4), CurrencyAt(row, 3)},
              .balance_after = row.Int(5),
              .client_key = std::string(row.Text(8)),
              .created_at = FromUnixMs(row.Int(9)),
              .reason = std::string(row.Text(10)),
              .operator_id = std::string(row.Text(11))};
  if (!row.IsNull(6)) entry.saga = row.template Id<SagaId>(6);
  if (!row.IsNull(7)) entry.reservation = row.template Id<ReservationId>(7);
  return entry;
}

template <typename Row>
[[nodiscard]] AccountRow AccountAt(const Row& row) {
  return {.user_id = std::string(row.Text(0)),
          .state = static_cast<AccountState>(row.Int(1)),
          .reason = std::string(row.Text(2)),
          .operator_id = std::string(row.Text(3)),
          .changed_at = FromUnixMs(row.Int(4)),
          .version = row.Int(5)};
}

template <typename Row>
[[nodiscard]] ReservationTotals ReservationAt(const Row& row) {
  return {.reservation = row.template Id<ReservationId>(0),
          .user_id = std::string(row.Text(1)),
          .currency = CurrencyAt(row, 2),
          .debited = row.Int(3),
          .refunded = row.Int(4),
          .effective_debits = static_cast<uint32_t>(row.Int(5))};
}

// A sum of any number of amounts: of their upper and their lower 32 bits, neither of which overflows.
class WideSum {
 public:
  void Add(int64_t upper, int64_t lower) {
    upper_ += upper;
    lower_ += lower;
  }
  // Stops at what it can hold.
  [[nodiscard]] int64_t value() const {
    using Limits = std::numeric_limits<int32_t>;
    const int64_t upper = upper_ + (lower_ >> 32);
    if (upper > Limits::max()) return std::numeric_limits<int64_t>::max();
    if (upper < Limits::min()) return std::numeric_limits<int64_t>::min();
    return upper * (int64_t{1} << 32) + (lower_ & 0xffffffff);
  }

 private:
  int64_t upper_ = 0;
  int64_t lower_ = 0;
};

// Makes a statement of rows with: whether they are from before the period, kind, the two sums of a WideSum,
// and how many entries. Balances are exact, as they are summed up over all kinds.
class StatementReading {
 public:
  template <typename Row>
  void Add(const Row& row) {
    closing_.Add(row.Int(2), row.Int(3));
    if (row.Bool(0)) return opening_.Add(row.Int(2), row.Int(3));
    WideSum sum;
    sum.Add(row.Int(2), row.Int(3));
    sums_.push_back({static_cast<EntryKind>(row.Int(1)), sum.value(), static_cast<uint64_t>(row.Int(4))});
  }
  [[nodiscard]] StatementSums statement() && {
    return {opening_.value(), std::move(sums_), closing_.value()};
  }

 private:
  WideSum opening_;
  WideSum closing_;
  std::vector<StatementSums::Sum> sums_;
};

}  // namespace boxoffice::wallet
