#include "chaos/faults.h"

#include <algorithm>
#include <utility>

namespace boxoffice::chaos {
namespace {

struct Named {
  Kind kind;
  std::string_view name;
  // How long it lasts. None: it is over by itself.
  milliseconds least{0};
  milliseconds most{0};
};
constexpr Named kNamed[] = {
    {Kind::kKill, "kill"},
    {Kind::kStop, "stop", milliseconds(2'000), milliseconds(20'000)},  // a lease is 15 s
    {Kind::kRoll, "roll"},
    {Kind::kPostgresKill, "postgres-kill"},
    {Kind::kPostgresStop, "postgres-stop", milliseconds(2'000), milliseconds(12'000)},
    {Kind::kRedisKill, "redis-kill"},
    {Kind::kRedisStop, "redis-stop", milliseconds(2'000), milliseconds(12'000)},
    {Kind::kKafkaKill, "kafka-kill"},
    {Kind::kKafkaStop, "kafka-stop", milliseconds(2'000), milliseconds(12'000)},
    {Kind::kLatency, "latency", milliseconds(4'000), milliseconds(12'000)},
    {Kind::kReset, "reset", milliseconds(2'000), milliseconds(8'000)},
    {Kind::kPartition, "partition", milliseconds(2'000), milliseconds(18'000)},
    {Kind::kDisk, "disk", milliseconds(3'000), milliseconds(10'000)},
    {Kind::kClock, "clock", milliseconds(3'000), milliseconds(12'000)},
};

constexpr milliseconds kByItself{3'000};  // what takes its own time takes, about
constexpr uint64_t kPercentDouble = 30;

const Named& Of(Kind kind) { return *std::ranges::find(kNamed, kind, &Named::kind); }

}  // namespace

std::string_view KindName(Kind kind) { return Of(kind).name; }

std::optional<Kind> ParseKind(std::string_view name) {
  const auto* const found = std::ranges::find(kNamed, name, &Named::name);
  if (found == std::end(kNamed)) return std::nullopt;
  return found->kind;
}

Planned Plan::Draw() {
  if (bag_.empty()) bag_ = kinds_;
  const size_t index = random_.Below(bag_.size());
  Planned planned;
  planned.kind = bag_[index];
  bag_.erase(bag_.begin() + static_cast<std::ptrdiff_t>(index));
  const Named& named = Of(planned.kind);
  const auto spread = static_cast<uint64_t>((named.most - named.least).count());
  planned.duration = named.least + milliseconds(static_cast<int64_t>(random_.Below(spread + 1)));
  planned.draw = random_.Next();
  return planned;
}

std::vector<Slot> Plan::NextRound(int faults) {
  std::vector<Slot> round;
  for (int i = 0; i < faults; ++i) {
    Slot slot{Draw()};
    if (i + 1 < faults && random_.Below(100) < kPercentDouble) {
      const milliseconds takes = std::max(slot.front().duration, kByItself);
      slot.push_back(Draw());
      slot.back().begin =
          milliseconds(static_cast<int64_t>(random_.Below(static_cast<uint64_t>(takes.count() / 2))));
      ++i;
    }
    round.push_back(std::move(slot));
  }
  return round;
}

}  // namespace boxoffice::chaos
