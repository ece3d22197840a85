#include "sim/faults.h"

#include <fmt/format.h>

namespace boxoffice::sim {

std::string_view FaultName(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return "none";
    case Fault::kCrashBefore:
      return "crash before";
    case Fault::kCrashAfter:
      return "crash after";
    case Fault::kReplyLost:
      return "reply lost";
    case Fault::kDelayed:
      return "delayed";
    case Fault::kDuplicated:
      return "duplicated";
    case Fault::kNotDone:
      return "not done";
    case Fault::kRefused:
      return "refused";
  }
  return "";
}

std::string_view PointKindName(PointKind kind) {
  switch (kind) {
    case PointKind::kCall:
      return "call";
    case PointKind::kCommit:
      return "commit";
    case PointKind::kPublish:
      return "publish";
    case PointKind::kReply:
      return "reply";
  }
  return "";
}

std::string Point::ToString() const { return fmt::format("{} {}", PointKindName(kind), name); }

void Injector::UseChance(uint64_t seed) {
  chance_ = true;
  seed_ = seed;
  Rng rng(seed ^ 0xfa17);
  for (const Fault fault : kChanceFaults) {
    constexpr uint64_t kRates[] = {0, 0, 3, 10, 40};
    per_mille_[fault] = kRates[rng.Below(std::size(kRates))];
  }
  constexpr std::string_view kServices[] = {"seat", "wallet", "payment", "reservation", "ranking"};
  constexpr uint64_t kPercents[] = {10, 50};
  slow_.service = kServices[rng.Below(std::size(kServices))];
  slow_.percent = kPercents[rng.Below(std::size(kPercents))];
}

void Injector::Arm() {
  armed_ = true;
  number_ = 0;
  points_.clear();
  hits_.clear();
}

// A point's fault depends on its number alone, so that sparing one leaves the others.
Fault Injector::ByChance() const {
  uint64_t rolled = Rng(seed_ ^ static_cast<uint64_t>(number_) * 0xd1b54a32d192ed03).Below(1000);
  for (const auto& [fault, per_mille] : per_mille_) {
    if (rolled < per_mille) return fault;
    rolled -= per_mille;
  }
  return Fault::kNone;
}

Fault Injector::At(PointKind kind, std::string_view name, milliseconds now, bool action) {
  Fault fault = Fault::kNone;
  if (chance_ && !spared_.contains(number_)) fault = ByChance();
  if (armed_) {
    points_.push_back({kind, std::string(name), action});
    if (const auto ordered = orders_.find(number_); ordered != orders_.end()) fault = ordered->second;
  }
  if (fault != Fault::kNone) hits_.push_back({number_, fault, {kind, std::string(name), action}, now});
  ++number_;
  return fault;
}

}  // namespace boxoffice::sim
