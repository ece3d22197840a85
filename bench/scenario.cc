#include "bench/scenario.h"

#include <algorithm>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/random.h"
#include "bench/generator.h"
#include "rehearsal/arrivals.h"

namespace boxoffice::bench {
namespace {

constexpr size_t kBuyersPerSecond = 12'000;
constexpr size_t kRaceBuyers = 10'000;
constexpr std::chrono::seconds kEmptyFor{2};

// What every scenario measures around its requests.
class Meter {
 public:
  static Result<Meter> Start(const SystemProcess& system, Shop& shop) {
    Meter meter;
    BOXOFFICE_ASSIGN(const std::string metrics, shop.Metrics());
    meter.metrics_ = metrics;
    meter.published_ = ReadHistograms(metrics, "boxoffice_bus_publish_size", "service");
    meter.batches_ = ReadHistograms(metrics, "boxoffice_batch_size", "executor");
    meter.parts_ = system.CpuOfParts();
    meter.generator_ = OwnCpu();
    meter.machine_ = MachineCpu();
    meter.start_ = SteadyClock::now();
    return meter;
  }
  Result<void> Stop(const SystemProcess& system, Shop& shop, Measurement& measurement) const {
    measurement.elapsed = SteadyClock::now() - start_;
    for (const auto& [part, cpu] : system.CpuOfParts()) {
      const auto before = parts_.find(part);
      const CpuTime used = before == parts_.end() ? cpu : cpu - before->second;
      measurement.parts_cpu[part] = used;
      measurement.system_cpu += used;
    }
    measurement.generator_cpu = OwnCpu() - generator_;
    measurement.other_cpu =
        std::max(CpuTime(0), MachineCpu() - machine_ - measurement.system_cpu - measurement.generator_cpu);
    measurement.system_peak_memory = system.PeakMemory();
    measurement.file_system = system.FileSystem();
    BOXOFFICE_ASSIGN(const std::string metrics, shop.Metrics());
    measurement.batches = Between(batches_, ReadHistograms(metrics, "boxoffice_batch_size", "executor"));
    measurement.outbox_lag_p99_s = QuantileBetween(metrics_, metrics, "boxoffice_outbox_lag_seconds", 0.99);
    const auto published =
        Between(published_, ReadHistograms(metrics, "boxoffice_bus_publish_size", "service"));
    for (const auto& [label, totals] : published) measurement.bus_transactions += totals.count;
    return {};
  }

