// boxoffice-chaos: `./dev chaos`. Breaks a scaled system of its own, under load, and checks it.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "chaos/inflict.h"
#include "chaos/run.h"
#include "platform/auth/development.h"
#include "platform/module/process.h"
#include "platform/obs/log.h"
#include "rehearsal/interrupt.h"
#include "testing/temp_dir.h"

namespace boxoffice::chaos {
namespace {

constexpr int kCant = 2;  // as ExitCode has it

struct Wanted {
  RunOptions run;
  std::vector<std::string> faults;
  std::filesystem::path json;
  std::filesystem::path keep;  // for the logs
  std::string kafka_class_path;
  bool no_kafka = false;
};

// False: somebody wants it to end.
bool Wait(milliseconds time) {
  timespec left{time.count() / 1'000, time.count() % 1'000 * 1'000'000};
  while (!rehearsal::Interrupted() && ::nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
  return !rehearsal::Interrupted();
}

int Fails(const Error& error) {
  fmt::print(stderr, "chaos: {}: {}\n", error.reason, error.detail);
  return kCant;
}

// What was asked for and can be done, and what was left out, and why.
std::vector<Kind> Possible(const Stage& stage, const Wanted& wanted, std::vector<std::string>& left_out) {
  std::vector<Kind> kinds;
  for (const Kind kind : kAllKinds) {
    const bool asked =
        wanted.faults.empty() || std::ranges::find(wanted.faults, KindName(kind)) != wanted.faults.end();
    if (!asked) continue;
    if (IsPossible(stage, kind)) {
      kinds.push_back(kind);
    } else {
      left_out.push_back(
          fmt::format("{}: {}", KindName(kind),
                      kind == Kind::kDisk ? "only root can mount a disk" : "the bus is a SQLite file"));
    }
  }
  return kinds;
}

// The logs of a run that failed outlive it.
void Keep(const Wanted& wanted, const std::filesystem::path& data) {
  if (wanted.keep.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(wanted.keep, error);
  const auto options =
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing;
  std::filesystem::copy(data / "logs", wanted.keep / "logs", options, error);
  std::filesystem::copy_file(data / "history.txt", wanted.keep / "history.txt", options, error);
}

int RunAll(Wanted wanted) {
  rehearsal::CatchInterrupts();
  obs::SetLogLevel(obs::Level::kError);
  StageOptions options;
  // Before the mounts are its own: in a changed root its path can't be told afterwards.
  options.programs = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  options.disks = Stage::AllowDisks();
  module::RaiseFileLimit();
  if (!wanted.no_kafka && !wanted.kafka_class_path.empty())
    options.kafka_class_path = wanted.kafka_class_path;
  const testbed::TempDir dir;
  options.data = dir.path();
  auto stage = Stage::Start(options, Wait);
  if (!stage) {
    Keep(wanted, dir.path());
    return Fails(stage.error());
  }
  const auto config = auth::DevelopmentTokens(options.data);
  const SystemClock clock;
  const auto issuer = config ? auth::TokenIssuer::Make(*config, clock) : std::unexpected(config.error());
  if (!issuer) return Fails(issuer.error());
  std::vector<std::string> left_out;
  wanted.run.kinds = Possible(**stage, wanted, left_out);
  if (wanted.run.kinds.empty())
    return Fails({Code::kInvalidArgument, "faults", fmt::format("{}", fmt::join(left_out, "; "))});
  const auto tell = [](const std::string& line) { fmt::print("{}\n", line); };
  auto run = Run(**stage, *issuer, wanted.run, dir.path(), Wait, tell);
  const bool failed = !run || !run->violations.empty();
  if (failed) Keep(wanted, dir.path());
  if (!(*stage)->Stop()) fmt::print(stderr, "chaos: some processes had to be killed at the end\n");
  if (!run) return Fails(run.error());
  run->left_out = left_out;
  fmt::print("{}", RenderTable(*run));
  if (!wanted.json.empty()) std::ofstream(wanted.json) << RenderJson(*run) << '\n';
  return ExitCode(*run);
}

int Main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  Wanted wanted;
  CLI::App app(
      "Starts the scaled system with two replicas of each service on servers of its own, breaks it under "
      "load in rounds, "
      "and checks it after each.");
  app.add_option("--minutes", wanted.run.minutes, "So long; the round that has begun is finished")
      ->check(CLI::Range(0.01, 10'000.0))
      ->capture_default_str();
  std::vector<std::string> names;
  for (const Kind kind : kAllKinds) names.emplace_back(KindName(kind));
  app.add_option(
         "--faults", wanted.faults,
         "These kinds, with commas in between; else all: " + fmt::format("{}", fmt::join(names, ", ")))
      ->delimiter(',')
      ->check(CLI::IsMember(names));
  app.add_option("--seed", wanted.run.seed, "Of the plan: which faults, where, how long")
      ->capture_default_str();
  app.add_option("--rate", wanted.run.rate_per_s, "Buyers a second")
      ->check(CLI::Range(0.1, 10'000.0))
      ->capture_default_str();
  app.add_option("--round", wanted.run.faults_per_round, "Faults in a round")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--json", wanted.json, "Write the report there, too");
  app.add_option("--out", wanted.keep, "Copy the logs there, and what buyers saw, if it fails");
  app.add_option("--kafka-class-path", wanted.kafka_class_path,
                 "Where Kafka's jars are; ./dev chaos gives it")
      ->envname("BOXOFFICE_KAFKA_CLASS_PATH");
  app.add_flag("--no-kafka", wanted.no_kafka, "The event bus is a SQLite file");
  app.footer(
      "Exit codes: 0 nothing was found; 1 a violation; 2 it could not be run, was interrupted, or broke "
      "nothing.");
  CLI11_PARSE(app, argc, argv);
  return RunAll(std::move(wanted));
}

}  // namespace
}  // namespace boxoffice::chaos

int main(int argc, char** argv) { return boxoffice::chaos::Main(argc, argv); }
