#include "sim/history.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace boxoffice::sim {
namespace {

using Kind = Operation::Kind;
using Outcome = Operation::Outcome;
using reservation::State;

constexpr Timestamp kForever = FromUnixMs(1LL << 52);

bool Takes(Kind kind) { return kind == Kind::kHold || kind == Kind::kPay; }

// A reservation certainly had these seats from one moment to the other.
struct Tenure {
  ReservationId reservation;
  std::vector<uint32_t> seats;
  Timestamp from{};
  Timestamp until{};
};

class Checker {
 public:
  Checker(const std::vector<Operation>& operations, const FinalRead& end, milliseconds skew)
      : operations_(operations), end_(end), skew_(skew) {}

  std::vector<std::string> Take() {
    CheckSeats();
    CheckRefusedSeats();
    CheckWallets();
    CheckReservations();
    CheckPrices();
    CheckKeys();
    return std::move(found_);
  }

 private:
  void Add(std::string text) { found_.push_back("history: " + std::move(text)); }

  // The first moment at which anything that may free its seats, or change them, was asked for. What an
  // operator asks for beside it may have come before or after.
  [[nodiscard]] Timestamp FirstChangeAfter(const Operation& took) const {
    Timestamp first = kForever;
    for (const Operation& op : operations_) {
      const bool was_before = op.outcome != Outcome::kUnknown && op.returned < took.invoked;
      if (op.reservation != took.reservation || was_before) continue;
      const bool frees = op.kind == Kind::kCancel || op.kind == Kind::kMove ||
                         (op.kind == Kind::kConfirm && op.outcome != Outcome::kOk);
      if (frees) first = std::min(first, op.invoked);
    }
    return first;
  }

  // No seat belongs to two at a time.
  void CheckSeats() {
    std::vector<Tenure> tenures;
    for (const Operation& op : operations_) {
      // What a repeat is told was so once, and may be no longer; here and below.
      if (op.outcome != Outcome::kOk || op.again) continue;
      if (!Takes(op.kind) && op.kind != Kind::kConfirm) continue;
      Timestamp until = FirstChangeAfter(op);
      if (op.state == State::kHeld) until = std::min(until, op.held_until - skew_);
      if (op.seats.empty() || until <= op.returned) continue;
      tenures.push_back({op.reservation, op.seats, op.returned, until});
    }
    for (size_t i = 0; i < tenures.size(); ++i) {
      for (size_t j = i + 1; j < tenures.size(); ++j) CompareTenures(tenures[i], tenures[j]);
    }
  }
  void CompareTenures(const Tenure& a, const Tenure& b) {
    if (a.reservation == b.reservation || a.from >= b.until || b.from >= a.until) return;
    for (const uint32_t seat : a.seats) {
      if (std::ranges::find(b.seats, seat) == b.seats.end()) continue;
      Add(fmt::format("seat {} was {}'s and {}'s at the same time", seat, a.reservation.ToString(),
                      b.reservation.ToString()));
    }
  }

  // Whoever was told that a seat is taken could find somebody there.
  void CheckRefusedSeats() {
    for (const Operation& op : operations_) {
      if (op.outcome != Outcome::kFailed || op.refusal != "seats_taken" || op.seats.empty()) continue;
      const bool somebody = std::ranges::any_of(operations_, [&](const Operation& other) {
        const bool may_have = Takes(other.kind) || other.kind == Kind::kMove || other.kind == Kind::kWithhold;
        if (&other == &op || !may_have || other.invoked > op.returned) return false;
        if (other.best || other.seats.empty()) return true;
        return std::ranges::any_of(
            other.seats, [&](uint32_t seat) { return std::ranges::find(op.seats, seat) != op.seats.end(); });
      });
      const bool offered = std::ranges::any_of(end_.reservations, [&](const auto& row) {
        return row.second.from_waitlist && row.first.uuid().Time() <= op.returned + skew_;
      });
      if (!somebody && !offered) Add(fmt::format("{} was refused seats that nobody had asked for", op.buyer));
    }
  }

