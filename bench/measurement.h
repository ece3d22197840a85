// What a run came to, and how it is told: a table for people, JSON for whoever compares runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench/generator.h"
#include "bench/metrics_text.h"
#include "bench/shop.h"
#include "bench/system_process.h"

namespace boxoffice::bench {

struct Measurement {
  std::string scenario;
  size_t connections = 0;
  size_t buyers = 0;  // prepared
  size_t shows = 0;
  std::chrono::nanoseconds setup{0};
  std::chrono::nanoseconds elapsed{0};  // from the first request to the last answer
  uint64_t requests = 0;
  uint64_t confirmed = 0;  // 201 and CONFIRMED: nothing else is a sale
  std::map<std::string, uint64_t>
      refused;  // answers that the scenario asks for, by code (of a race: seats_taken)
  std::map<std::string, uint64_t> errors;  // all others, by code
  Histogram latency;                       // of the confirmed; of a race: of all
  CpuTime system_cpu{0};
  CpuByPart parts_cpu;  // of the system
  CpuTime generator_cpu{0};
  CpuTime other_cpu{
      0};  // of all else on the machine: the kernel's own threads, and whoever disturbs the measurement
  int64_t system_peak_memory = 0;                  // bytes
  std::map<std::string, HistogramTotals> batches;  // commands in a transaction, by executor
  double bus_transactions = 0;  // appends to the bus, each a transaction (SQLite) or a request (Kafka)
  double outbox_lag_p99_s = 0;  // from an event's transaction to its acceptance by the bus: at most so long
  std::string file_system;
  AuditVerdict audit;

  [[nodiscard]] double Seconds() const { return std::chrono::duration<double>(elapsed).count(); }
  [[nodiscard]] uint64_t RefusedCount() const;
  [[nodiscard]] uint64_t ErrorCount() const;
  [[nodiscard]] double ErrorRate() const;
  // Durable writes, each with its fsync, of all executors and the bus.
  [[nodiscard]] double Transactions() const;
  // The part of the machine that went to neither system nor generator, 0 to 1.
  [[nodiscard]] double OtherShare() const;
};

// The code of an answer that is no sale: the problem's, or "state_HELD", "http_502", "connection_lost".
[[nodiscard]] std::string ErrorCode(const Answer& answer);

// The middle of the values, or between the two in the middle; 0 of none.
[[nodiscard]] double MedianOf(std::vector<double> values);

[[nodiscard]] std::string RenderTable(const Measurement& measurement);
[[nodiscard]] std::string RenderJson(const Measurement& measurement);
// Error: file_unwritable.
[[nodiscard]] Result<void> WriteFile(const std::string& path, const std::string& text);

}  // namespace boxoffice::bench
