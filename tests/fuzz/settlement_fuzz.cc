// A provider's settlement file: every line is either read or named, and the report accounts for each; what
// was read means the same when it is written down and read again.
#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/check.h"
#include "services/payment/settlement.h"

namespace boxoffice::payment {
namespace {

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

void CheckFile(const SettlementFile& file) {
  CHECK(std::ranges::is_sorted(file.lines, std::ranges::less_equal(), &SettlementLine::number));
  CHECK(std::ranges::is_sorted(file.bad, std::ranges::less_equal(), &BadLine::number));
  for (const SettlementLine& line : file.lines) {
    CHECK(line.number >= 2 && !line.key.empty());
    CHECK(line.money.amount >= 1 && line.money.amount <= kMaxAmount);
  }
  for (const BadLine& bad : file.bad) CHECK(bad.number >= 2 && !bad.detail.empty());
}

void CheckWrittenAgain(const SettlementFile& file) {
  std::string csv = "operation,key,amount,currency\n";
  for (const SettlementLine& line : file.lines) {
    csv += fmt::format("{},{},{},{}\n", OperationName(line.operation), Quoted(line.key), line.money.amount,
                       line.money.currency.code());
  }
  const Result<SettlementFile> again = ReadSettlement(csv);
  CHECK(again.has_value() && again->bad.empty() && again->lines.size() == file.lines.size(), "{}", csv);
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const SettlementLine& one = again->lines[i];
    const SettlementLine& other = file.lines[i];
    CHECK(one.operation == other.operation && one.key == other.key && one.money == other.money, "{}", csv);
  }
}

// We have no payment, so every line is one that is missing here.
void CheckReport(SettlementFile file) {
  const size_t lines = file.lines.size();
  const size_t bad = file.bad.size();
  Reconciliation reconciliation(std::move(file), "acquirer", {});
  const SettlementReport report = reconciliation.Finish();
  CHECK(report.lines == lines + bad && report.matched == 0);
  CHECK(report.difference_count == lines + bad && report.differences.size() <= kMaxDifferences);
  for (const SettlementTotal& total : report.totals) CHECK(total.ours == 0 && total.theirs > 0);
}

}  // namespace

void Fuzz(std::string_view csv) {
  Result<SettlementFile> file = ReadSettlement(csv);
  if (!file) {
    CHECK(file.error().code == Code::kInvalidArgument && file.error().reason == "settlement_malformed");
    return;
  }
  CheckFile(*file);
  CheckWrittenAgain(*file);
  CheckReport(*std::move(file));
}

}  // namespace boxoffice::payment

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  boxoffice::payment::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