  // Of who has a wallet and of who has ever asked for one: what was lost with its wallet leaves no balance.
  void CheckWallets() {
    std::set<std::string> buyers;
    for (const auto& [buyer, balance] : end_.balances) buyers.insert(buyer);
    for (const Operation& op : operations_) {
      if (op.kind == Kind::kTopUp) buyers.insert(op.buyer);
    }
    for (const std::string& buyer : buyers) {
      const auto has = end_.balances.find(buyer);
      const int64_t balance = has == end_.balances.end() ? 0 : has->second;
      int64_t expected = 0;
      const auto ledger = end_.paid_in.find(buyer);
      const std::map<std::string, int64_t> none;
      const auto& paid_in = ledger == end_.paid_in.end() ? none : ledger->second;
      for (const auto& [key, amount] : paid_in) expected += amount;
      for (const auto& [id, row] : end_.reservations) {
        if (row.buyer != buyer) continue;
        if (row.state == State::kConfirmed) expected -= row.amount + row.fees;
        if (row.state == State::kCancelled) expected -= row.fees;
      }
      if (balance != expected)
        Add(fmt::format("{} has {}, and what was paid in and bought leaves {}", buyer, balance, expected));
      CheckTopUps(buyer, paid_in);
    }
  }
  void CheckTopUps(const std::string& buyer, const std::map<std::string, int64_t>& paid_in) {
    std::set<std::string> known;
    for (const Operation& op : operations_) {
      if (op.kind != Kind::kTopUp || op.buyer != buyer) continue;
      const auto entry = paid_in.find(op.key);
      const bool there = entry != paid_in.end();
      if (there) known.insert(op.key);
      if (op.outcome == Outcome::kOk && !there)
        Add(fmt::format("the top-up {} of {} is gone", op.key, buyer));
      if (op.outcome == Outcome::kFailed && there)
        Add(fmt::format("the top-up {} of {} was refused, and done", op.key, buyer));
      if (there && entry->second != op.amount)
        Add(fmt::format("the top-up {} of {} came to {}, not {}", op.key, buyer, entry->second, op.amount));
    }
    if (known.size() != paid_in.size()) Add(fmt::format("{} was topped up by nobody", buyer));
    CheckTooLow(buyer);
  }
  // Whoever was told that the balance is too low could have had so little.
  void CheckTooLow(const std::string& buyer) {
    for (const Operation& op : operations_) {
      if (op.buyer != buyer || op.refusal != "balance_too_low" || op.amount == 0 || op.again) continue;
      int64_t least = 0;
      for (const Operation& other : operations_) {
        if (other.buyer != buyer || &other == &op) continue;
        const bool paid_in = other.kind == Kind::kTopUp && other.outcome == Outcome::kOk && !other.again;
        if (paid_in && other.returned < op.invoked) least += other.amount;
        const bool may_spend = other.kind == Kind::kPay || other.kind == Kind::kConfirm;
        if (may_spend && other.invoked < op.returned) least -= other.amount == 0 ? 1'000'000 : other.amount;
      }
      if (least >= op.amount)
        Add(fmt::format("{} had at least {}, and was told that it is less than {}", buyer, least, op.amount));
    }
  }

  [[nodiscard]] bool AnyAfter(const Operation& op, auto&& kind_of) const {
    return std::ranges::any_of(operations_, [&](const Operation& other) {
      return &other != &op && other.reservation == op.reservation && kind_of(other);
    });
  }

