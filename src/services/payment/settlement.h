// What a provider says that it has settled, compared with our payments. Values and pure functions; no I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/money.h"
#include "base/result.h"
#include "services/payment/payment.h"

namespace boxoffice::payment {

enum class Operation { kCapture, kRefund };
[[nodiscard]] std::string_view OperationName(Operation operation);

// One line that can be read: money that moved under a key of ours.
struct SettlementLine {
  uint32_t number = 0;  // of the file, from 1
  Operation operation = Operation::kCapture;
  std::string key;
  Money money;
  bool operator==(const SettlementLine&) const = default;
};
// One that can't.
struct BadLine {
  uint32_t number = 0;
  std::string detail;  // the column, and what would be right
  bool operator==(const BadLine&) const = default;
};
struct SettlementFile {
  std::vector<SettlementLine> lines;  // by number
  std::vector<BadLine> bad;           // by number
};
// Reads CSV (RFC 4180: commas, quotes, CRLF or LF, a UTF-8 mark before it is allowed) with a header. Columns,
// in any order, others are ignored: operation (capture or refund), key (1 to 200 bytes of printable ASCII),
// amount (minor units, 1 to kMaxAmount), currency. Empty lines don't count. A quote that is not closed, or is
// closed by another field's, costs its own line only. Error: settlement_malformed (kInvalidArgument), where
// the header lacks a column, has it twice, or is not there.
[[nodiscard]] Result<SettlementFile> ReadSettlement(std::string_view csv);

enum class DifferenceKind { kMissingHere, kMissingThere, kAmount, kCurrency, kTwice, kMalformed };
[[nodiscard]] std::string_view DifferenceName(DifferenceKind kind);
struct Difference {
  DifferenceKind kind = DifferenceKind::kMalformed;
  uint32_t line = 0;  // 0 with kMissingThere
  std::optional<Operation> operation;
  std::string key;
  std::optional<Money> ours;
  std::optional<Money> theirs;
  std::string detail;
};
struct SettlementTotal {
  Operation operation = Operation::kCapture;
  Currency currency;
  int64_t ours = 0;    // in the period
  int64_t theirs = 0;  // of all lines
};
struct SettlementReport {
  std::vector<Difference> differences;  // by line, then kMissingThere by key; at most kMaxDifferences
  uint64_t difference_count = 0;
  uint64_t lines = 0;
  uint64_t matched = 0;
  std::vector<SettlementTotal> totals;  // by operation and currency
};
inline constexpr size_t kMaxDifferences = 10'000;

// The period that a file is of; an absent bound is none.
struct Period {
  std::optional<Timestamp> from;
  std::optional<Timestamp> until;  // excluded
  [[nodiscard]] bool Has(Timestamp at) const { return (!from || at >= *from) && (!until || at < *until); }
};

// Of all differences that are added, the least `bound` by (key, operation): it never holds more.
class LeastDifferences {
 public:
  explicit LeastDifferences(size_t bound) : bound_(bound) {}
  void Add(Difference difference);
  [[nodiscard]] uint64_t added() const { return added_; }
  [[nodiscard]] size_t held() const { return heap_.size(); }
  // In order; none is held then.
  [[nodiscard]] std::vector<Difference> Take();

 private:
  const size_t bound_;
  uint64_t added_ = 0;
  std::vector<Difference> heap_;  // the greatest in front
};

// Compares one file: show it every payment once, in any order, then take the report. Our side of a payment is
// what is certain: a capture (under its key, at its making) of one that is approved or was given back, or
// that the provider refuses to give back; a refund (under the key and "/<saga>") for each part that was given
// back, and one (under the key) for what a cancellation gave back, at its end. A line is looked up whatever
// the period; what is ours and has no line is reported only if it is in the period; of that it keeps what the
// report may list, and counts the others.
class Reconciliation {
 public:
  Reconciliation(SettlementFile file, std::string provider, Period period);
  // Whether it is of the provider whose file it is.
  [[nodiscard]] bool Covers(const Payment& payment) const {
    return SplitMethod(payment.method).provider == provider_;
  }
  // Of another provider: no effect. `refunds`: of this payment.
  void Compare(const Payment& payment, std::span<const Refund> refunds);
  [[nodiscard]] SettlementReport Finish();

 private:
  void Expect(Operation operation, const std::string& key, Money money, Timestamp at);
  SettlementTotal& TotalOf(Operation operation, Currency currency);
  static std::string IndexKey(Operation operation, std::string_view key);

  SettlementFile file_;
  const std::string provider_;
  const Period period_;
  std::unordered_map<std::string, std::vector<size_t>> by_key_;  // indexes into file_.lines
  std::vector<bool> known_;                                      // which lines have met what is ours
  std::unordered_map<std::string, std::string> uncertain_;       // keys of ours that are not certain, and why
  std::vector<Difference> differences_;                          // at most one for each line
  LeastDifferences missing_there_{kMaxDifferences};
  std::vector<SettlementTotal> totals_;
  uint64_t matched_ = 0;
};

}  // namespace boxoffice::payment
