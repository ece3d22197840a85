#include "services/payment/settlement.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace boxoffice::payment {
namespace {

constexpr std::array<std::string_view, 4> kColumns = {"operation", "key", "amount", "currency"};
enum Column { kOperation, kKey, kAmount, kCurrencyColumn };
constexpr size_t kMaxFields = 256;
constexpr size_t kMaxKeyBytes = 200;

// One record of a CSV after the other; a quoted field may hold commas, quotes ("") and line breaks.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : text_(WithoutByteOrderMark(text)) {}
  // Whether there was another record. `fields` and `line` (where it begins) are its; `problem` says why it
  // can't be read, if so: then it has ended with the line where the field begins that can't be.
  bool Next(std::vector<std::string>& fields, uint32_t& line, std::string& problem) {
    fields.clear();
    problem.clear();
    if (at_ >= text_.size()) return false;
    line = line_;
    while (true) {
      const size_t begin = at_;
      const uint32_t begin_line = line_;
      std::string field;
      if (at_ < text_.size() && text_[at_] == '"') {
        if (!ReadQuoted(field)) {
          problem = "a quote is not closed";
          return SkipLine(begin, begin_line);
        }
      } else {
        while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != '\n' && text_[at_] != '\r') {
          field.push_back(text_[at_++]);
        }
      }
      fields.push_back(std::move(field));
      if (fields.size() > kMaxFields) {
        problem = fmt::format("more than {} fields", kMaxFields);
        return SkipLine(begin, begin_line);
      }
      if (at_ < text_.size() && text_[at_] == ',') {
        ++at_;
        continue;
      }
      if (at_ < text_.size() && text_[at_] == '\r') ++at_;
      if (at_ < text_.size() && text_[at_] != '\n') {
        problem = "a quoted field goes on behind its quote";
        return SkipLine(begin, begin_line);
      }
      if (at_ < text_.size()) {
        ++at_;
        ++line_;
      }
      return true;
    }
  }

 private:
  // Whether it is closed.
  bool ReadQuoted(std::string& field) {
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '\n') ++line_;
      if (c != '"') {
        field.push_back(c);
      } else if (at_ < text_.size() && text_[at_] == '"') {
        field.push_back('"');
        ++at_;
      } else {
        return true;
      }
    }
    return false;
  }
  // Goes back to where a field begins, and on to the end of that line: only this line is lost, not all that
  // a stray quote has swallowed, be it to the next quote or to the end of the file.
  bool SkipLine(size_t begin, uint32_t begin_line) {
    at_ = begin;
    line_ = begin_line;
    const size_t end = text_.find('\n', at_);
    at_ = end == std::string_view::npos ? text_.size() : end + 1;
    if (end != std::string_view::npos) ++line_;
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  uint32_t line_ = 1;
};

std::unexpected<Error> Malformed(std::string detail) {
  return Fail(Code::kInvalidArgument, "settlement_malformed", std::move(detail));
}

Result<std::array<size_t, kColumns.size()>> ReadHeader(const std::vector<std::string>& header) {
  std::array<size_t, kColumns.size()> places;
  for (size_t column = 0; column < kColumns.size(); ++column) {
    size_t found = 0;
    for (size_t i = 0; i < header.size(); ++i) {
      if (Trim(header[i]) != kColumns[column]) continue;
      places[column] = i;
      ++found;
    }
    if (found != 1) {
      return Malformed(
          fmt::format("line 1: {} column is called {}; operation, key, amount and currency are needed",
                      found == 0 ? "no" : "more than one", kColumns[column]));
    }
  }
  return places;
}

// What is wrong with it, or "".
std::string ReadLine(const std::vector<std::string>& fields,
                     const std::array<size_t, kColumns.size()>& places, SettlementLine& line) {
  for (size_t column = 0; column < kColumns.size(); ++column) {
    if (places[column] >= fields.size())
      return fmt::format("{}: the line has only {} fields", kColumns[column], fields.size());
  }
  const auto text = [&](Column column) { return Trim(fields[places[column]]); };
  if (text(kOperation) != "capture" && text(kOperation) != "refund")
    return "operation: must be capture or refund";
  line.operation = text(kOperation) == "capture" ? Operation::kCapture : Operation::kRefund;
  if (text(kKey).empty() || text(kKey).size() > kMaxKeyBytes) {
    return fmt::format("key: must have 1 to {} bytes", kMaxKeyBytes);
  }
  // Ours are. It goes into a proto string, and a report with one that is not UTF-8 can't be read.
  if (!std::ranges::all_of(text(kKey), [](char c) { return c >= ' ' && c <= '~'; })) {
    return "key: must be printable ASCII";
  }
  line.key = text(kKey);
  line.money.amount = ParseNumber<int64_t>(text(kAmount)).value_or(0);
  if (line.money.amount < 1 || line.money.amount > kMaxAmount) {
    return fmt::format("amount: must be minor units, a whole number of 1 to {}", kMaxAmount);
  }
  const auto currency = Currency::Parse(text(kCurrencyColumn));
  if (!currency) return "currency: must be three upper-case letters";
  line.money.currency = *currency;
  return "";
}

