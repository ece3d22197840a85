#include "chaos/inflict.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <fstream>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace boxoffice::chaos {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Running = Stage::Running;

constexpr std::array kServices = {"queue",       "seat",    "wallet", "payment",
                                  "reservation", "ranking", "relay",  "gateway"};
constexpr uint64_t kPercentBoth = 30;
constexpr milliseconds kAgain{400};           // between two resets
constexpr std::chrono::seconds kGivesUp{45};  // waiting for what was killed, and is not there again
// Clocks may be off by 30 s (tokens), here by this at most.
constexpr int64_t kLeastJumpMs = 2'000;
constexpr int64_t kMostJumpMs = 25'000;

// The draw's digits: each asks for its own.
class Draw {
 public:
  explicit Draw(uint64_t bits) : bits_(bits) {}
  uint64_t Below(uint64_t bound) {
    const uint64_t drawn = bits_ % bound;
    bits_ /= bound;
    return drawn;
  }

 private:
  uint64_t bits_;
};

std::function<bool()> After(milliseconds duration) {
  return [until = SteadyClock::now() + duration] { return SteadyClock::now() >= until; };
}

std::string NamesOf(const std::vector<Running>& replicas) {
  std::vector<std::string> names;
  for (const Running& replica : replicas) names.push_back(replica.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

// One or both replicas of a service.
std::vector<Running> Victims(const Stage& stage, Draw& draw) {
  std::vector<Running> replicas = stage.ReplicasOf(kServices[draw.Below(kServices.size())]);
  if (draw.Below(100) >= kPercentBoth) replicas = {replicas[draw.Below(replicas.size())]};
  return replicas;
}

// Whether other processes have taken the places of these, and are ready.
bool AreBack(const Stage& stage, const std::vector<Running>& before) {
  return std::ranges::all_of(before, [&](const Running& old) {
    for (const Running& now : stage.Replicas()) {
      if (now.name == old.name) return now.pid != old.pid && Stage::IsReady(now);
    }
    return false;
  });
}

// A process and all that it has started, and these. One that is stopped starts nothing more.
std::vector<pid_t> StopTree(pid_t root) {
  std::vector<pid_t> pids{root};
  for (size_t i = 0; i < pids.size(); ++i) {
    ::kill(pids[i], SIGSTOP);
    std::ifstream children(fmt::format("/proc/{}/task/{}/children", pids[i], pids[i]));
    for (pid_t child = 0; children >> child;) pids.push_back(child);
  }
  return pids;
}

Fault Kill(Stage& stage, Draw& draw) {
  const std::vector<Running> victims = Victims(stage, draw);
  for (const Running& victim : victims) ::kill(victim.pid, SIGKILL);
  auto over = [&stage, victims, late = After(kGivesUp)] { return AreBack(stage, victims) || late(); };
  return {Kind::kKill, NamesOf(victims), over, [] {}};
}

Fault Stop(Stage& stage, Draw& draw, milliseconds duration) {
  const std::vector<Running> victims = Victims(stage, draw);
  for (const Running& victim : victims) ::kill(victim.pid, SIGSTOP);
  // Whoever was killed meanwhile has another id, and runs.
  auto end = [&stage, victims] {
    const std::vector<Running> now = stage.Replicas();
    for (const Running& victim : victims) {
      if (std::ranges::find(now, victim.pid, &Running::pid) != now.end()) ::kill(victim.pid, SIGCONT);
    }
  };
  return {Kind::kStop, fmt::format("{} for {} ms", NamesOf(victims), duration.count()), After(duration), end};
}

// One after the other, each once the one before it is back.
Fault Roll(Stage& stage, Draw& draw) {
  const std::vector<Running> replicas = stage.ReplicasOf(kServices[draw.Below(kServices.size())]);
  auto next = std::make_shared<size_t>(0);
  auto over = [&stage, replicas, next, late = After(2 * kGivesUp)] {
    if (late()) return true;
    if (*next > 0 && !AreBack(stage, {replicas[*next - 1]})) return false;
    if (*next == replicas.size()) return true;
    ::kill(replicas[(*next)++].pid, SIGTERM);
    return false;
  };
  return {Kind::kRoll, replicas.front().service, over, [] {}};
}

Fault KillServer(Stage& stage, Kind kind, const std::string& name) {
  const pid_t pid = stage.ServerPid(name);
  ::kill(pid, SIGKILL);
  auto over = [&stage, name, pid, late = After(kGivesUp)] { return stage.ServerPid(name) != pid || late(); };
  return {kind, name, over, [] {}};
}

Fault StopServer(Stage& stage, Kind kind, const std::string& name, milliseconds duration) {
  const std::vector<pid_t> pids = StopTree(stage.ServerPid(name));
  auto end = [&stage, name, pids] {
    if (stage.ServerPid(name) != pids.front())
      return;  // it was killed meanwhile, and its children have gone with it
    for (const pid_t pid : pids) ::kill(pid, SIGCONT);
  };
  return {kind, fmt::format("{} for {} ms", name, duration.count()), After(duration), end};
}

// The ways from one service to another, to one replica of it or to both; or to its store.
std::vector<Link*> Ways(const Stage& stage, Draw& draw) {
  std::vector<std::pair<std::string, std::string>> edges;
  const auto callee = [](const Link& link) { return link.to().substr(0, link.to().find('-')); };
  for (const auto& link : stage.links()) {
    const std::pair edge(link->from(), callee(*link));
    if (std::ranges::find(edges, edge) == edges.end()) edges.push_back(edge);
  }
  const auto& [from, to] = edges[draw.Below(edges.size())];
  std::vector<Link*> ways;
  for (const auto& link : stage.links()) {
    if (link->from() == from && callee(*link) == to) ways.push_back(link.get());
  }
  if (ways.size() > 1 && draw.Below(100) >= 2 * kPercentBoth) ways = {ways[draw.Below(ways.size())]};
  return ways;
}

std::string NameOf(const std::vector<Link*>& ways) {
  std::vector<std::string> to;
  for (const Link* way : ways) to.push_back(way->to());
  return fmt::format("{} to {}", ways.front()->from(), fmt::join(to, ", "));
}

Fault Delay(const Stage& stage, Draw& draw, milliseconds duration) {
  const std::vector<Link*> ways = Ways(stage, draw);
  const auto by = milliseconds(20 + static_cast<int64_t>(draw.Below(480)));
  for (Link* way : ways) way->Delay(by);
  auto end = [ways] {
    for (Link* way : ways) way->Delay(milliseconds(0));
  };
  return {Kind::kLatency,
          fmt::format("{}: {} ms each way, for {} ms", NameOf(ways), by.count(), duration.count()),
          After(duration), end};
}

Fault Reset(const Stage& stage, Draw& draw, milliseconds duration) {
  const std::vector<Link*> ways = Ways(stage, draw);
  auto next = std::make_shared<SteadyClock::time_point>();
  auto over = [ways, next, done = After(duration)] {
    if (done()) return true;
    if (SteadyClock::now() < *next) return false;
    *next = SteadyClock::now() + kAgain;
    for (Link* way : ways) way->Reset();
    return false;
  };
  return {Kind::kReset, fmt::format("{} for {} ms", NameOf(ways), duration.count()), over, [] {}};
}

Fault Partition(const Stage& stage, Draw& draw, milliseconds duration) {
  const std::vector<Link*> ways = Ways(stage, draw);
  constexpr std::array kHow = {"there", "back", "both ways"};
  const uint64_t how = draw.Below(kHow.size());
  for (Link* way : ways) way->Cut(how != 1, how != 0);
  auto end = [ways] {
    for (Link* way : ways) way->Cut(false, false);
  };
  return {Kind::kPartition, fmt::format("{}, {}, for {} ms", NameOf(ways), kHow[how], duration.count()),
          After(duration), end};
}

Result<Fault> Fill(Stage& stage, Draw& draw, milliseconds duration) {
  const std::vector<std::string> disks = stage.disks();
  const std::string& disk = disks[draw.Below(disks.size())];
  BOXOFFICE_TRY(stage.FillDisk(disk));
  return Fault{Kind::kDisk, fmt::format("{} for {} ms", disk, duration.count()), After(duration),
               [&stage, disk] { stage.FreeDisk(disk); }};
}

Fault JumpClock(Stage& stage, Draw& draw, milliseconds duration) {
  const std::vector<Running> replicas = stage.ReplicasOf(kServices[draw.Below(kServices.size())]);
  const std::string victim = replicas[draw.Below(replicas.size())].name;
  int64_t ahead_ms = kLeastJumpMs + static_cast<int64_t>(draw.Below(kMostJumpMs - kLeastJumpMs));
  if (draw.Below(2) == 0) ahead_ms = -ahead_ms;
  stage.SetClock(victim, milliseconds(ahead_ms));
  return {Kind::kClock, fmt::format("{} by {} ms, for {} ms", victim, ahead_ms, duration.count()),
          After(duration), [&stage, victim] { stage.SetClock(victim, milliseconds(0)); }};
}

}  // namespace

bool IsPossible(const Stage& stage, Kind kind) {
  if (kind == Kind::kKafkaKill || kind == Kind::kKafkaStop) return stage.ServerPid("kafka") != 0;
  return kind != Kind::kDisk || !stage.disks().empty();
}

Result<Fault> Begin(Stage& stage, const Planned& planned) {
  if (!IsPossible(stage, planned.kind))
    return Fail(Code::kNotFound, "nothing_to_break", std::string(KindName(planned.kind)));
  Draw draw(planned.draw);
  switch (planned.kind) {
    case Kind::kKill:
      return Kill(stage, draw);
    case Kind::kStop:
      return Stop(stage, draw, planned.duration);
    case Kind::kRoll:
      return Roll(stage, draw);
    case Kind::kPostgresKill:
      return KillServer(stage, planned.kind, "postgresql");
    case Kind::kPostgresStop:
      return StopServer(stage, planned.kind, "postgresql", planned.duration);
    case Kind::kRedisKill:
      return KillServer(stage, planned.kind, "redis");
    case Kind::kRedisStop:
      return StopServer(stage, planned.kind, "redis", planned.duration);
    case Kind::kKafkaKill:
      return KillServer(stage, planned.kind, "kafka");
    case Kind::kKafkaStop:
      return StopServer(stage, planned.kind, "kafka", planned.duration);
    case Kind::kLatency:
      return Delay(stage, draw, planned.duration);
    case Kind::kReset:
      return Reset(stage, draw, planned.duration);
    case Kind::kPartition:
      return Partition(stage, draw, planned.duration);
    case Kind::kDisk:
      return Fill(stage, draw, planned.duration);
    case Kind::kClock:
      return JumpClock(stage, draw, planned.duration);
  }
  return Fail(Code::kNotFound, "nothing_to_break", "");
}

}  // namespace boxoffice::chaos
