#include "bench/rows.h"

#include <algorithm>
#include <iterator>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <sys/resource.h>

namespace boxoffice::bench {
namespace {

namespace json = boost::json;

constexpr int kSaturationSeconds = 5;
constexpr double kMaxErrorRate = 0.001;

}  // namespace

const std::vector<Row>& AllRows() {
  static const std::vector<Row> rows = {
      {"waiting", "4, 5, 6: polls and joins against empty answers; bytes and admission of a million",
       RunWaitingRow},
      {"join-rpc", "5: joins by the batch RPC against a script of Redis for each batch", RunJoinRpcRow},
      {"race", "7: 10,000 buyers of one seat", RunRaceRow},
      {"lone", "8: one reservation under way", RunLoneRow},
      {"open-loop", "9: an open loop at 80 % of saturation", RunOpenLoopRow},
      {"overload", "10: twice the saturation", RunOverloadRow},
      {"seat-map", "11: 50,000 seats, and who follows them", RunSeatMapRow},
      {"outbox", "12: from commit to the bus at half load", RunOutboxRow},
      {"two-step", "join, poll, hold, charge, confirm", RunTwoStepRow},
      {"tracing", "13: CPU of a reservation without traces, with 1 % of them, and with all", RunTracingRow},
  };
  return rows;
}

size_t RaiseFileLimit(size_t wanted) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return limit.rlim_cur;
  rlimit more{wanted, std::max<rlim_t>(limit.rlim_max, wanted)};
  if (::setrlimit(RLIMIT_NOFILE, &more) != 0) {  // only root may have more than the hard limit
    more = {std::min<rlim_t>(wanted, limit.rlim_max), limit.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &more);
  }
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

std::vector<Form> BothForms(RowContext& context) {
  return {{"scaled", &context.scaled, &context.scaled_per_s},
          {"embedded", &context.embedded, &context.embedded_per_s}};
}

Result<double> SaturationOf(const Form& form) {
  if (*form.per_s > 0) return *form.per_s;
  ScenarioOptions options = *form.options;
  options.seconds = kSaturationSeconds;
  BOXOFFICE_ASSIGN(const Measurement measured, RunSale(options));
  *form.per_s = static_cast<double>(measured.confirmed) / std::max(1e-9, measured.Seconds());
  if (*form.per_s <= 0) return Fail(Code::kInternal, "nothing_sold", "no reservation was confirmed");
  return *form.per_s;
}

Result<Offered> RunOffered(const Form& form, double load, int seconds, size_t connections, double spare) {
  BOXOFFICE_ASSIGN(const double saturation, SaturationOf(form));
  ScenarioOptions options = *form.options;
  options.connections = std::min(connections, RaiseFileLimit(2 * connections) / 2);
  options.seconds = seconds;
  options.offered_per_s = load * saturation;
  options.buyers = static_cast<size_t>(options.offered_per_s * seconds * spare);
  BOXOFFICE_ASSIGN(Measurement measured, RunSale(options));
  return Offered{saturation, std::move(options), std::move(measured)};
}

void AddMeasurement(RowResult& row, std::string_view prefix, const Measurement& m,
                    std::string_view expected_code) {
  const auto name = [&](std::string_view figure) { return fmt::format("{}_{}", prefix, figure); };
  row.figures[name("confirmed_per_s")] = static_cast<double>(m.confirmed) / std::max(1e-9, m.Seconds());
  row.figures[name("answers_per_s")] = static_cast<double>(m.requests) / std::max(1e-9, m.Seconds());
  row.figures[name("p50_ms")] = Millis(m.latency.Percentile(0.5));
  row.figures[name("p99_ms")] = Millis(m.latency.Percentile(0.99));
  row.figures[name("p99_9_ms")] = Millis(m.latency.Percentile(0.999));
  row.figures[name("max_ms")] = Millis(m.latency.max());
  row.figures[name("commits_each")] =
      m.Transactions() / static_cast<double>(std::max<uint64_t>(1, m.confirmed + m.RefusedCount()));
  uint64_t unexpected = 0;
  for (const auto& [code, count] : m.errors) {
    row.errors[fmt::format("{} {}", prefix, code)] += count;
    if (code != expected_code) unexpected += count;
  }
  row.error_rate = std::max(row.error_rate, static_cast<double>(unexpected) /
                                                static_cast<double>(std::max<uint64_t>(1, m.requests)));
  if (!m.audit.ok) row.audit = m.audit.json;
}

std::string RenderTable(const std::vector<RowResult>& rows) {
  std::string text;
  auto sink = std::back_inserter(text);
  for (const RowResult& row : rows) {
    fmt::format_to(sink, "\n  {}: errors {:.3f} %, audit {}\n", row.name, row.error_rate * 100,
                   row.audit.empty() ? "clean" : "NOT CLEAN");
    for (const Target& target : row.targets) {
      fmt::format_to(sink, "  {} {:<44} {:>9.2f} {:<3} (wanted: {} {})\n", target.Reached() ? "✓" : "✗",
                     target.what, target.is, target.unit, target.at_least ? "≥" : "≤", target.wanted);
    }
    for (const auto& [name, value] : row.figures)
      fmt::format_to(sink, "      {:<44} {:>12.3f}\n", name, value);
    for (const auto& [code, count] : row.errors)
      fmt::format_to(sink, "      error {:<38} {:>12}\n", code, count);
    if (!row.note.empty()) fmt::format_to(sink, "      {}\n", row.note);
  }
  return text;
}

std::string RenderJson(const std::vector<RowResult>& rows) {
  json::array list;
  for (const RowResult& row : rows) {
    json::array targets;
    for (const Target& target : row.targets) {
      targets.push_back(json::object{{"what", target.what},
                                     {"is", target.is},
                                     {"wanted", target.wanted},
                                     {"at_least", target.at_least},
                                     {"unit", target.unit},
                                     {"reached", target.Reached()}});
    }
    json::object figures;
    for (const auto& [name, value] : row.figures) figures[name] = value;
    json::object errors;
    for (const auto& [code, count] : row.errors) errors[code] = count;
    list.push_back(json::object{{"name", row.name},
                                {"targets", std::move(targets)},
                                {"figures", std::move(figures)},
                                {"errors", std::move(errors)},
                                {"error_rate", row.error_rate},
                                {"audit", row.audit},
                                {"note", row.note}});
  }
  return json::serialize(list);
}

bool Sound(const std::vector<RowResult>& rows) {
  return std::ranges::all_of(
      rows, [](const RowResult& row) { return row.audit.empty() && row.error_rate <= kMaxErrorRate; });
}

}  // namespace boxoffice::bench
