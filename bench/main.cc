// boxoffice-bench: measures a fresh embedded system through its public interface. See --help.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "bench/compare.h"
#include "bench/generator.h"
#include "bench/rows.h"
#include "bench/scenario.h"
#include "bench/waiting.h"

namespace boxoffice::bench {
namespace {

constexpr std::string_view kHelp =
    R"(usage: boxoffice-bench sale|race|waiting|compare [--seconds N] [--connections N] [--buyers N] [--json FILE] …

  sale   one-shot reservations, each by a buyer of its own, in a closed loop; only 201 CONFIRMED counts
  race   all buyers want the same seat: one wins, everybody else is told seats_taken
  waiting  a million people join one show's queue, ask for their places, are drawn and admitted
  compare  sales side by side, in rounds: the monolith that a user would run instead (pgbench on a private
           PostgreSQL: nine statements in a transaction, and one PL/pgSQL call), we with batches of one
           (naive), scaled, and embedded; then the other rows of what we want to reach, once each. Half an
           hour

  --seconds N           how long a sale lasts, or a kind of request of waiting (default 10)
  --connections N       keep-alive connections, one request under way on each (default 256)
  --buyers N            buyers who are prepared (default: sale 12,000 for each second, race 10,000, waiting
                        1,000,000)
  --seats N             seats of a reservation, 1 to 8 (default 1)
  --best-available      buyers leave the choice of seats to the system
  --scaled              measures a process for each service, on PostgreSQL and Redis, instead of one process
  --rounds N            of compare (default 3)
  --only A,B            of compare: monolith, monolith-call, naive, scaled, embedded; and the rows
                        waiting, join-rpc, race, lone, open-loop, overload, seat-map, outbox, two-step, tracing
  --json FILE           writes the figures there
  --program PATH        the boxoffice to measure (default: the one beside this program)
  --data-root DIR       where the system's folder is made, and removed (default: beside this program, so not a tmpfs)

Exit codes: 0 errors at most 0.1 %, the audit clean (and one winner of a race); 1 not so; 2 it could not be measured.
)";
constexpr double kMaxErrorRate = 0.001;

constexpr std::string_view kScenarios[] = {"sale", "race", "waiting", "compare"};

struct Arguments {
  std::string scenario;
  int rounds = 3;
  std::vector<Subject> only;
  std::vector<std::string_view> only_rows;
  std::string json;
  ScenarioOptions options;
};

template <typename Number>
Result<void> ParseInto(std::string_view flag, std::string_view text, Number least, Number most,
                       Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most)
    return Fail(Code::kInvalidArgument, "usage",
                fmt::format("{} is a number from {} to {}", flag, least, most));
  return {};
}

Result<void> ParseOnly(std::string_view names, Arguments& arguments) {
  constexpr Subject kAll[] = {Subject::kMonolith, Subject::kMonolithCall, Subject::kNaive, Subject::kScaled,
                              Subject::kEmbedded};
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(','));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    const auto* found = std::ranges::find(kAll, name, &SubjectName);
    const auto row = std::ranges::find(AllRows(), name, &Row::name);
    if (found != std::end(kAll)) {
      arguments.only.push_back(*found);
    } else if (row != AllRows().end()) {
      arguments.only_rows.push_back(row->name);
    } else {
      return Fail(Code::kInvalidArgument, "usage",
                  fmt::format("--only knows no \"{}\"; --help lists what it knows", name));
    }
  }
  return {};
}

Result<void> SetFlag(std::string_view flag, std::string_view value, Arguments& arguments) {
  ScenarioOptions& options = arguments.options;
  if (flag == "--seconds") return ParseInto(flag, value, 1, 600, options.seconds);
  if (flag == "--connections") return ParseInto<size_t>(flag, value, 1, 10'000, options.connections);
  if (flag == "--buyers") return ParseInto<size_t>(flag, value, 1, 2'000'000, options.buyers);
  if (flag == "--seats") return ParseInto<uint32_t>(flag, value, 1, 8, options.seats);
  if (flag == "--rounds") return ParseInto(flag, value, 1, 99, arguments.rounds);
  if (flag == "--only") return ParseOnly(value, arguments);
  if (flag == "--json") {
    arguments.json = value;
  } else if (flag == "--program") {
    options.program = value;
  } else if (flag == "--data-root") {
    options.data_root = value;
  } else {
    return Fail(Code::kInvalidArgument, "usage", fmt::format("no flag \"{}\"; --help lists them", flag));
  }
  return {};
}

Result<Arguments> Parse(int argc, char** argv) {
  Arguments arguments;
  const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  arguments.options.program = here / "boxoffice";
  arguments.options.data_root = here.parent_path();
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--best-available") {
      arguments.options.choice = Choice::kBestAvailable;
    } else if (argument == "--scaled") {
      arguments.options.arguments.emplace_back("--scaled");
      if (std::getenv("BOXOFFICE_KAFKA_CLASS_PATH") == nullptr)
        arguments.options.arguments.emplace_back("--no-kafka");
    } else if (!argument.starts_with("-") && arguments.scenario.empty()) {
      arguments.scenario = argument;
    } else if (const size_t equals = argument.find('='); equals != std::string_view::npos) {
      BOXOFFICE_TRY(SetFlag(argument.substr(0, equals), argument.substr(equals + 1), arguments));
    } else {
      if (i + 1 == argc)
        return Fail(Code::kInvalidArgument, "usage", fmt::format("{} needs a value", argument));
      BOXOFFICE_TRY(SetFlag(argument, argv[++i], arguments));
    }
  }
  if (std::ranges::find(kScenarios, arguments.scenario) == std::end(kScenarios))
    return Fail(Code::kInvalidArgument, "usage",
                "the scenario is sale, race, waiting or compare; --help tells more");
  return arguments;
}