 private:
  std::map<std::string, HistogramTotals> batches_;
  std::map<std::string, HistogramTotals> published_;
  std::string metrics_;
  CpuByPart parts_;
  CpuTime generator_{0};
  CpuTime machine_{0};
  SteadyClock::time_point start_;
};

void AppendPurchase(std::string& out, const Buyer& buyer, std::string_view body) {
  thread_local std::string headers;
  headers.assign("Idempotency-Key: purchase\r\nX-Queue-Token: ").append(buyer.queue_token).append("\r\n");
  AppendRequest(out, "POST", "/v1/reservations", buyer.jwt, headers, body);
}

bool IsSale(const Answer& answer) {
  return answer.status == 201 && FindJsonText(answer.body, "state") == "CONFIRMED";
}

// The seats 1 … capacity in a random order, the same in every run: neighbours in time are no neighbours on
// disk.
std::vector<uint32_t> ShuffledSeats() {
  SeededRandom random(1);
  std::vector<uint32_t> seats(Shop::kSeatsPerShow);
  for (uint32_t i = 0; i < seats.size(); ++i) seats[i] = i + 1;
  for (size_t i = seats.size() - 1; i > 0; --i) std::swap(seats[i], seats[random.Below(i + 1)]);
  return seats;
}

std::string SaleBody(const ScenarioOptions& options, const std::string& show,
                     std::span<const uint32_t> seats) {
  if (options.choice == Choice::kBestAvailable)
    return fmt::format(R"({{"show_id":"{}","best_available":{{"count":{}}},"pay":true}})", show,
                       seats.size());
  return fmt::format(R"({{"show_id":"{}","seats":[{}],"pay":true}})", show, fmt::join(seats, ","));
}

using Body = std::function<std::string(size_t buyer, const std::string& show)>;

// Everything but what is asked for, which is `body`. Codes in `expected` are no errors.
Result<Measurement> Run(const ScenarioOptions& options, Measurement measurement, size_t per_show,
                        const Body& body, std::chrono::seconds limit, std::string_view expected) {
  BOXOFFICE_ASSIGN(const SystemProcess system, SystemProcess::Start(options.program, options.data_root,
                                                                    options.arguments, options.environment));
  BOXOFFICE_ASSIGN(const auto load, HttpLoad::Connect(system.port(), options.connections));
  BOXOFFICE_ASSIGN(Shop shop, Shop::Open(system, *load));
  const auto setup = SteadyClock::now();
  for (size_t i = 0; i < measurement.shows; ++i) BOXOFFICE_TRY(shop.CreateShow());
  BOXOFFICE_ASSIGN(const std::vector<Buyer> buyers, shop.AdmitBuyers(measurement.buyers, per_show));
  measurement.setup = SteadyClock::now() - setup;

  BOXOFFICE_ASSIGN(const Meter meter, Meter::Start(system, shop));
  size_t next = 0;
  LoadPlan plan;
  SeededRandom random(2);
  auto due = SteadyClock::now();
  if (options.offered_per_s > 0)
    plan.due = [&] { return next == buyers.size() ? SteadyClock::time_point::max() : due; };
  if (limit.count() > 0) plan.until = SteadyClock::now() + limit;
  plan.ask = [&](std::string& out, uint64_t& tag) {
    if (next == buyers.size()) return false;
    tag = next++;
    if (options.offered_per_s > 0)  // a Poisson process
      due += rehearsal::Hesitation(
          std::chrono::nanoseconds(static_cast<int64_t>(1e9 / options.offered_per_s)), random);
    AppendPurchase(out, buyers[tag], body(tag, shop.shows()[buyers[tag].show]));
    return true;
  };
  plan.take = [&](const Answer& answer) {
    ++measurement.requests;
    const bool sale = IsSale(answer);
    if (sale) ++measurement.confirmed;
    if (sale || !expected.empty()) measurement.latency.Record(answer.latency);
    if (sale) return;
    const std::string code = ErrorCode(answer);
    ++(code == expected && answer.status == 409 ? measurement.refused : measurement.errors)[code];
  };
  load->Run(plan);
  BOXOFFICE_TRY(meter.Stop(system, shop, measurement));
  BOXOFFICE_ASSIGN(measurement.audit, shop.Audit());
  return measurement;
}

}  // namespace

Result<Measurement> RunSale(const ScenarioOptions& options) {
  const size_t per_show = static_cast<size_t>(Shop::kSeatsPerShow) / options.seats;
  const auto seconds = static_cast<size_t>(options.seconds);
  Measurement measurement;
  measurement.scenario = "sale";
  measurement.connections = options.connections;
  measurement.buyers = options.buyers != 0 ? options.buyers : seconds * kBuyersPerSecond;
  measurement.shows = (measurement.buyers + per_show - 1) / per_show;
  const std::vector<uint32_t> seats = ShuffledSeats();
  const Body body = [&](size_t buyer, const std::string& show) {
    const auto own = std::span(seats).subspan(buyer % per_show * options.seats, options.seats);
    return SaleBody(options, show, own);
  };
  return Run(options, std::move(measurement), per_show, body, std::chrono::seconds(options.seconds), {});
}

Result<double> MeasureEmpty(const ScenarioOptions& options) {
  BOXOFFICE_ASSIGN(const SystemProcess system,
                   SystemProcess::Start(options.program, options.data_root, options.arguments, {}));
  BOXOFFICE_ASSIGN(const auto load, HttpLoad::Connect(system.port(), options.connections));
  uint64_t answers = 0;
  const auto start = SteadyClock::now();
  LoadPlan plan;
  plan.until = start + kEmptyFor;
  plan.ask = [](std::string& out, uint64_t&) {
    AppendRequest(out, "GET", "/healthz", "", "", "");
    return true;
  };
  plan.take = [&](const Answer& answer) { answers += answer.status == 200 ? 1 : 0; };
  load->Run(plan);
  return static_cast<double>(answers) / std::chrono::duration<double>(SteadyClock::now() - start).count();
}

Result<Measurement> RunRace(const ScenarioOptions& options) {
  Measurement measurement;
  measurement.scenario = "race";
  measurement.connections = options.connections;
  measurement.buyers = options.buyers != 0 ? options.buyers : kRaceBuyers;
  measurement.shows = 1;
  const Body body = [](size_t, const std::string& show) {
    return fmt::format(R"({{"show_id":"{}","seats":[1],"pay":true}})", show);
  };
  return Run(options, std::move(measurement), measurement.buyers, body, std::chrono::seconds(0),
             "seats_taken");
}

}  // namespace boxoffice::bench