// A file may claim any number of the largest amounts: a total stops at what it can hold.
void AddTo(int64_t& total, int64_t amount) {
  if (__builtin_add_overflow(total, amount, &total)) total = std::numeric_limits<int64_t>::max();
}

// Whether it was taken for certain: the provider says that it does not give it back.
bool IsKept(const Dispute& dispute) { return !dispute.refusal.empty() && dispute.refusal != kSaidNotTaken; }
std::string Refuses(const Dispute& dispute) {
  return "the provider refuses to give it back: " + dispute.refusal;
}

bool KeyIsLess(const Difference& one, const Difference& other) {
  return std::tie(one.key, one.operation) < std::tie(other.key, other.operation);
}

bool IsEmpty(const std::vector<std::string>& fields) { return fields.size() == 1 && Trim(fields[0]).empty(); }

}  // namespace

std::string_view OperationName(Operation operation) {
  return operation == Operation::kCapture ? "capture" : "refund";
}

std::string_view DifferenceName(DifferenceKind kind) {
  switch (kind) {
    case DifferenceKind::kMissingHere:
      return "missing_here";
    case DifferenceKind::kMissingThere:
      return "missing_there";
    case DifferenceKind::kAmount:
      return "amount_differs";
    case DifferenceKind::kCurrency:
      return "currency_differs";
    case DifferenceKind::kTwice:
      return "twice";
    case DifferenceKind::kMalformed:
      return "line_malformed";
  }
  return "";
}

Result<SettlementFile> ReadSettlement(std::string_view csv) {
  CsvReader reader(csv);
  std::vector<std::string> fields;
  uint32_t number = 0;
  std::string problem;
  if (!reader.Next(fields, number, problem)) return Malformed("line 1: the file is empty");
  if (!problem.empty()) return Malformed("line 1: " + problem);
  BOXOFFICE_ASSIGN(const auto places, ReadHeader(fields));
  SettlementFile file;
  while (reader.Next(fields, number, problem)) {
    if (problem.empty() && IsEmpty(fields)) continue;
    SettlementLine line{.number = number, .operation = {}, .key = {}, .money = {}};
    if (problem.empty()) problem = ReadLine(fields, places, line);
    if (problem.empty()) {
      file.lines.push_back(std::move(line));
    } else {
      file.bad.push_back({number, problem});
    }
  }
  return file;
}

void LeastDifferences::Add(Difference difference) {
  ++added_;
  if (heap_.size() == bound_) {
    if (bound_ == 0 || !KeyIsLess(difference, heap_.front())) return;
    std::ranges::pop_heap(heap_, KeyIsLess);
    heap_.pop_back();
  }
  heap_.push_back(std::move(difference));
  std::ranges::push_heap(heap_, KeyIsLess);
}

std::vector<Difference> LeastDifferences::Take() {
  std::ranges::sort_heap(heap_, KeyIsLess);
  return std::exchange(heap_, {});
}

Reconciliation::Reconciliation(SettlementFile file, std::string provider, Period period)
    : file_(std::move(file)), provider_(std::move(provider)), period_(period), known_(file_.lines.size()) {
  for (size_t i = 0; i < file_.lines.size(); ++i) {
    const SettlementLine& line = file_.lines[i];
    by_key_[IndexKey(line.operation, line.key)].push_back(i);
    AddTo(TotalOf(line.operation, line.money.currency).theirs, line.money.amount);
  }
}

std::string Reconciliation::IndexKey(Operation operation, std::string_view key) {
  return fmt::format("{} {}", OperationName(operation), key);
}

SettlementTotal& Reconciliation::TotalOf(Operation operation, Currency currency) {
  const auto it = std::ranges::find_if(totals_, [&](const SettlementTotal& total) {
    return total.operation == operation && total.currency == currency;
  });
  return it != totals_.end() ? *it : totals_.emplace_back(SettlementTotal{operation, currency, 0, 0});
}

