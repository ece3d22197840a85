// boxoffice-sim: `./dev sim`, `./dev crashpoints` and `./dev mutants`.
#include <chrono>
#include <cstdio>
#include <ctime>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "platform/obs/log.h"
#include "sim/crash_points.h"
#include "sim/mutants.h"
#include "sim/run.h"

namespace boxoffice::sim {
namespace {

// The clocks of this program show the simulation's time.
double Seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

struct Wanted {
  uint64_t seeds = 1'000;
  uint64_t seed = 0;
  uint64_t first = 1;
  int replicas = 0;
  double minutes = 0;
  bool pairs = true;
  bool timeline = false;
  std::string repeat;
  std::string mutant;
};

void PrintWrong(const Ran& ran) {
  for (const std::string& line : ran.wrong) fmt::print("  {}\n", line);
  fmt::print("faults:\n");
  for (const Hit& hit : ran.hits)
    fmt::print("  {:>7} ms  point {} {}: {}\n", hit.at.count(), hit.number, hit.point.ToString(),
               FaultName(hit.fault));
}

int FailSeed(const SeedOptions& options) {
  fmt::print("seed {} fails. With as few of its faults as it needs:\n", options.seed);
  const Ran least = Minimize(options);
  PrintWrong(least);
  fmt::print("operations:\n");
  for (const std::string& line : least.history) fmt::print("  {}\n", line);
  fmt::print("timeline:\n");
  for (const std::string& line : least.timeline) fmt::print("  {}\n", line);
  const std::string replicas = options.replicas > 0 ? fmt::format(" --replicas {}", options.replicas) : "";
  fmt::print("repeat: ./dev sim --seed {}{}\n", options.seed, replicas);
  return 1;
}

int RunSeeds(const Wanted& wanted) {
  const double start = Seconds();
  if (wanted.seed != 0) {
    SeedOptions one{.seed = wanted.seed, .replicas = wanted.replicas, .trace = wanted.timeline};
    const Ran ran = RunSeed(one);
    if (!ran.wrong.empty()) return FailSeed(one);
    for (const std::string& line : ran.timeline) fmt::print("{}\n", line);
    fmt::print("seed {}: nothing is wrong; {} operations, {} faults, fingerprint {:016x}\n", wanted.seed,
               ran.operations, ran.hits.size(), ran.fingerprint);
    return 0;
  }
  uint64_t done = 0;
  uint64_t operations = 0;
  uint64_t unknown = 0;
  uint64_t faults = 0;
  for (uint64_t seed = wanted.first;; ++seed, ++done) {
    const bool over = wanted.minutes > 0 ? Seconds() - start > wanted.minutes * 60 : done == wanted.seeds;
    if (over) break;
    const SeedOptions one{.seed = seed, .replicas = wanted.replicas};
    const Ran ran = RunSeed(one);
    if (!ran.wrong.empty()) return FailSeed(one);
    operations += ran.operations;
    unknown += ran.unknown;
    faults += ran.hits.size();
  }
  const double took = Seconds() - start;
  fmt::print(
      "{} seeds from {}, nothing is wrong: {} operations ({} never answered), {} faults; {:.1f} s, {:.0f} "
      "seeds/s\n",
      done, wanted.first, operations, unknown, faults, took, static_cast<double>(done) / took);
  return 0;
}

int RunPoints(const Wanted& wanted) {
  const double start = Seconds();
  if (!wanted.repeat.empty()) {
    const auto point = ParseCrashPoint(wanted.repeat);
    if (!point) {
      fmt::print(stderr, "\"{}\" names no crash point; one is like \"confirm/1/3:crash_after\"\n",
                 wanted.repeat);
      return 2;
    }
    const Ran ran = RunSaga(point->course, point->orchestrators, point->orders, /*trace=*/true);
    for (const std::string& line : ran.timeline) fmt::print("  {}\n", line);
    PrintWrong(ran);
    return ran.wrong.empty() ? 0 : 1;
  }
  const auto go_on = [&] { return wanted.minutes == 0 || Seconds() - start < wanted.minutes * 60; };
  const Enumeration all = RunCrashPoints(wanted.pairs, go_on);
  for (const auto& [course, runs] : all.by_course) fmt::print("{:>8} runs  {}\n", runs, course);
  fmt::print("{} points, {} singles, {} pairs: {} violations; {:.1f} s{}\n", all.points, all.singles,
             all.pairs, all.failures, Seconds() - start, go_on() ? "" : " (not all: the time was over)");
  for (const auto& [point, ran] : all.failed) {
    fmt::print("fails: {}\n", point.Name());
    PrintWrong(ran);
    fmt::print("repeat: ./dev crashpoints --repeat '{}'\n", point.Name());
  }
  return all.failures == 0 ? 0 : 1;
}

int Main(int argc, char** argv) {
  obs::SetLogLevel(obs::Level::kError);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  Wanted wanted;
  CLI::App app("Runs Boxoffice's cores on a virtual clock, with faults, and checks what comes of it.");
  app.require_subcommand(1);
  CLI::App* seeds = app.add_subcommand("seeds", "Runs with faults by chance, a seed each");
  seeds->add_option("--seeds", wanted.seeds, "How many")->check(CLI::Range(1, 1'000'000'000));
  seeds->add_option("--first", wanted.first, "The first of them");
  seeds->add_option("--seed", wanted.seed, "This one alone, exactly as it was");
  seeds->add_option("--replicas", wanted.replicas, "Of each service; else 1 to 3, as the seed says")
      ->check(CLI::Range(1, 3));
  seeds->add_option("--minutes", wanted.minutes, "So long, instead of --seeds")->check(CLI::PositiveNumber);
  seeds->add_flag("--timeline", wanted.timeline, "With --seed: all that happened");
  CLI::App* points = app.add_subcommand("crashpoints", "Every point of every saga with every fault");
  points->add_flag("!--singles", wanted.pairs, "Not two at a time");
  points->add_option("--minutes", wanted.minutes, "At most so long")->check(CLI::PositiveNumber);
  points->add_option("--repeat", wanted.repeat, "One of them, with its timeline");
  CLI::App* mutants = app.add_subcommand("mutants", "Planted faults, each of which must be found");
  mutants->add_option("--seeds", wanted.seeds, "To look for each with")->check(CLI::Range(1, 1'000'000));
  mutants->add_option("--only", wanted.mutant, "This one");
  CLI11_PARSE(app, argc, argv);
  if (seeds->parsed()) return RunSeeds(wanted);
  if (points->parsed()) return RunPoints(wanted);
  const Result<int> survivors = HuntMutants(wanted.seeds, wanted.mutant);
  if (!survivors) {
    fmt::print(stderr, "{}\n", survivors.error().detail);
    return 2;
  }
  fmt::print("{} mutants, {} survived\n", wanted.mutant.empty() ? Mutants().size() : 1, *survivors);
  return *survivors == 0 ? 0 : 1;
}

}  // namespace
}  // namespace boxoffice::sim

int main(int argc, char** argv) { return boxoffice::sim::Main(argc, argv); }
