#include "chaos/run.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "chaos/inflict.h"

namespace boxoffice::chaos {
namespace {

constexpr milliseconds kTick{50};
constexpr milliseconds kFirst{2'500};    // buyers are there before anything happens
constexpr milliseconds kBetween{7'000};  // after a slot: so long buyers see how it recovers
constexpr std::chrono::seconds kGiveUp{
    50};  // after the round's last slot; what is not answered by then, never is
constexpr std::chrono::seconds kGone{90};
constexpr milliseconds kSkew{30'000};  // more than any clock is off
constexpr uint32_t kSeats = 3'000;     // of a round's show
constexpr std::chrono::seconds kHold{120};

class Runner {
 public:
  Runner(Stage& stage, const auth::TokenIssuer& issuer, const RunOptions& options, std::filesystem::path data,
         const Cluster::Wait& wait, const std::function<void(const std::string&)>& tell)
      : stage_(stage),
        issuer_(issuer),
        options_(options),
        data_(std::move(data)),
        wait_(wait),
        tell_(tell),
        plan_(options.kinds, options.seed),
        referee_(stage, issuer, [this](milliseconds time) { return Idle(time); }) {}

  Result<RunReport> Take() {
    RunReport run;
    run.seed = options_.seed;
    run.rate_per_s = options_.rate_per_s;
    run.kafka = stage_.ServerPid("kafka") != 0;
    run.begin = clock_.Now();
    const auto length = milliseconds(static_cast<int64_t>(options_.minutes * 60'000));
    until_ = run.begin + length;
    while (clock_.Now() < until_ && run.violations.empty() && !stopped_) BOXOFFICE_TRY(Round(run));
    run.end = clock_.Now();
    run.interrupted = stopped_;
    return run;
  }

 private:
  // Keeps the stage going meanwhile. False: it is to be broken off.
  bool Idle(milliseconds time) {
    const Timestamp until = clock_.Now() + time;
    do {
      for (const std::string& line : stage_.Look()) tell_("  " + line);
      stopped_ = stopped_ || !wait_(std::min(kTick, std::max(milliseconds(1), until - clock_.Now())));
    } while (!stopped_ && clock_.Now() < until);
    return !stopped_;
  }

  // All of a slot, from the first's beginning until the last is over. What has begun is ended, come what may.
  void RunSlot(const Slot& slot, std::vector<Happened>& happened) {
    struct Active {
      Fault fault;
      size_t index;  // in `happened`
    };
    std::vector<Active> active;
    const Timestamp begin = clock_.Now();
    size_t next = 0;
    while (next < slot.size() || !active.empty()) {
      if (next < slot.size() && clock_.Now() - begin >= slot[next].begin) {
        auto fault = Begin(stage_, slot[next++]);
        if (!fault) {
          tell_("  not done: " + fault.error().detail);
          continue;
        }
        tell_(fmt::format("{} {}: {}", ToRfc3339(clock_.Now()), KindName(fault->kind), fault->target));
        active.push_back({*std::move(fault), happened.size()});
        happened.push_back(
            {active.back().fault.kind, active.back().fault.target, clock_.Now(), {}, milliseconds(0)});
      }
      const bool go_on = Idle(kTick);
      std::erase_if(active, [&](const Active& one) {
        if (go_on && !one.fault.is_over()) return false;
        one.fault.end();
        happened[one.index].end = clock_.Now();
        return true;
      });
      if (!go_on) return;
    }
  }

  // How long buyers met trouble after a slot's end, until the next began.
  static milliseconds Recovery(const Crowd& crowd, Timestamp end, Timestamp next) {
    milliseconds longest{0};
    for (const Asked& asked : crowd.asked()) {
      if (asked.trouble && asked.end >= end && asked.end < next) longest = std::max(longest, asked.end - end);
    }
    return longest;
  }

  Result<void> Round(RunReport& run) {
    RoundReport round;
    BOXOFFICE_ASSIGN(round.show, referee_.MakeShow(kSeats, kHold));
    CrowdOptions options;
    options.gateways = stage_.Gateways();
    options.show = round.show;
    options.seats = kSeats;
    options.hold_ttl = kHold;
    options.rate_per_s = options_.rate_per_s;
    options.seed = options_.seed * 1'000 + run.rounds.size();
    options.name = fmt::format("round{}", run.rounds.size() + 1);
    Crowd crowd(options, issuer_);
    Idle(kFirst);
    struct Past {
      size_t first;  // of round.faults
      size_t last;
      Timestamp end;
      Timestamp next;
    };
    std::vector<Past> slots;
    for (const Slot& slot : plan_.NextRound(options_.faults_per_round)) {
      if (stopped_ || (clock_.Now() >= until_ && !slots.empty())) break;
      const size_t first = round.faults.size();
      RunSlot(slot, round.faults);
      slots.push_back({first, round.faults.size(), clock_.Now(), {}});
      Idle(kBetween);
      slots.back().next = clock_.Now();
    }
    const Timestamp ended = slots.empty() ? clock_.Now() : slots.back().end;
    crowd.Close(kGiveUp - (clock_.Now() - ended));
    const Timestamp patience = clock_.Now() + kGone;
    while (!crowd.gone() && clock_.Now() < patience && Idle(kTick)) {
    }
    if (stopped_) return {};  // what was not checked is not reported
    if (!crowd.gone()) return Fail(Code::kInternal, "crowd", "buyers who never go");
    crowd.Join();
    for (const Past& slot : slots) {
      const milliseconds recovery = Recovery(crowd, slot.end, slot.next);
      for (size_t i = slot.first; i < slot.last; ++i) round.faults[i].recovery = recovery;
    }
    round.verdict = referee_.Judge(crowd, round.show, ended, kSkew);
    if (stopped_) return {};
    Tell(run, round, crowd);
    if (!round.verdict.violations.empty()) WriteHistory(crowd);
    Add(run, std::move(round), crowd);
    return {};
  }

  void Tell(const RunReport& run, const RoundReport& round, const Crowd& crowd) {
    tell_(fmt::format(
        "{} round {}: {} faults, {} operations, {} confirmed, {} never answered, sagas ended after {} ms; "
        "{} violations",
        ToRfc3339(clock_.Now()), run.rounds.size() + 1, round.faults.size(), crowd.history().size(),
        round.verdict.confirmed, round.verdict.unknowns, round.verdict.sagas_ended.count(),
        round.verdict.violations.size()));
    for (const std::string& violation : round.verdict.violations) tell_("VIOLATION " + violation);
  }

  void WriteHistory(const Crowd& crowd) {
    std::ofstream out(data_ / "history.txt");
    for (const Operation& op : crowd.history())
      out << sim::ToString(op, crowd.history().front().invoked) << '\n';
    tell_(fmt::format("what buyers saw is in {}, logs are beside it", (data_ / "history.txt").string()));
  }

  Stage& stage_;
  const auth::TokenIssuer& issuer_;
  const RunOptions& options_;
  const std::filesystem::path data_;
  const Cluster::Wait& wait_;
  const std::function<void(const std::string&)>& tell_;
  const SystemClock clock_;
  Plan plan_;
  Referee referee_;
  Timestamp until_{};
  bool stopped_ = false;
};

}  // namespace

Result<RunReport> Run(Stage& stage, const auth::TokenIssuer& issuer, const RunOptions& options,
                      const std::filesystem::path& data, const Cluster::Wait& wait,
                      const std::function<void(const std::string&)>& tell) {
  return Runner(stage, issuer, options, data, wait, tell).Take();
}

}  // namespace boxoffice::chaos
