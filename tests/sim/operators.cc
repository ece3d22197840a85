#include "sim/operators.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"

namespace boxoffice::sim {
namespace {

constexpr int64_t kPatienceUs = 8'000'000;
constexpr Timestamp kForever = FromUnixMs(1LL << 52);
// An answer, and its commit, are told in milliseconds.
constexpr milliseconds kTick{1};

template <typename T>
bool Has(const std::vector<T>& all, const T& one) {
  return std::ranges::find(all, one) != all.end();
}

seat::BlockSeats BlockOf(std::vector<uint32_t> seats, bool release) {
  return {World::kShow, std::move(seats), release, "a camera", "operator"};
}

}  // namespace

void Operators::Work(int operators) {
  for (int i = 0; i < operators; ++i) Next();
}

void Operators::Next() {
  world_.scheduler().After(world_.rng().Between(200'000, 3'000'000), nullptr, [this] {
    if (!stopped_) ActByChance([this] { Next(); });
  });
}

void Operators::Ask(Act act, World::OperatorAsks asks, Then then) {
  const size_t index = acts_.size();
  act.invoked = world_.scheduler().Now();
  acts_.push_back(std::move(act));
  const auto over = std::make_shared<bool>(false);
  const auto end = [over, then = std::move(then)] {
    if (!std::exchange(*over, true)) then();
  };
  world_.AskAsOperator(std::move(asks), [this, index, over, end](bool done) {
    if (*over) return;
    acts_[index].answered = world_.scheduler().Now();
    acts_[index].done = done;
    end();
  });
  world_.scheduler().After(kPatienceUs, nullptr, end);
}

std::vector<uint32_t> Operators::SomeSeats() {
  Rng& rng = world_.rng();
  const auto capacity = static_cast<int64_t>(world_.seats().show.layout->capacity());
  const auto first = static_cast<uint32_t>(rng.Between(1, capacity));
  std::vector<uint32_t> seats{first};
  if (first < capacity && rng.Chance(50)) seats.push_back(first + 1);
  return seats;
}

void Operators::ActByChance(const Then& then) {
  Rng& rng = world_.rng();
  Act act;
  act.seats = SomeSeats();
  const uint64_t drawn = rng.Below(100);
  if (drawn < 45) {
    const bool release = drawn < 20;
    act.kind = release ? Kind::kUnblock : Kind::kBlock;
    const seat::BlockSeats block = BlockOf(act.seats, release);
    return Ask(
        act,
        [block](seat::SeatService& service, seat::SeatService::Done done) {
          service.Block(block, std::nullopt, std::move(done));
        },
        then);
  }
  // By chance a colleague changes something of the kind at the same moment.
  if (drawn >= 87) {
    if (rng.Chance(50)) ChangePrices([] {});
    return ChangePrices(then);
  }
  if (drawn >= 70 && MayChangeTerms()) {
    if (rng.Chance(50)) ChangeTerms(Kind::kLimit, [] {});
    return ChangeTerms(rng.Chance(25) ? Kind::kLimit : Kind::kSaleEnd, then);
  }
  seat::AssignChannel assign{World::kShow, act.seats, {}, {}, "fans first", "operator", {}};
  act.kind = drawn < 57 ? Kind::kGiveBack : Kind::kAssign;
  if (act.kind == Kind::kAssign) {
    act.channel = assign.channel = rng.Chance(75) ? World::kChannel : "press";
    if (rng.Chance(30)) act.until = world_.scheduler().Now() + milliseconds(rng.Between(1'000, 10'000));
    assign.until = act.until;
  } else if (rng.Chance(50)) {  // all of a channel's
    act.channel = assign.from_channel = World::kChannel;
    act.seats.clear();
    assign.seats.clear();
  }
  Ask(
      act,
      [assign](seat::SeatService& service, seat::SeatService::Done done) {
        service.Assign(assign, std::nullopt, std::move(done));
      },
      then);
}

void Operators::ChangePrices(const Then& then) {
  Rng& rng = world_.rng();
  Act act{.kind = Kind::kPrice, .value = World::kPrice * rng.Between(1, 4) / 2};
  seat::PriceChange change;
  change.reason = "demand";
  change.operator_id = "operator";
  if (rng.Chance(50)) {
    change.categories = {{"A", act.value}};
  } else {
    change.price = act.value;
    change.seats = act.seats = SomeSeats();
  }
  Ask(
      act,
      [change](seat::SeatService& service, seat::SeatService::Done done) {
        const auto changed = service.ChangePrices(World::kShow, change, std::nullopt);
        done(changed ? Result<seat::Outcome>() : std::unexpected(changed.error()));
      },
      then);
}

void Operators::ChangeTerms(Kind kind, const Then& then) {
  Rng& rng = world_.rng();
  Act act{.kind = kind, .value = rng.Between(1, 4)};
  if (kind == Kind::kSaleEnd) {
    // Soon, or not for long.
    const Timestamp soon = world_.scheduler().Now() + milliseconds(rng.Between(0, 4'000));
    act.value = ToUnixMs(rng.Chance(50) ? soon : world_.seats().show.starts_at);
  }
  Ask(act, TermsOf(act), then);
}

World::OperatorAsks Operators::TermsOf(const Act& act) {
  seat::TermsChange change;
  if (act.kind == Kind::kLimit) change.seat_limit = static_cast<uint32_t>(act.value);
  if (act.kind == Kind::kSaleEnd) change.sale_ends_at = FromUnixMs(act.value);
  return [change](seat::SeatService& service, seat::SeatService::Done done) {
    const auto changed = service.UpdateShow(World::kShow, change);
    done(changed ? Result<seat::Outcome>() : std::unexpected(changed.error()));
  };
}

bool Operators::MayChangeTerms() const { return world_.options().hold_ttl >= seat::kMinHoldTtl; }

void Operators::Insist(const Act& act, const World::OperatorAsks& asks) {
  const size_t index = acts_.size();
  insisted_.insert(index);
  Ask(act, asks, [this, act, asks, index] {
    if (!acts_[index].done && insisted_.erase(index) > 0) Insist(act, asks);
  });
}

void Operators::GiveAllBack() {
  CHECK(stopped_);
  for (size_t i = 0; i < acts_.size(); ++i) JudgeWhatIs(i, wrong_before_);
  Act act;
  for (uint32_t no = 1; no <= world_.seats().show.layout->capacity(); ++no) act.seats.push_back(no);
  act.kind = Kind::kUnblock;
  Insist(act, [seats = act.seats](seat::SeatService& service, seat::SeatService::Done done) {
    service.Block(BlockOf(seats, true), std::nullopt, std::move(done));
  });
  act.kind = Kind::kGiveBack;
  Insist(act, [seats = act.seats](seat::SeatService& service, seat::SeatService::Done done) {
    service.Assign({World::kShow, seats, {}, {}, "the rest", "operator", {}}, std::nullopt, std::move(done));
  });
  if (!MayChangeTerms()) return;
  for (const Act& terms : {Act{.kind = Kind::kSaleEnd, .value = ToUnixMs(world_.seats().show.starts_at)},
                           Act{.kind = Kind::kLimit, .value = 3}})
    Insist(terms, TermsOf(terms));
}

std::vector<Operation> Operators::Withheld() const {
  std::vector<Operation> withheld;
  for (const Act& act : acts_) {
    if (act.kind != Kind::kBlock && act.kind != Kind::kAssign) continue;
    Operation& op = withheld.emplace_back();
    op.kind = Operation::Kind::kWithhold;
    op.buyer = "operator";
    op.invoked = act.invoked;
    op.seats = act.seats;
  }
  return withheld;
}

size_t Operators::done() const {
  const auto done = static_cast<size_t>(std::ranges::count(acts_, true, &Act::done));
  return done - std::min(done, insisted_.size());
}

// Whether the other, if it is done later, may end or change what the one has done.
bool Operators::Changes(const Act& one, const Act& other) {
  if (one.kind == Kind::kBlock) return other.kind == Kind::kUnblock;
  const bool of_channel = one.kind == Kind::kAssign && other.kind == Kind::kGiveBack;
  return of_channel || one.kind == other.kind;
}

// From its answer until something that undoes it, or changes it, is asked for, or until a buyer is moved to a
// blocked seat. Nothing is certain while what was never answered may still come.
Operators::Span Operators::CertainSpan(size_t index, uint32_t seat) const {
  const Act& one = acts_[index];
  Span span{one.answered + kTick, kForever};
  if (one.until != Timestamp{}) span.to = one.until - world_.options().max_skew;
  for (size_t i = 0; i < acts_.size(); ++i) {
    const Act& other = acts_[i];
    const bool same = other.seats.empty() || Has(other.seats, seat);
    if (i == index || !Changes(one, other) || !same) continue;
    const bool was_before = other.answered != Timestamp{} && other.answered < one.invoked;
    if (!was_before) span.to = std::min(span.to, other.invoked);
  }
  for (const SeatTaken& take : world_.seats().taken) {
    const bool ends = one.kind == Kind::kBlock && take.by_move && take.seat == seat && take.at >= one.invoked;
    if (ends) span.to = std::min(span.to, take.at);
  }
  return span;
}

void Operators::JudgeTake(const SeatTaken& take, std::vector<std::string>& wrong) const {
  for (size_t i = 0; i < acts_.size(); ++i) {
    const Act& act = acts_[i];
    const bool withholds = act.kind == Kind::kBlock || act.kind == Kind::kAssign;
    if (!withholds || !act.done || !Has(act.seats, take.seat)) continue;
    const Span span = CertainSpan(i, take.seat);
    if (take.at < span.from || take.at >= span.to) continue;
    const bool may = act.kind == Kind::kAssign && Has(World::ChannelsOf(take.user), act.channel);
    if (!may)
      wrong.push_back(fmt::format("operators: {} took seat {}, which was {} since {}", take.user, take.seat,
                                  act.kind == Kind::kBlock ? "blocked" : "kept for " + act.channel,
                                  ToRfc3339(act.answered)));
  }
}

// What was changed last is so still: no other change at once has undone it.
void Operators::JudgeWhatIs(size_t index, std::vector<std::string>& wrong) const {
  const Act& act = acts_[index];
  const seat::Show& show = world_.seats().show;
  const auto check = [&](std::string_view what, uint32_t seat, int64_t is) {
    if (!act.done || CertainSpan(index, seat).to != kForever || is == act.value) return;
    wrong.push_back(fmt::format("operators: {} {} was made {}, and is {}", what, seat, act.value, is));
  };
  if (act.kind == Kind::kLimit) check("limit", 0, show.terms.seat_limit);
  if (act.kind == Kind::kSaleEnd) check("end of the sale", 0, ToUnixMs(show.terms.sale_ends_at));
  if (act.kind != Kind::kPrice) return;
  for (uint32_t no = 1; no <= show.layout->capacity(); ++no) {
    if (act.seats.empty() || Has(act.seats, no)) check("price of seat", no, show.layout->PriceOf(no));
  }
}

std::vector<std::string> Operators::Judge() const {
  std::vector<std::string> wrong = wrong_before_;
  const SeatDb& db = world_.seats();
  for (const SeatTaken& take : db.taken) {
    if (!take.by_move) JudgeTake(take, wrong);
    // Its replica knows what there was when it last looked, and may know what has come since.
    const auto known = [&](const auto& all, auto is_so) {
      for (size_t i = 0; i < all.size(); ++i) {
        const bool was_over = i + 1 < all.size() && all[i + 1].first < take.known_since;
        if (!was_over && all[i].first <= take.at && is_so(all[i].second)) return true;
      }
      return false;
    };
    const bool priced = known(db.layouts, [&](const std::shared_ptr<const seat::Layout>& layout) {
      const int64_t price = layout->PriceOf(take.seat);
      return take.by_move ? take.price <= price : take.price == price;
    });
    if (!priced)
      wrong.push_back(fmt::format("operators: {} took seat {} for {}, which it did not cost then", take.user,
                                  take.seat, take.price));
    const bool on_sale = known(db.terms, [&](const seat::ShowTerms& terms) {
      return take.decided_at < terms.sale_ends_at && terms.phase == seat::ShowPhase::kPublished;
    });
    if (!on_sale && !take.by_move)
      wrong.push_back(
          fmt::format("operators: {} took seat {} after the sale had ended", take.user, take.seat));
  }
  for (const size_t index : insisted_) {
    if (!acts_[index].done) wrong.push_back("liveness: an operator can't give back what was withheld");
  }
  for (const auto& [key, row] : db.seats) {
    if (!acts_.empty() && row.IsWithheld(world_.scheduler().Now()))
      wrong.push_back(fmt::format("operators: seat {} was given back, and is withheld", key.seat_no));
  }
  return wrong;
}

}  // namespace boxoffice::sim
