#include "bench/compare.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include <boost/json.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "bench/generator.h"
#include "bench/monolith.h"
#include "bench/shop.h"

namespace boxoffice::bench {
namespace {

namespace json = boost::json;

constexpr int kClients[] = {4, 8, 16, 32};
constexpr std::chrono::seconds kTrial{3};  // of a number of clients
constexpr std::chrono::seconds kFloor{2};
constexpr uint64_t kMonolithsBest = 20'000;  // purchases a second, more than any machine of today does
constexpr size_t kFsyncBytes = 8 << 10;
constexpr double kMaxErrorRate = 0.001;
constexpr Subject kAll[] = {Subject::kMonolith, Subject::kMonolithCall, Subject::kNaive, Subject::kScaled,
                            Subject::kEmbedded};

bool IsMonolith(Subject subject) {
  return subject == Subject::kMonolith || subject == Subject::kMonolithCall;
}

// Appends, each on disk before the next.
Result<double> MeasureFsyncs(const std::filesystem::path& folder) {
  std::string file = (folder / "boxoffice-fsync-XXXXXX").string();
  const int descriptor = ::mkstemp(file.data());
  if (descriptor < 0) return Fail(Code::kPermissionDenied, "file_unwritable", file);
  ::unlink(file.c_str());
  const std::string block(kFsyncBytes, 'x');
  const auto start = SteadyClock::now();
  uint64_t count = 0;
  bool good = true;
  while (good && SteadyClock::now() - start < kFloor) {
    good = ::write(descriptor, block.data(), block.size()) == static_cast<ssize_t>(block.size()) &&
           ::fdatasync(descriptor) == 0;
    ++count;
  }
  ::close(descriptor);
  if (!good) return Fail(Code::kUnavailable, "file_unwritable", file);
  return static_cast<double>(count) / std::chrono::duration<double>(SteadyClock::now() - start).count();
}

RoundFigures FiguresOf(const Measurement& m) {
  const auto each = static_cast<double>(std::max<uint64_t>(1, m.confirmed));
  RoundFigures figures;
  figures.per_s = static_cast<double>(m.confirmed) / std::max(1e-9, m.Seconds());
  figures.p50_ms = Millis(m.latency.Percentile(0.5));
  figures.p99_ms = Millis(m.latency.Percentile(0.99));
  figures.p999_ms = Millis(m.latency.Percentile(0.999));
  figures.system_us = static_cast<double>(m.system_cpu.count()) / each;
  figures.generator_us = static_cast<double>(m.generator_cpu.count()) / each;
  HistogramTotals all;
  for (const auto& [executor, totals] : m.batches) {
    all.sum += totals.sum;
    all.count += totals.count;
  }
  figures.batch = all.Mean();
  figures.commits = m.Transactions() / each;
  figures.errors = m.ErrorCount();
  figures.error_rate = m.ErrorRate();
  figures.audit = m.audit.ok ? "" : m.audit.json;
  figures.disturbed = m.OtherShare() > 0.1;
  return figures;
}

// The monolith, with the number of clients that suits each of its forms best.
class Rival {
 public:
  static Result<Rival> Start(const CompareOptions& options, const std::vector<Subject>& subjects) {
    const auto runs =
        static_cast<uint64_t>(options.rounds) * static_cast<uint64_t>(options.scenario.seconds) +
        std::size(kClients) * static_cast<uint64_t>(kTrial.count());
    BOXOFFICE_ASSIGN(Monolith monolith,
                     Monolith::Start(options.scenario.data_root, 2 * runs * kMonolithsBest));
    Rival rival(std::move(monolith));
    for (const Subject subject : subjects) {
      if (!IsMonolith(subject)) continue;
      double best = 0;
      for (const int clients : kClients) {
        BOXOFFICE_ASSIGN(const MonolithRun run, rival.monolith_.Run(FormOf(subject), clients, kTrial));
        if (run.PerSecond() > best) rival.clients_[subject] = clients;
        best = std::max(best, run.PerSecond());
      }
    }
    return rival;
  }
  Result<RoundFigures> Run(Subject subject, std::chrono::seconds seconds) {
    const CpuTime machine = MachineCpu();
    BOXOFFICE_ASSIGN(const MonolithRun run, monolith_.Run(FormOf(subject), clients_.at(subject), seconds));
    RoundFigures figures;
    figures.per_s = run.PerSecond();
    figures.p50_ms = run.latency_ms;  // pgbench tells the mean
    figures.system_us = static_cast<double>((MachineCpu() - machine).count()) /
                        static_cast<double>(std::max<uint64_t>(1, run.confirmed));
    figures.errors = run.refused;
    figures.error_rate =
        static_cast<double>(run.refused) / static_cast<double>(run.confirmed + run.refused + 1);
    BOXOFFICE_ASSIGN(figures.audit, monolith_.Audit());
    return figures;
  }
  [[nodiscard]] int clients(Subject subject) const { return clients_.at(subject); }

