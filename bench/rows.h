// What compare measures besides sales side by side: one row each of what we want to reach (polls, joins, a
// race, a lone reservation, an open loop, overload, the outbox, the seat map, the two-step flow). Each is a
// file of its own and starts fresh systems of its own.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bench/scenario.h"

namespace boxoffice::bench {

struct Target {
  std::string what;  // "4  polls to empty answers"
  double is = 0;
  double wanted = 0;
  bool at_least = true;  // else: at most
  std::string unit;      // "×", "ms"
  [[nodiscard]] bool Reached() const { return at_least ? is >= wanted : is <= wanted; }
};

struct RowResult {
  std::string name;
  std::vector<Target> targets;
  std::map<std::string, double> figures;  // raw, with their units in their names
  std::map<std::string, uint64_t> errors;
  double error_rate = 0;
  std::string audit;  // "": clean
  std::string note;   // what limits it, if something outside does
};

struct RowContext {
  ScenarioOptions embedded;
  ScenarioOptions scaled;
  // Reservations a second of a closed loop, as the rounds had them; 0: they had none, and a row that needs it
  // measures it.
  double embedded_per_s = 0;
  double scaled_per_s = 0;
};

struct Row {
  std::string_view name;
  std::string_view what;  // for --help
  Result<RowResult> (*run)(RowContext& context);
};
// In the order of measuring.
[[nodiscard]] const std::vector<Row>& AllRows();

// How many of `limit` open files this process may have, once it has asked for so many; its children may as
// many.
[[nodiscard]] size_t RaiseFileLimit(size_t wanted);

[[nodiscard]] Result<RowResult> RunWaitingRow(RowContext& context);   // row_waiting.cc
[[nodiscard]] Result<RowResult> RunJoinRpcRow(RowContext& context);   // row_join_rpc.cc
[[nodiscard]] Result<RowResult> RunRaceRow(RowContext& context);      // row_race.cc
[[nodiscard]] Result<RowResult> RunLoneRow(RowContext& context);      // row_lone.cc
[[nodiscard]] Result<RowResult> RunOpenLoopRow(RowContext& context);  // row_open_loop.cc
[[nodiscard]] Result<RowResult> RunOverloadRow(RowContext& context);  // row_overload.cc
[[nodiscard]] Result<RowResult> RunOutboxRow(RowContext& context);    // row_outbox.cc
[[nodiscard]] Result<RowResult> RunSeatMapRow(RowContext& context);   // row_seat_map.cc
[[nodiscard]] Result<RowResult> RunTwoStepRow(RowContext& context);   // row_two_step.cc
[[nodiscard]] Result<RowResult> RunTracingRow(RowContext& context);   // row_tracing.cc

// Shared by them.
struct Form {
  std::string_view name;
  const ScenarioOptions* options;
  double* per_s;
};
[[nodiscard]] std::vector<Form> BothForms(RowContext& context);
// The saturation of a form: as the rounds had it, or measured now.
[[nodiscard]] Result<double> SaturationOf(const Form& form);
// A sale whose buyers come by themselves, at `load` times the saturation of the form, over at most so many
// connections; `spare`: buyers who are prepared for each that is expected.
struct Offered {
  double saturation = 0;
  ScenarioOptions options;  // as it was run
  Measurement measured;
};
[[nodiscard]] Result<Offered> RunOffered(const Form& form, double load, int seconds, size_t connections,
                                         double spare);
// Adds what a measurement says of soundness, and its figures under names that begin with `prefix`.
void AddMeasurement(RowResult& row, std::string_view prefix, const Measurement& measurement,
                    std::string_view expected_code = {});

[[nodiscard]] std::string RenderTable(const std::vector<RowResult>& rows);
[[nodiscard]] std::string RenderJson(const std::vector<RowResult>& rows);
[[nodiscard]] bool Sound(const std::vector<RowResult>& rows);

}  // namespace boxoffice::bench