void Reconciliation::Compare(const Payment& payment, std::span<const Refund> refunds) {
  if (!Covers(payment)) return;
  const std::string key = KeyText(payment.key);
  const auto key_of = [&](const Refund& refund) { return fmt::format("{}/{}", key, refund.saga.ToString()); };
  if (!payment.settled()) {
    uncertain_[key] = "our payment is not certain yet";
    for (const Refund& refund : refunds) uncertain_[key_of(refund)] = "our payment is not certain yet";
  }
  const bool given_back = payment.state == State::kCancelled && payment.resolution == Resolution::kRefunded;
  // Taken there, and not given back there.
  const bool outside =
      payment.state == State::kCancelled && payment.resolution == Resolution::kSettledOutside;
  if (outside) uncertain_[key] = "settled outside of the provider by " + payment.dispute.settled_by;
  const bool refused = !payment.settled() && IsKept(payment.dispute);
  const bool part_refused = std::ranges::any_of(
      refunds, [](const Refund& refund) { return !refund.done && IsKept(refund.dispute); });
  if (refused) uncertain_[key] = Refuses(payment.dispute);
  if (payment.state != State::kApproved && !given_back && !outside && !refused && !part_refused) return;
  Expect(Operation::kCapture, key, payment.money, payment.created_at);
  for (const Refund& refund : refunds) {
    const std::string refund_key = key_of(refund);
    if (!refund.dispute.settled_by.empty()) {
      uncertain_[refund_key] = "settled outside of the provider by " + refund.dispute.settled_by;
    } else if (refund.done) {
      Expect(Operation::kRefund, refund_key, {refund.amount, payment.money.currency}, refund.updated_at);
    } else {
      uncertain_[refund_key] =
          IsKept(refund.dispute) ? Refuses(refund.dispute) : "our refund is not certain yet";
    }
  }
  const int64_t left = payment.money.amount - payment.refunded;
  if (given_back && left > 0)
    Expect(Operation::kRefund, key, {left, payment.money.currency}, payment.updated_at);
}

void Reconciliation::Expect(Operation operation, const std::string& key, Money money, Timestamp at) {
  if (period_.Has(at)) AddTo(TotalOf(operation, money.currency).ours, money.amount);
  const auto it = by_key_.find(IndexKey(operation, key));
  if (it == by_key_.end()) {
    if (period_.Has(at)) {
      missing_there_.Add({DifferenceKind::kMissingThere, 0, operation, key, money, std::nullopt, {}});
    }
    return;
  }
  bool first = true;
  for (const size_t index : it->second) {
    const SettlementLine& line = file_.lines[index];
    known_[index] = true;
    const DifferenceKind kind = !first                                  ? DifferenceKind::kTwice
                                : line.money.currency != money.currency ? DifferenceKind::kCurrency
                                                                        : DifferenceKind::kAmount;
    if (!first || line.money != money) {
      differences_.push_back({kind, line.number, operation, key, money, line.money, {}});
    } else {
      ++matched_;
    }
    first = false;
  }
}

SettlementReport Reconciliation::Finish() {
  for (const auto& [indexed, places] : by_key_) {
    bool first = true;
    for (const size_t index : places) {
      if (known_[index]) break;  // and so are the others of the key
      const SettlementLine& line = file_.lines[index];
      const auto why = uncertain_.find(line.key);
      differences_.push_back({first ? DifferenceKind::kMissingHere : DifferenceKind::kTwice, line.number,
                              line.operation, line.key, std::nullopt, line.money,
                              why != uncertain_.end() ? why->second : std::string()});
      first = false;
    }
  }
  for (const BadLine& bad : file_.bad) {
    differences_.push_back(
        {DifferenceKind::kMalformed, bad.number, std::nullopt, {}, std::nullopt, std::nullopt, bad.detail});
  }
  std::ranges::sort(differences_, {}, &Difference::line);
  std::ranges::sort(totals_, {}, [](const SettlementTotal& t) { return std::pair(t.operation, t.currency); });
  SettlementReport report;
  report.difference_count = differences_.size() + missing_there_.added();
  report.differences = std::move(differences_);
  std::ranges::move(missing_there_.Take(), std::back_inserter(report.differences));
  if (report.differences.size() > kMaxDifferences) report.differences.resize(kMaxDifferences);
  report.lines = file_.lines.size() + file_.bad.size();
  report.matched = matched_;
  report.totals = std::move(totals_);
  return report;
}

}  // namespace boxoffice::payment