// False: there is nothing to judge.
template <typename Figures>
bool Tell(const Result<Figures>& measured, const std::string& file) {
  if (!measured || Interrupted()) {
    fmt::print(stderr, "boxoffice-bench: {}\n",
               Interrupted() ? "interrupted"
                             : fmt::format("{} ({})", measured.error().detail, measured.error().reason));
    return false;
  }
  fmt::print("{}", RenderTable(*measured));
  if (file.empty() || WriteFile(file, RenderJson(*measured))) return true;
  fmt::print(stderr, "boxoffice-bench: can't write {}\n", file);
  return false;
}

// The rows that are asked for, in their order; what was measured until then is told if one can't be.
int CompareAll(const Arguments& arguments) {
  const bool all = arguments.only.empty() && arguments.only_rows.empty();
  Comparison comparison;
  if (all || !arguments.only.empty()) {
    auto compared = RunCompare({arguments.options, arguments.rounds, arguments.only});
    if (!Tell(compared, "")) return 2;
    comparison = *std::move(compared);
  }
  RowContext context{
      OptionsOf(Subject::kEmbedded, arguments.options), OptionsOf(Subject::kScaled, arguments.options),
      MedianPerSecond(comparison, Subject::kEmbedded), MedianPerSecond(comparison, Subject::kScaled)};
  std::vector<RowResult> rows;
  for (const Row& row : AllRows()) {
    if (!all && std::ranges::find(arguments.only_rows, row.name) == arguments.only_rows.end()) continue;
    auto measured = row.run(context);
    if (!measured || Interrupted()) {
      fmt::print(stderr, "boxoffice-bench: {}: {}\n", row.name,
                 Interrupted() ? "interrupted"
                               : fmt::format("{} ({})", measured.error().detail, measured.error().reason));
      return 2;
    }
    fmt::print("{}", RenderTable(std::vector{*measured}));
    std::fflush(stdout);
    rows.push_back(*std::move(measured));
  }
  if (!arguments.json.empty()) {
    std::string text = RenderJson(comparison);
    text.pop_back();  // its closing brace
    if (!WriteFile(arguments.json, fmt::format("{},\"rows\":{}}}", text, RenderJson(rows)))) {
      fmt::print(stderr, "boxoffice-bench: can't write {}\n", arguments.json);
      return 2;
    }
  }
  return comparison.Sound() && Sound(rows) ? 0 : 1;
}

int Main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--help" || std::string_view(argv[i]) == "-h") {
      fmt::print("{}", kHelp);
      return 0;
    }
  }
  const auto arguments = Parse(argc, argv);
  if (!arguments) {
    fmt::print(stderr, "boxoffice-bench: {}\n", arguments.error().detail);
    return 2;
  }
  CatchInterrupts();
  if (arguments->scenario == "waiting") {
    const auto measured = RunWaiting(arguments->options);
    if (!Tell(measured, arguments->json)) return 2;
    return measured->audit.ok && measured->Errors() == 0 ? 0 : 1;
  }
  if (arguments->scenario == "compare") return CompareAll(*arguments);
  const bool race = arguments->scenario == "race";
  const auto measured = race ? RunRace(arguments->options) : RunSale(arguments->options);
  if (!Tell(measured, arguments->json)) return 2;
  const bool winners = race ? measured->confirmed == 1 : measured->confirmed > 0;
  return winners && measured->audit.ok && measured->ErrorRate() <= kMaxErrorRate ? 0 : 1;
}

}  // namespace
}  // namespace boxoffice::bench

int main(int argc, char** argv) { return boxoffice::bench::Main(argc, argv); }
