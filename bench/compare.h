// Side by side on this machine, in interleaved rounds: what a user would run instead, and what we are. Ends
// in the ratios that we want to reach.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench/scenario.h"

namespace boxoffice::bench {

// What is measured, in the order of a round.
enum class Subject {
  kMonolith,      // a transaction of nine statements
  kMonolithCall,  // one PL/pgSQL call
  kNaive,         // `up --scaled` with batches of one
  kScaled,        // `up --scaled`: a process for each service, PostgreSQL and Redis
  kEmbedded,      // `up`: one process, SQLite
};
// "monolith", "monolith-call", "naive", "scaled", "embedded".
[[nodiscard]] std::string_view SubjectName(Subject subject);

// One subject in one round. Latencies are of confirmed reservations, in ms; 0 where nobody measures them.
struct RoundFigures {
  double per_s = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double p999_ms = 0;
  double system_us = 0;     // CPU of each reservation: of all its processes, and
  double generator_us = 0;  // of what makes the requests (of the monolith: 0, pgbench is its application)
  double batch = 0;         // commands in a transaction, the mean over all executors
  double commits = 0;       // durable writes of each reservation, each with its fsync: executors and bus
  uint64_t errors = 0;
  double error_rate = 0;
  std::string audit;  // "": clean
  bool disturbed = false;
};
struct SubjectFigures {
  Subject subject = Subject::kMonolith;
  int clients = 0;  // connections
  std::vector<RoundFigures> rounds;
  // By per_s: the round in the middle.
  [[nodiscard]] const RoundFigures& Median() const;
};
struct Comparison {
  std::vector<SubjectFigures> subjects;
  std::vector<double> empty_per_s;   // answers of our own server's empty handler, round by round
  std::vector<double> fsyncs_per_s;  // appends of 8 KiB, each on disk
  bool kafka = false;  // whether the scaled ones had Kafka; otherwise their bus is a SQLite file
  // Errors at most 0.1 % and every audit clean, in all rounds.
  [[nodiscard]] bool Sound() const;
};

struct CompareOptions {
  ScenarioOptions scenario;
  int rounds = 3;
  std::vector<Subject> only;  // empty: all
};
// Errors: as RunSale and Monolith.
[[nodiscard]] Result<Comparison> RunCompare(const CompareOptions& options);

// The median of a subject's rounds; 0: it was not measured.
[[nodiscard]] double MedianPerSecond(const Comparison& comparison, Subject subject);
// What is asked for of a subject, besides what is asked for of all.
[[nodiscard]] ScenarioOptions OptionsOf(Subject subject, ScenarioOptions options);

[[nodiscard]] std::string RenderTable(const Comparison& comparison);
[[nodiscard]] std::string RenderJson(const Comparison& comparison);

}  // namespace boxoffice::bench