 private:
  explicit Rival(Monolith monolith) : monolith_(std::move(monolith)) {}
  static MonolithForm FormOf(Subject subject) {
    return subject == Subject::kMonolith ? MonolithForm::kStatements : MonolithForm::kCall;
  }
  Monolith monolith_;
  std::map<Subject, int> clients_;
};

const SubjectFigures* Find(const Comparison& comparison, Subject subject) {
  const auto found = std::ranges::find(comparison.subjects, subject, &SubjectFigures::subject);
  return found == comparison.subjects.end() || found->rounds.empty() ? nullptr : &*found;
}

struct Ratio {
  std::string what;
  Subject of;
  Subject to;
  double wanted;
};
const Ratio kRatios[] = {
    {"1  scaled to the monolith", Subject::kScaled, Subject::kMonolith, 2.5},
    {"1  scaled to its call", Subject::kScaled, Subject::kMonolithCall, 1.3},
    {"2  embedded to the monolith", Subject::kEmbedded, Subject::kMonolith, 4},
    {"3  scaled to naive", Subject::kScaled, Subject::kNaive, 8},
};

}  // namespace

std::string_view SubjectName(Subject subject) {
  switch (subject) {
    case Subject::kMonolith:
      return "monolith";
    case Subject::kMonolithCall:
      return "monolith-call";
    case Subject::kNaive:
      return "naive";
    case Subject::kScaled:
      return "scaled";
    case Subject::kEmbedded:
      return "embedded";
  }
  return "";
}

const RoundFigures& SubjectFigures::Median() const {
  std::vector<const RoundFigures*> sorted;
  for (const RoundFigures& round : rounds) sorted.push_back(&round);
  std::ranges::sort(sorted, {}, [](const RoundFigures* round) { return round->per_s; });
  return *sorted[sorted.size() / 2];
}

ScenarioOptions OptionsOf(Subject subject, ScenarioOptions options) {
  if (subject == Subject::kEmbedded) return options;
  options.arguments = {"--scaled"};
  if (std::getenv("BOXOFFICE_KAFKA_CLASS_PATH") == nullptr) options.arguments.emplace_back("--no-kafka");
  if (subject == Subject::kNaive) options.environment = {{"BOXOFFICE_BATCH_MAX_COMMANDS", "1"}};
  return options;
}

double MedianPerSecond(const Comparison& comparison, Subject subject) {
  const SubjectFigures* found = Find(comparison, subject);
  return found == nullptr ? 0 : found->Median().per_s;
}

bool Comparison::Sound() const {
  return std::ranges::all_of(subjects, [](const SubjectFigures& figures) {
    return std::ranges::all_of(figures.rounds, [](const RoundFigures& round) {
      return round.audit.empty() && round.error_rate <= kMaxErrorRate;
    });
  });
}

Result<Comparison> RunCompare(const CompareOptions& options) {
  const std::vector<Subject> subjects =
      options.only.empty() ? std::vector<Subject>(std::begin(kAll), std::end(kAll)) : options.only;
  Comparison comparison;
  comparison.kafka = std::getenv("BOXOFFICE_KAFKA_CLASS_PATH") != nullptr;
  for (const Subject subject : subjects)
    comparison.subjects.push_back({subject, static_cast<int>(options.scenario.connections), {}});
  std::optional<Rival> rival;
  if (std::ranges::any_of(subjects, IsMonolith)) {
    BOXOFFICE_ASSIGN(rival, Rival::Start(options, subjects));
  }
  for (int round = 0; round < options.rounds && !Interrupted(); ++round) {
    BOXOFFICE_ASSIGN(const double fsyncs, MeasureFsyncs(options.scenario.data_root));
    comparison.fsyncs_per_s.push_back(fsyncs);
    BOXOFFICE_ASSIGN(const double empty, MeasureEmpty(options.scenario));
    comparison.empty_per_s.push_back(empty);
    for (SubjectFigures& figures : comparison.subjects) {
      if (IsMonolith(figures.subject)) {
        figures.clients = rival->clients(figures.subject);
        BOXOFFICE_ASSIGN(RoundFigures found,
                         rival->Run(figures.subject, std::chrono::seconds(options.scenario.seconds)));
        figures.rounds.push_back(std::move(found));
      } else {
        BOXOFFICE_ASSIGN(const Measurement measured, RunSale(OptionsOf(figures.subject, options.scenario)));
        figures.rounds.push_back(FiguresOf(measured));
      }
    }
  }
  return comparison;
}

std::string RenderTable(const Comparison& c) {
  std::string text;
  auto sink = std::back_inserter(text);
  fmt::format_to(
      sink, "\ncompare: medians of {} interleaved rounds, {} CPUs; the bus of the scaled ones is {}\n",
      c.empty_per_s.size(), std::thread::hardware_concurrency(), c.kafka ? "Kafka" : "a SQLite file");
  fmt::format_to(sink, "  {:<14} {:>7} {:>9} {:>8} {:>8} {:>8} {:>10} {:>10} {:>6} {:>8} {:>7}  {}\n", "",
                 "clients", "resv/s", "p50 ms", "p99 ms", "p99.9 ms", "system us", "load us", "batch",
                 "commits", "errors", "audit");
  for (const SubjectFigures& figures : c.subjects) {
    if (figures.rounds.empty()) continue;
    const RoundFigures& m = figures.Median();
    fmt::format_to(sink,
                   "  {:<14} {:>7} {:>9.0f} {:>8.1f} {:>8.1f} {:>8.1f} {:>10.0f} {:>10.0f} {:>6.1f} {:>8.3f} "
                   "{:>7}  {}{}\n",
                   SubjectName(figures.subject), figures.clients, m.per_s, m.p50_ms, m.p99_ms, m.p999_ms,
                   m.system_us, m.generator_us, m.batch, m.commits, m.errors,
                   m.audit.empty() ? "clean" : "NOT CLEAN", m.disturbed ? "  (disturbed)" : "");
  }
  fmt::format_to(sink, "  empty answers/s {:.0f}   appends on disk/s {:.0f}\n", MedianOf(c.empty_per_s),
                 MedianOf(c.fsyncs_per_s));
  for (const Ratio& ratio : kRatios) {
    const SubjectFigures* of = Find(c, ratio.of);
    const SubjectFigures* to = Find(c, ratio.to);
    if (of == nullptr || to == nullptr) continue;
    const double is = of->Median().per_s / std::max(1e-9, to->Median().per_s);
    fmt::format_to(sink, "  {} {:<28} {:>5.2f}  (wanted: {})\n", is >= ratio.wanted ? "✓" : "✗", ratio.what,
                   is, ratio.wanted);
  }
  return text;
}

std::string RenderJson(const Comparison& c) {
  json::array subjects;
  for (const SubjectFigures& figures : c.subjects) {
    json::array rounds;
    for (const RoundFigures& m : figures.rounds) {
      rounds.push_back(json::object{{"per_s", m.per_s},
                                    {"p50_ms", m.p50_ms},
                                    {"p99_ms", m.p99_ms},
                                    {"p99_9_ms", m.p999_ms},
                                    {"system_cpu_us", m.system_us},
                                    {"generator_cpu_us", m.generator_us},
                                    {"batch", m.batch},
                                    {"commits", m.commits},
                                    {"errors", m.errors},
                                    {"error_rate", m.error_rate},
                                    {"audit", m.audit},
                                    {"disturbed", m.disturbed}});
    }
    subjects.push_back(json::object{
        {"name", SubjectName(figures.subject)}, {"clients", figures.clients}, {"rounds", std::move(rounds)}});
  }
  return json::serialize(
      json::object{{"scenario", "compare"},
                   {"cpus", std::thread::hardware_concurrency()},
                   {"kafka", c.kafka},
                   {"subjects", std::move(subjects)},
                   {"empty_per_s", json::array(c.empty_per_s.begin(), c.empty_per_s.end())},
                   {"fsyncs_per_s", json::array(c.fsyncs_per_s.begin(), c.fsyncs_per_s.end())}});
}

}  // namespace boxoffice::bench
