#include "bench/waiting.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <thread>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "bench/generator.h"
#include "bench/shop.h"

namespace boxoffice::bench {
namespace {

namespace json = boost::json;

constexpr size_t kBuyers = 1'000'000;
constexpr std::chrono::seconds kRounds{5};
constexpr std::string_view kAdmission = R"({"rate_per_s":1000,"active_cap":1000000,"state":"OPEN"})";

struct Request {
  std::function<void(std::string& out, uint64_t tag)> append;
  std::function<bool(const Answer& answer)> good;
};

// What is asked, and how much: the requests 0 … count - 1 once, or over and over for `limit`.
struct Work {
  Request request;
  size_t count = 0;
  std::chrono::milliseconds limit{0};  // 0: once
};

// Asks by turns with empty answers.
class Line {
 public:
  Line(const SystemProcess& system, HttpLoad& load, std::chrono::seconds empty)
      : system_(system), load_(load), empty_{.request = {AppendNothing, IsOk}, .count = 1, .limit = empty} {
    empty_phase_.name = "empty";
    empty_.limit /= kSlices;
    RunSlice(empty_, 0, empty_phase_);  // its first requests warm up, and are not compared
  }

  static bool IsOk(const Answer& answer) { return answer.status == 200; }

  WaitingPhase Run(std::string name, const Work& work) {
    WaitingPhase phase;
    phase.name = std::move(name);
    Work slice = work;
    slice.limit /= kSlices;
    double before = RunSlice(empty_, 0, empty_phase_);
    for (size_t i = 0; i < kSlices; ++i) {
      const size_t first = work.count * i / kSlices;
      slice.count = work.limit.count() > 0 ? work.count : work.count * (i + 1) / kSlices - first;
      const double rate = RunSlice(slice, first, phase);
      const double after = RunSlice(empty_, 0, empty_phase_);
      phase.to_empty.push_back(2 * rate / std::max(1.0, before + after));
      before = after;
    }
    return phase;
  }

  const WaitingPhase& empty() const { return empty_phase_; }

 private:
  static constexpr size_t kSlices = 10;

  static void AppendNothing(std::string& out, uint64_t) { AppendRequest(out, "GET", "/healthz", "", "", ""); }

  // Adds to `phase`; the rate of this slice alone.
  double RunSlice(const Work& work, size_t first, WaitingPhase& phase) {
    const CpuTime cpu = system_.Cpu();
    const auto start = SteadyClock::now();
    const uint64_t requests = phase.requests;
    uint64_t next = 0;
    LoadPlan plan;
    if (work.limit.count() > 0) plan.until = start + work.limit;
    plan.ask = [&](std::string& out, uint64_t& tag) {
      if (work.limit.count() == 0 && next == work.count) return false;
      tag = first + next++ % work.count;
      work.request.append(out, tag);
      return true;
    };
    plan.take = [&](const Answer& answer) {
      ++phase.requests;
      phase.latency.Record(answer.latency);
      if (!work.request.good(answer)) ++phase.errors;
    };
    load_.Run(plan);
    const std::chrono::duration<double> took = SteadyClock::now() - start;
    phase.elapsed += std::chrono::duration_cast<std::chrono::nanoseconds>(took);
    phase.system_cpu += system_.Cpu() - cpu;
    return static_cast<double>(phase.requests - requests) / std::max(1e-9, took.count());
  }

