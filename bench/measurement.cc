#include "bench/measurement.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <iterator>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "bench/generator.h"
#include "rehearsal/report.h"

namespace boxoffice::bench {
namespace {

namespace json = boost::json;
using rehearsal::CountsOf;

constexpr std::string_view kDurability =
    "every batch of every service is one transaction and one fsync (SQLite WAL, synchronous=FULL; scaled: "
    "PostgreSQL's defaults)";

// Above it somebody else used the machine: a kernel that writes to disk takes a few percent of its own.
constexpr double kUndisturbed = 0.1;

double PerSale(double total, const Measurement& measurement) {
  const uint64_t answered =
      std::max<uint64_t>(1, measurement.scenario == "race" ? measurement.requests : measurement.confirmed);
  return total / static_cast<double>(answered);
}

// Microseconds for each sale, the most first.
std::vector<std::pair<double, std::string>> PartsByCpu(const Measurement& m) {
  std::vector<std::pair<double, std::string>> parts;
  for (const auto& [part, cpu] : m.parts_cpu)
    parts.emplace_back(PerSale(static_cast<double>(cpu.count()), m), part);
  std::ranges::sort(parts, std::greater());
  return parts;
}

uint64_t SumOf(const std::map<std::string, uint64_t>& counts) {
  uint64_t sum = 0;
  for (const auto& [code, count] : counts) sum += count;
  return sum;
}

}  // namespace

uint64_t Measurement::RefusedCount() const { return SumOf(refused); }

uint64_t Measurement::ErrorCount() const { return SumOf(errors); }

double Measurement::ErrorRate() const {
  return requests == 0 ? 1 : static_cast<double>(ErrorCount()) / static_cast<double>(requests);
}

double Measurement::Transactions() const {
  double sum = bus_transactions;
  for (const auto& [executor, totals] : batches) sum += totals.count;
  return sum;
}

double Measurement::OtherShare() const {
  const double available = Seconds() * std::max(1U, std::thread::hardware_concurrency()) * 1e6;
  return available <= 0 ? 0 : static_cast<double>(other_cpu.count()) / available;
}

std::string ErrorCode(const Answer& answer) {
  if (answer.status == 0) return "connection_lost";
  const bool success = answer.status >= 200 && answer.status < 300;
  const std::string_view found = FindJsonText(answer.body, success ? "state" : "code");
  if (found.empty()) return fmt::format("http_{}", answer.status);
  return success ? fmt::format("state_{}", found) : std::string(found);
}

double MedianOf(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

std::string RenderTable(const Measurement& m) {
  std::string text;
  auto sink = std::back_inserter(text);
  const double seconds = std::max(m.Seconds(), 1e-9);
  const double rate = static_cast<double>(m.scenario == "race" ? m.requests : m.confirmed) / seconds;
  fmt::format_to(sink, "\n{}: {} connections, {} buyers, {} show(s), {} CPUs\n", m.scenario, m.connections,
                 m.buyers, m.shows, std::thread::hardware_concurrency());
  fmt::format_to(sink, "  durability            {} ({})\n", kDurability, m.file_system);
  fmt::format_to(sink, "  prepared in           {:.1f} s\n", std::chrono::duration<double>(m.setup).count());
  fmt::format_to(sink, "  measured for          {:.2f} s\n", m.Seconds());
  fmt::format_to(sink, "  confirmed             {}\n", m.confirmed);
  fmt::format_to(sink, "  {:<21} {:.0f}\n", m.scenario == "race" ? "answers/s" : "reservations/s", rate);
  fmt::format_to(sink, "  latency ms            p50 {:.1f}   p99 {:.1f}   p99.9 {:.1f}   max {:.1f}\n",
                 Millis(m.latency.Percentile(0.5)), Millis(m.latency.Percentile(0.99)),
                 Millis(m.latency.Percentile(0.999)), Millis(m.latency.max()));
  fmt::format_to(sink, "  CPU us each           system {:.1f}   generator {:.1f}\n",
                 PerSale(static_cast<double>(m.system_cpu.count()), m),
                 PerSale(static_cast<double>(m.generator_cpu.count()), m));
  if (m.parts_cpu.size() > 1) {
    for (const auto& [cpu, part] : PartsByCpu(m)) fmt::format_to(sink, "    {:<25} {:.1f}\n", part, cpu);
  }
  fmt::format_to(sink, "  rest of the machine   {:.0f} % of its CPUs{}\n", m.OtherShare() * 100,
                 m.OtherShare() > kUndisturbed ? ": DISTURBED, the figures are too low" : "");
  fmt::format_to(sink, "  peak memory           {} MiB\n", m.system_peak_memory >> 20);
  fmt::format_to(sink, "  transactions each     {:.3f}\n", PerSale(m.Transactions(), m));
  for (const auto& [executor, totals] : m.batches)
    fmt::format_to(sink, "  batch size {:<10} mean {:.1f} in {:.0f} transactions\n", executor, totals.Mean(),
                   totals.count);
  for (const auto& [code, count] : m.refused) fmt::format_to(sink, "  refused {:<13} {}\n", code, count);
  fmt::format_to(sink, "  errors                {} ({:.3f} %)\n", m.ErrorCount(), m.ErrorRate() * 100);
  for (const auto& [code, count] : m.errors) fmt::format_to(sink, "    {:<19} {}\n", code, count);
  fmt::format_to(sink, "  audit                 {} in {:.1f} s\n", m.audit.ok ? "clean" : "NOT CLEAN",
                 Millis(m.audit.took) / 1000);
  if (!m.audit.ok) fmt::format_to(sink, "    {}\n", m.audit.json.substr(0, 2000));
  return text;
}

std::string RenderJson(const Measurement& m) {
  json::object batches;
  for (const auto& [executor, totals] : m.batches)
    batches[executor] = json::object{{"mean", totals.Mean()}, {"transactions", totals.count}};
  json::object parts;
  for (const auto& [cpu, part] : PartsByCpu(m)) parts[part] = cpu;
  boost::system::error_code error;
  json::value audit = json::parse(m.audit.json, error);
  if (error) audit = m.audit.json;
  const double seconds = std::max(m.Seconds(), 1e-9);
  const json::object report{
      {"scenario", m.scenario},
      {"cpus", std::thread::hardware_concurrency()},
      {"connections", m.connections},
      {"buyers", m.buyers},
      {"shows", m.shows},
      {"durability", kDurability},
      {"file_system", m.file_system},
      {"setup_s", std::chrono::duration<double>(m.setup).count()},
      {"seconds", m.Seconds()},
      {"requests", m.requests},
      {"confirmed", m.confirmed},
      {"reservations_per_s", static_cast<double>(m.confirmed) / seconds},
      {"answers_per_s", static_cast<double>(m.requests) / seconds},
      {"latency_ms", json::object{{"mean", Millis(m.latency.mean())},
                                  {"p50", Millis(m.latency.Percentile(0.5))},
                                  {"p99", Millis(m.latency.Percentile(0.99))},
                                  {"p99_9", Millis(m.latency.Percentile(0.999))},
                                  {"max", Millis(m.latency.max())}}},
      {"cpu_us_each", json::object{{"system", PerSale(static_cast<double>(m.system_cpu.count()), m)},
                                   {"generator", PerSale(static_cast<double>(m.generator_cpu.count()), m)},
                                   {"of_system", std::move(parts)}}},
      {"other_cpu_share", m.OtherShare()},
      {"disturbed", m.OtherShare() > kUndisturbed},
      {"system_peak_memory_bytes", m.system_peak_memory},
      {"transactions_each", PerSale(m.Transactions(), m)},
      {"batch_size", std::move(batches)},
      {"refused", CountsOf(m.refused)},
      {"errors", CountsOf(m.errors)},
      {"error_rate", m.ErrorRate()},
      {"audit", std::move(audit)},
      {"audit_s", Millis(m.audit.took) / 1000},
  };
  return json::serialize(report);
}

Result<void> WriteFile(const std::string& path, const std::string& text) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"), &std::fclose);
  if (file == nullptr || std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() ||
      std::fputc('\n', file.get()) == EOF)
    return Fail(Code::kPermissionDenied, "file_unwritable", path);
  return {};
}

}  // namespace boxoffice::bench
