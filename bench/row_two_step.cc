// The flow as people go through it: join, poll until they are in, hold, charge the wallet, confirm. An open
// loop at a part of what the one-shot form reaches, because a buyer is told to poll a second later.
#include <algorithm>

#include <fmt/format.h>

#include "bench/rows.h"
#include "bench/shop.h"
#include "rehearsal/on_sale.h"

namespace boxoffice::bench {
namespace {

constexpr std::chrono::seconds kArrive{6};
constexpr std::chrono::seconds kLimit{30};
constexpr double kLoad = 0.25;
constexpr size_t kConnections = 1'000;
constexpr size_t kMostBuyers = Shop::kSeatsPerShow * 9 / 10;

Result<void> RunForm(const Form& form, RowResult& row) {
  BOXOFFICE_ASSIGN(const double saturation, SaturationOf(form));
  BOXOFFICE_ASSIGN(const SystemProcess system,
                   SystemProcess::Start(form.options->program, form.options->data_root,
                                        form.options->arguments, form.options->environment));
  BOXOFFICE_ASSIGN(const auto load, HttpLoad::Connect(system.port(), 1));
  BOXOFFICE_ASSIGN(Shop shop, Shop::Open(system, *load));
  rehearsal::OnSaleOptions options;
  BOXOFFICE_ASSIGN(options.show, shop.CreateShow());
  options.gateways = {{"127.0.0.1", system.port()}};
  options.connections = kConnections;
  options.arrivals = {
      std::min(kMostBuyers, static_cast<size_t>(kLoad * saturation * static_cast<double>(kArrive.count()))),
      kArrive, std::chrono::seconds(0)};
  options.behaviour = {.by_map = 0,
                       .leave_waiting = 0,
                       .leave_holding = 0,
                       .cancel = 0,
                       .think = std::chrono::milliseconds(0),
                       .party = 1};
  options.limit = kLimit;
  options.run = "two-step";
  BOXOFFICE_ASSIGN(const std::vector<Buyer> buyers, shop.NewBuyers(options.arrivals.buyers));
  std::vector<std::string> tokens;
  for (const Buyer& buyer : buyers) tokens.push_back(buyer.jwt);
  const CpuTime cpu = system.Cpu();
  BOXOFFICE_ASSIGN(const rehearsal::OnSaleFigures figures,
                   rehearsal::PlayOnSale(options, std::move(tokens), {}));
  const auto each = static_cast<double>(std::max<uint64_t>(1, figures.confirmed));
  row.figures[fmt::format("{}_system_us_each", form.name)] =
      static_cast<double>((system.Cpu() - cpu).count()) / each;
  row.figures[fmt::format("{}_confirmed_per_s", form.name)] =
      each / std::max(1e-9, std::chrono::duration<double>(figures.elapsed).count());
  row.figures[fmt::format("{}_requests_each", form.name)] = static_cast<double>(figures.Requests()) / each;
  for (size_t i = 0; i < rehearsal::kSteps; ++i) {
    const Histogram& latency = figures.steps[i].latency;
    if (latency.count() == 0) continue;
    const auto name = rehearsal::StepName(static_cast<rehearsal::Step>(i));
    const auto add = [&](std::string_view what, std::chrono::nanoseconds value) {
      row.figures[fmt::format("{}_{}_{}_ms", form.name, name, what)] = Millis(value);
    };
    add("p50", latency.Percentile(0.5));
    add("p99", latency.Percentile(0.99));
  }
  for (const auto& [code, count] : figures.errors) row.errors[fmt::format("{} {}", form.name, code)] = count;
  row.error_rate =
      std::max(row.error_rate, static_cast<double>(figures.ErrorCount() + figures.unfinished) /
                                   static_cast<double>(std::max<uint64_t>(1, figures.Requests())));
  if (figures.HeldUp()) row.note += fmt::format("{}: the generator was late. ", form.name);
  BOXOFFICE_ASSIGN(const AuditVerdict audit, shop.Audit());
  if (!audit.ok) row.audit = audit.json;
  return {};
}

}  // namespace

Result<RowResult> RunTwoStepRow(RowContext& context) {
  RowResult row;
  row.name = "two-step";
  for (const Form& form : BothForms(context)) BOXOFFICE_TRY(RunForm(form, row));
  return row;
}

}  // namespace boxoffice::bench
