#include "chaos/report.h"

#include <algorithm>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace boxoffice::chaos {
namespace {

struct Totals {
  uint64_t faults = 0;
  uint64_t asked = 0;
  uint64_t troubles = 0;
  uint64_t operations = 0;
  uint64_t confirmed = 0;
  uint64_t seats = 0;
  uint64_t cancelled = 0;
  uint64_t unknowns = 0;
  uint64_t unknowns_done = 0;
  milliseconds sagas_ended{0};  // the longest
};

Totals TotalsOf(const RunReport& run) {
  Totals totals;
  for (const RoundReport& round : run.rounds) {
    totals.faults += round.faults.size();
    totals.asked += round.asked;
    totals.troubles += round.troubles;
    totals.operations += round.operations;
    totals.confirmed += round.verdict.confirmed;
    totals.seats += round.verdict.seats;
    totals.cancelled += round.verdict.cancelled;
    totals.unknowns += round.verdict.unknowns;
    totals.unknowns_done += round.verdict.unknowns_done;
    totals.sagas_ended = std::max(totals.sagas_ended, round.verdict.sagas_ended);
  }
  return totals;
}

struct ByKind {
  std::string_view name;
  std::vector<milliseconds> recoveries;  // sorted
};
std::vector<ByKind> KindsOf(const RunReport& run) {
  std::vector<ByKind> kinds;
  for (const Kind kind : kAllKinds) {
    ByKind by{KindName(kind), {}};
    for (const RoundReport& round : run.rounds) {
      for (const Happened& fault : round.faults) {
        if (fault.kind == kind) by.recoveries.push_back(fault.recovery);
      }
    }
    std::ranges::sort(by.recoveries);
    if (!by.recoveries.empty()) kinds.push_back(std::move(by));
  }
  return kinds;
}

double Seconds(milliseconds time) { return static_cast<double>(time.count()) / 1'000; }

}  // namespace

void Add(RunReport& run, RoundReport round, const Crowd& crowd) {
  round.asked = crowd.asked().size();
  round.troubles = static_cast<uint64_t>(std::ranges::count_if(crowd.asked(), &Asked::trouble));
  round.operations = crowd.history().size();
  for (const auto& [answer, count] : crowd.answers()) run.answers[answer] += count;
  for (const std::string& violation : round.verdict.violations)
    run.violations.push_back(fmt::format("round {}: {}", run.rounds.size() + 1, violation));
  run.rounds.push_back(std::move(round));
}

bool NothingWasBroken(const RunReport& run) { return TotalsOf(run).faults == 0; }

int ExitCode(const RunReport& run) {
  if (!run.violations.empty()) return 1;
  return run.interrupted || NothingWasBroken(run) ? 2 : 0;
}

std::string RenderTable(const RunReport& run) {
  const Totals totals = TotalsOf(run);
  std::string text =
      fmt::format("{:<14} {:>6} {:>20} {:>12}\n", "fault", "times", "recovery, median s", "longest s");
  for (const ByKind& kind : KindsOf(run)) {
    text +=
        fmt::format("{:<14} {:>6} {:>20.1f} {:>12.1f}\n", kind.name, kind.recoveries.size(),
                    Seconds(kind.recoveries[kind.recoveries.size() / 2]), Seconds(kind.recoveries.back()));
  }
  for (const std::string& left_out : run.left_out) text += fmt::format("left out: {}\n", left_out);
  text += fmt::format(
      "{:.1f} minutes from seed {}, {} rounds, bus {}: {} faults\n"
      "{} requests, {} of them met trouble; {} operations of buyers\n"
      "{} reservations CONFIRMED at the end ({} seats), {} CANCELLED\n"
      "{} operations were never answered; the final read shows that {} were done and {} not\n"
      "all sagas had ended {:.1f} s after a round's last fault, at the latest\n",
      Seconds(run.end - run.begin) / 60, run.seed, run.rounds.size(), run.kafka ? "Kafka" : "a SQLite file",
      totals.faults, totals.asked, totals.troubles, totals.operations, totals.confirmed, totals.seats,
      totals.cancelled, totals.unknowns, totals.unknowns_done, totals.unknowns - totals.unknowns_done,
      Seconds(totals.sagas_ended));
  for (const std::string& violation : run.violations) text += fmt::format("VIOLATION {}\n", violation);
  if (NothingWasBroken(run)) text += "nothing was broken, so nothing is proved\n";
  text +=
      fmt::format("{} violations{}\n", run.violations.size(), run.interrupted ? "; it was interrupted" : "");
  return text;
}

std::string RenderJson(const RunReport& run) {
  namespace json = boost::json;
  const Totals totals = TotalsOf(run);
  json::object by_kind;
  for (const ByKind& kind : KindsOf(run)) {
    by_kind[kind.name] =
        json::object{{"times", kind.recoveries.size()},
                     {"recovery_median_ms", kind.recoveries[kind.recoveries.size() / 2].count()},
                     {"recovery_longest_ms", kind.recoveries.back().count()}};
  }
  json::array rounds;
  for (const RoundReport& round : run.rounds) {
    json::array faults;
    for (const Happened& fault : round.faults) {
      faults.push_back(json::object{{"kind", KindName(fault.kind)},
                                    {"target", fault.target},
                                    {"begin", ToRfc3339(fault.begin)},
                                    {"end", ToRfc3339(fault.end)},
                                    {"recovery_ms", fault.recovery.count()}});
    }
    rounds.push_back(json::object{{"show", round.show},
                                  {"faults", std::move(faults)},
                                  {"requests", round.asked},
                                  {"troubles", round.troubles},
                                  {"operations", round.operations},
                                  {"confirmed", round.verdict.confirmed},
                                  {"cancelled", round.verdict.cancelled},
                                  {"unknowns", round.verdict.unknowns},
                                  {"unknowns_done", round.verdict.unknowns_done},
                                  {"sagas_ended_ms", round.verdict.sagas_ended.count()},
                                  {"audited", round.verdict.audited}});
  }
  return json::serialize(json::object{{"seed", run.seed},
                                      {"rate_per_s", run.rate_per_s},
                                      {"bus", run.kafka ? "kafka" : "sqlite"},
                                      {"begin", ToRfc3339(run.begin)},
                                      {"end", ToRfc3339(run.end)},
                                      {"interrupted", run.interrupted},
                                      {"left_out", json::value_from(run.left_out)},
                                      {"faults", totals.faults},
                                      {"by_kind", std::move(by_kind)},
                                      {"requests", totals.asked},
                                      {"troubles", totals.troubles},
                                      {"operations", totals.operations},
                                      {"confirmed", totals.confirmed},
                                      {"seats", totals.seats},
                                      {"cancelled", totals.cancelled},
                                      {"unknowns", totals.unknowns},
                                      {"unknowns_done", totals.unknowns_done},
                                      {"sagas_ended_longest_ms", totals.sagas_ended.count()},
                                      {"answers", json::value_from(run.answers)},
                                      {"violations", json::value_from(run.violations)},
                                      {"rounds", std::move(rounds)}});
}

}  // namespace boxoffice::chaos