  const SystemProcess& system_;
  HttpLoad& load_;
  Work empty_;
  WaitingPhase empty_phase_;
};

Result<HistogramTotals> QueueTransactions(Shop& shop) {
  BOXOFFICE_ASSIGN(const std::string metrics, shop.Metrics());
  return ReadHistograms(metrics, "boxoffice_batch_run_seconds", "executor")["queue"];
}

}  // namespace

double WaitingPhase::PerSecond() const {
  return static_cast<double>(requests) / std::max(1e-9, std::chrono::duration<double>(elapsed).count());
}

double WaitingPhase::ToEmpty() const { return to_empty.empty() ? 1 : MedianOf(to_empty); }

uint64_t WaitingMeasurement::Errors() const {
  uint64_t sum = 0;
  for (const WaitingPhase& phase : phases) sum += phase.errors;
  return sum;
}

Result<WaitingMeasurement> RunWaiting(const ScenarioOptions& options) {
  WaitingMeasurement measurement;
  measurement.buyers = options.buyers != 0 ? options.buyers : kBuyers;
  measurement.connections = options.connections;
  const std::chrono::seconds seconds(options.seconds);
  BOXOFFICE_ASSIGN(const SystemProcess system, SystemProcess::Start(options.program, options.data_root,
                                                                    options.arguments, options.environment));
  BOXOFFICE_ASSIGN(const auto load, HttpLoad::Connect(system.port(), options.connections));
  BOXOFFICE_ASSIGN(Shop shop, Shop::Open(system, *load));
  BOXOFFICE_ASSIGN(const std::string show, shop.CreateShow());
  BOXOFFICE_TRY(shop.SetQueue(show, R"({"state":"PREQUEUE"})"));
  BOXOFFICE_ASSIGN(std::vector<Buyer> buyers, shop.NewBuyers(measurement.buyers));

  Line line(system, *load, seconds);
  const auto add = [&](std::string name, const Work& work) {
    measurement.phases.push_back(line.Run(std::move(name), work));
  };
  const int64_t before = system.PeakMemory();
  const std::string path = fmt::format("/v1/shows/{}/queue", show);
  const Request join{
      [&](std::string& out, uint64_t tag) { AppendRequest(out, "POST", path, buyers[tag].jwt, "", ""); },
      [&](const Answer& answer) {
        buyers[answer.tag].queue_token = FindJsonText(answer.body, "token");
        return Line::IsOk(answer);
      }};
  add("join", {.request = join, .count = buyers.size()});
  measurement.bytes_each =
      static_cast<double>(system.PeakMemory() - before) / static_cast<double>(buyers.size());
  // In turn, as everybody asks again after as long as the answer says.
  const Request poll{[&](std::string& out, uint64_t tag) {
                       const Buyer& buyer = buyers[tag % buyers.size()];
                       AppendRequest(out, "GET", "/v1/queue", buyer.jwt,
                                     fmt::format("X-Queue-Token: {}\r\n", buyer.queue_token), "");
                     },
                     Line::IsOk};
  const Work polls{.request = poll, .count = buyers.size(), .limit = seconds};
  add("poll before the draw", polls);

  const auto opening = SteadyClock::now();
  BOXOFFICE_TRY(shop.SetQueue(show, std::string(kAdmission)));
  measurement.draw_ms = Millis(SteadyClock::now() - opening);
  BOXOFFICE_ASSIGN(const HistogramTotals rounds_before, QueueTransactions(shop));
  std::this_thread::sleep_for(kRounds);
  BOXOFFICE_ASSIGN(const HistogramTotals rounds_after, QueueTransactions(shop));
  const HistogramTotals rounds{.sum = rounds_after.sum - rounds_before.sum,
                               .count = rounds_after.count - rounds_before.count};
  measurement.round_ms = rounds.Mean() * 1'000;
  add("poll after the draw", polls);
  measurement.phases.push_back(line.empty());
  BOXOFFICE_ASSIGN(measurement.audit, shop.Audit());
  return measurement;
}

std::string RenderTable(const WaitingMeasurement& m) {
  std::string text;
  auto sink = std::back_inserter(text);
  fmt::format_to(sink, "\nwaiting: {} people in one show, {} connections, {} CPUs\n", m.buyers, m.connections,
                 std::thread::hardware_concurrency());
  for (const WaitingPhase& phase : m.phases) {
    const auto each = std::max<uint64_t>(1, phase.requests);
    fmt::format_to(
        sink,
        "  {:<21} {:>7.0f}/s  {:.2f} of empty  p50 {:.1f} ms  p99 {:.1f} ms  system {:.1f} us each  "
        "errors {}\n",
        phase.name, phase.PerSecond(), phase.ToEmpty(), Millis(phase.latency.Percentile(0.5)),
        Millis(phase.latency.Percentile(0.99)),
        static_cast<double>(phase.system_cpu.count()) / static_cast<double>(each), phase.errors);
  }
  fmt::format_to(sink, "  memory each           {:.0f} bytes\n", m.bytes_each);
  fmt::format_to(sink, "  draw                  {:.0f} ms\n", m.draw_ms);
  fmt::format_to(sink, "  round of admission    {:.2f} ms\n", m.round_ms);
  fmt::format_to(sink, "  audit                 {} in {:.1f} s\n", m.audit.ok ? "clean" : "NOT CLEAN",
                 Millis(m.audit.took) / 1'000);
  return text;
}

std::string RenderJson(const WaitingMeasurement& m) {
  json::array phases;
  for (const WaitingPhase& phase : m.phases) {
    phases.push_back(json::object{{"name", phase.name},
                                  {"per_s", phase.PerSecond()},
                                  {"to_empty", phase.ToEmpty()},
                                  {"requests", phase.requests},
                                  {"errors", phase.errors},
                                  {"p50_ms", Millis(phase.latency.Percentile(0.5))},
                                  {"p99_ms", Millis(phase.latency.Percentile(0.99))},
                                  {"system_cpu_us", phase.system_cpu.count()}});
  }
  const json::object report{{"scenario", "waiting"},       {"cpus", std::thread::hardware_concurrency()},
                            {"buyers", m.buyers},          {"connections", m.connections},
                            {"phases", std::move(phases)}, {"bytes_each", m.bytes_each},
                            {"draw_ms", m.draw_ms},        {"round_ms", m.round_ms},
                            {"audit_ok", m.audit.ok}};
  return json::serialize(report);
}

}  // namespace boxoffice::bench