  // What was answered is not taken back, but by who asked for it.
  void CheckReservations() {
    for (const Operation& op : operations_) {
      if (op.kind == Kind::kTopUp || op.reservation.IsNil() || op.outcome == Outcome::kUnknown) continue;
      const auto found = end_.reservations.find(op.reservation);
      if (found == end_.reservations.end()) {
        Add(fmt::format("{} was answered, and does not exist", op.reservation.ToString()));
        continue;
      }
      if (found->second.version < op.version)
        Add(fmt::format("{} went back from version {} to {}", op.reservation.ToString(), op.version,
                        found->second.version));
      CheckEnd(op, found->second);
    }
  }
  void CheckEnd(const Operation& op, const FinalRead::Row& end) {
    const std::string id = op.reservation.ToString();
    const bool cancelled = AnyAfter(op, [](const Operation& other) { return other.kind == Kind::kCancel; });
    const bool confirmed = AnyAfter(op, [](const Operation& other) { return other.kind == Kind::kConfirm; });
    const bool buys = op.kind == Kind::kPay || op.kind == Kind::kConfirm;
    if (op.outcome == Outcome::kOk && buys) {
      const bool may_end = cancelled || end.ended_by_show;
      const bool kept = end.state == State::kConfirmed || (end.state == State::kCancelled && may_end);
      if (!kept)
        Add(fmt::format("{} was answered CONFIRMED, and is {}", id, reservation::StateName(end.state)));
      if (end.state == State::kConfirmed) CheckOwners(op.reservation, end);
    }
    if (op.outcome == Outcome::kOk && op.kind == Kind::kCancel && op.all && !reservation::IsEnd(end.state))
      Add(fmt::format("{} was answered cancelled, and is {}", id, reservation::StateName(end.state)));
    if (op.outcome == Outcome::kFailed && op.kind == Kind::kPay && !confirmed &&
        end.state == State::kConfirmed)
      Add(fmt::format("{} was answered {}, and is CONFIRMED", id, op.refusal));
    if (op.outcome == Outcome::kOk && op.kind == Kind::kHold && end.state == State::kConfirmed && !confirmed)
      Add(fmt::format("{} is CONFIRMED, and nobody had asked for it", id));
  }
  // What is confirmed costs what was said when it was held.
  void CheckPrices() {
    std::map<ReservationId, const Operation*> held;
    for (const Operation& op : operations_) {
      if (op.outcome != Outcome::kOk || op.again) continue;
      if (op.kind == Kind::kHold && op.state == State::kHeld) held[op.reservation] = &op;
      if (op.kind != Kind::kConfirm || !held.contains(op.reservation)) continue;
      const Operation& hold = *held[op.reservation];
      if (hold.seats == op.seats && hold.amount != op.amount)
        Add(fmt::format("{} was held for {}, and has cost {}", op.reservation.ToString(), hold.amount,
                        op.amount));
    }
  }
  void CheckOwners(ReservationId id, const FinalRead::Row& end) {
    for (const uint32_t seat : end.seats) {
      const auto owner = end_.owners.find(seat);
      if (owner == end_.owners.end() || owner->second != id)
        Add(fmt::format("{} bought seat {}, and has it not", id.ToString(), seat));
    }
  }

  // One key, one request, one answer: also after the reservation has moved on.
  void CheckKeys() {
    std::map<std::pair<std::string, std::string>, const Operation*> first;
    for (const Operation& op : operations_) {
      if (op.outcome == Outcome::kUnknown || op.kind == Kind::kTopUp) continue;
      if ((op.refusal == "idempotency_key_reused") != op.other_body) {
        Add(fmt::format("the key {} of {}, asked {}, was answered {}", op.key, op.buyer,
                        op.other_body ? "with another body" : "as before",
                        op.refusal.empty() ? "as if it were new" : op.refusal));
        continue;
      }
      if (op.outcome != Outcome::kOk) continue;
      const auto [seen, added] = first.try_emplace({op.buyer, op.key}, &op);
      if (added) continue;
      const Operation& before = *seen->second;
      if (before.reservation == op.reservation && before.state == op.state && before.version == op.version &&
          before.seats == op.seats)
        continue;
      Add(fmt::format("the key {} of {} was answered with {} v{} and with {} v{}", op.key, op.buyer,
                      before.reservation.ToString(), before.version, op.reservation.ToString(), op.version));
    }
  }

  const std::vector<Operation>& operations_;
  const FinalRead& end_;
  const milliseconds skew_;
  std::vector<std::string> found_;
};

}  // namespace

std::string_view OperationName(Operation::Kind kind) {
  switch (kind) {
    case Kind::kTopUp:
      return "top-up";
    case Kind::kHold:
      return "hold";
    case Kind::kPay:
      return "pay";
    case Kind::kConfirm:
      return "confirm";
    case Kind::kCancel:
      return "cancel";
    case Kind::kMove:
      return "move";
    case Kind::kWithhold:
      return "withhold";
  }
  return "";
}

std::string ToString(const Operation& op, Timestamp start) {
  constexpr std::string_view kOutcomes[] = {"ok", "failed", "unknown"};
  return fmt::format("{:>7} to {:>7} ms  {} {} {} {}: {} {} {} v{}, seats {}", (op.invoked - start).count(),
                     op.returned == Timestamp() ? 0 : (op.returned - start).count(), op.buyer,
                     OperationName(op.kind), op.key, op.reservation.ToString(),
                     kOutcomes[static_cast<size_t>(op.outcome)], op.refusal, reservation::StateName(op.state),
                     op.version, fmt::join(op.seats, " "));
}

std::vector<std::string> CheckHistory(const std::vector<Operation>& operations, const FinalRead& end,
                                      milliseconds skew) {
  return Checker(operations, end, skew).Take();
}

}  // namespace boxoffice::sim
