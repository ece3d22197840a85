#include "sim/waiting.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace boxoffice::sim {
namespace {

using reservation::EntryState;
using reservation::SeatChoice;
using reservation::WaitlistEntry;
using Kind = Operation::Kind;

constexpr int kMaxTries = 40;
constexpr int64_t kPatienceUs = 4'000'000;
constexpr milliseconds kFidgetsEnd{40'000};

// What is no answer: it is asked again.
bool IsAnswer(const Error& error) { return error.code != Code::kUnavailable && error.code != Code::kUnknown; }

}  // namespace

void Waiting::Crowd(int buyers) {
  Rng& rng = world_.rng();
  const auto seats = world_.options().rows * world_.options().row_seats;
  for (uint32_t first = 1; first < seats; first += 2) {
    Clients::Wish wish;
    wish.buyer = fmt::format("owner-{}", first);
    wish.kind = Kind::kTopUp;
    wish.amount = 2 * World::kPrice;
    clients_.Ask(wish, [this, wish, first, &rng](const Operation&) mutable {
      wish.kind = rng.Chance(70) ? Kind::kPay : Kind::kHold;
      wish.seats = {first, first + 1};
      clients_.Ask(wish, [this, wish, &rng](const Operation& had) mutable {
        if (had.outcome != Operation::Outcome::kOk) return;
        wish.kind = Kind::kCancel;
        wish.reservation = had.reservation;
        if (had.state == reservation::State::kHeld || rng.Chance(50)) wish.seats.clear();
        if (!wish.seats.empty()) wish.seats.pop_back();
        ++open_;  // until she does
        world_.scheduler().After(rng.Between(2'000'000, 25'000'000), nullptr, [this, wish] {
          --open_;
          clients_.Ask(wish, nullptr);
        });
      });
    });
  }
  for (int i = 1; i <= buyers; ++i) {
    Clients::Wish top_up;
    top_up.kind = Kind::kTopUp;
    top_up.buyer = fmt::format("waiter-{}", i);
    top_up.amount = rng.Between(1, 5) * World::kPrice;
    clients_.Ask(top_up, [this, buyer = top_up.buyer, &rng](const Operation&) {
      Live(buyer, static_cast<int>(rng.Between(1, 3)), rng.Between(0, 8'000'000));
    });
  }
}

void Waiting::WaitToBuy(const std::string& buyer, uint32_t seats) {
  SeatChoice wish;
  wish.best_count = seats;
  Begin({.buyer = buyer, .wish = wish}, [this, buyer](const Ask& told) {
    if (told.place) Watch(buyer, told.place->place, 0);
  });
}

void Waiting::LeaveAll() {
  for (const auto& [key, entry] : world_.places()) {
    if (IsOpen(entry.state)) Begin({.buyer = entry.user_id}, nullptr);
  }
}

void Waiting::Begin(Ask ask, Then then) {
  ++open_;
  ask.invoked = world_.scheduler().Now();
  asks_.push_back(std::move(ask));
  Send(asks_.size() - 1, then);
}

// Until she is told something for certain.
void Waiting::Send(size_t index, const Then& then) {
  const int attempt = ++asks_[index].tries;
  const auto is_over = [this, index, attempt] { return asks_[index].tries != attempt; };
  const auto end = [this, index, then] {
    asks_[index].tries = -asks_[index].tries;  // what comes now comes too late
    --open_;
    if (then) then(Ask(asks_[index]));
  };
  const auto again = [this, index, attempt, end, then, is_over] {
    if (is_over()) return;
    if (attempt == kMaxTries) return end();
    world_.scheduler().After(world_.rng().Between(100'000, 1'500'000), nullptr, [this, index, then, is_over] {
      if (!is_over()) Send(index, then);
    });
  };
  using Coroutine = asio::awaitable<Result<WaitlistEntry>>;
  auto begin = [ask = asks_[index]](reservation::Service&, reservation::ShowService& shows) -> Coroutine {
    if (ask.wish) return shows.Join({.show_id = World::kShow, .user_id = ask.buyer, .wish = *ask.wish});
    return shows.Leave({.show_id = World::kShow, .user_id = ask.buyer});
  };
  auto told = [this, index, end, again, is_over](const Result<WaitlistEntry>& place) {
    if (is_over()) return;
    if (!place && !IsAnswer(place.error())) return again();
    Ask& ask = asks_[index];
    ask.returned = world_.scheduler().Now();
    if (place) ask.place = *place;
    if (!place) ask.refusal = place.error().reason;
    end();
  };
  world_.AskReservation<WaitlistEntry>(asks_[index].wish ? "join" : "leave", std::move(begin),
                                       std::move(told));
  world_.scheduler().After(kPatienceUs, nullptr, again);
}

void Waiting::Live(const std::string& buyer, int times, int64_t in_us) {
  if (times == 0) return;
  Rng& rng = world_.rng();
  ++open_;  // while she thinks
  world_.scheduler().After(in_us + rng.Between(0, 3'000'000), nullptr, [this, buyer, times, &rng] {
    --open_;
    SeatChoice wish;
    wish.best_count = static_cast<uint32_t>(rng.Between(1, 2));
    if (rng.Chance(20)) wish.section = "Floor";
    if (rng.Chance(20)) wish.max_price = rng.Chance(50) ? World::kPrice : World::kPrice / 2;
    if (wish.max_price == World::kPrice / 2) wish.best_count = 1;  // there is one
    Begin({.buyer = buyer, .wish = wish}, [this, buyer, times](const Ask& told) {
      told.place ? Watch(buyer, told.place->place, times - 1) : Live(buyer, times - 1, 2'000'000);
    });
  });
}

void Waiting::Watch(const std::string& buyer, uint64_t place, int times) {
  world_.scheduler().After(world_.rng().Between(300'000, 1'500'000), nullptr, [this, buyer, place, times] {
    const WaitlistEntry& now = world_.places().at({World::kShow, place});
    if (now.state == EntryState::kOffered) {
      ++offers_;
      TakeOffer(now, /*surely=*/times == 0 && buyer == "buyer");
      // And perhaps joins again, before or after it has ended.
      return Live(buyer, times, world_.rng().Between(0, 30'000'000));
    }
    if (!IsOpen(now.state)) return Live(buyer, times, 0);
    Fidget(buyer, now);
    Watch(buyer, place, times);
  });
}

void Waiting::Fidget(const std::string& buyer, const WaitlistEntry& place) {
  Rng& rng = world_.rng();
  // Later on she is left alone: whoever is never served must not be gone by herself.
  const bool quiet = buyer == "buyer" || world_.scheduler().Since() > kFidgetsEnd;
  if (quiet || !rng.Chance(10)) return;
  Ask ask{.buyer = buyer};
  if (rng.Chance(60)) ask.wish = place.wish;
  if (ask.wish && rng.Chance(30)) ask.wish->best_count = 3 - ask.wish->best_count;
  Begin(std::move(ask), nullptr);
}

// Confirms, declines, tries to leave, or lets it lapse.
void Waiting::TakeOffer(const WaitlistEntry& place, bool surely) {
  Rng& rng = world_.rng();
  const uint64_t choice = surely ? 0 : rng.Below(100);
  if (choice < 55) return AskOfOffer(place, Kind::kConfirm);
  if (choice < 75) return AskOfOffer(place, Kind::kCancel);
  if (choice < 90) Begin({.buyer = place.user_id}, nullptr);
}

void Waiting::AskOfOffer(const WaitlistEntry& place, Kind kind) {
  Rng& rng = world_.rng();
  Clients::Wish wish;
  wish.buyer = place.user_id;
  wish.kind = kind;
  wish.reservation = place.reservation;
  const bool meddles = wish.buyer != "buyer";
  if (meddles && rng.Chance(15)) wish.method = "sim:decline";
  clients_.Ask(wish, [this, wish, meddles, &rng](const Operation& op) mutable {
    const bool bought = wish.kind == Kind::kConfirm && op.outcome == Operation::Outcome::kOk;
    if (!bought || !meddles || !rng.Chance(40)) return;
    wish.kind = Kind::kCancel;
    clients_.Ask(wish, nullptr);
  });
}

std::vector<std::string> Waiting::Judge() const {
  std::vector<std::string> wrong;
  for (const Ask& ask : asks_) {
    if (ask.returned == Timestamp()) continue;  // nobody was told
    ask.wish ? JudgeJoin(ask, wrong) : JudgeLeave(ask, wrong);
  }
  JudgeOrder(wrong);
  return wrong;
}

// What was told is on record. Whoever is told of another wish had one, and who is told a place wished for it.
void Waiting::JudgeJoin(const Ask& join, std::vector<std::string>& wrong) const {
  if (join.place) {
    const auto row = world_.places().find({World::kShow, join.place->place});
    const bool hers = row != world_.places().end() && row->second.user_id == join.buyer &&
                      row->second.wish == *join.wish && row->second.version >= join.place->version;
    if (!hers)
      wrong.push_back(
          fmt::format("waitlist: {} was told place {}, which is not hers", join.buyer, join.place->place));
    return;
  }
  const bool had_other = std::ranges::any_of(world_.places(), [&](const auto& row) {
    return row.second.user_id == join.buyer && row.second.wish != *join.wish;
  });
  if (join.refusal == "waitlist_other_wish" && !had_other)
    wrong.push_back(fmt::format("waitlist: {} was told of another wish, and never had one", join.buyer));
}

void Waiting::JudgeLeave(const Ask& leave, std::vector<std::string>& wrong) const {
  const milliseconds skew = world_.BetweenClocks();
  if (leave.place) {
    const WaitlistEntry& row = world_.places().at({World::kShow, leave.place->place});
    if (row.state != EntryState::kLeft || !row.reservation.IsNil() || row.user_id != leave.buyer)
      wrong.push_back(fmt::format("waitlist: {} has left place {}, which goes on", leave.buyer, row.place));
    return;
  }
  for (const auto& [key, row] : world_.places()) {
    if (row.user_id != leave.buyer) continue;
    const bool had_it =
        row.joined_at + skew < leave.invoked && (IsOpen(row.state) || row.updated_at > leave.returned + skew);
    if (had_it && leave.refusal == "not_on_waitlist")
      wrong.push_back(
          fmt::format("waitlist: {} has place {}, and was told that there is none", leave.buyer, row.place));
  }
}

// Whoever was told a place before another one asked for the first time stands before her.
void Waiting::JudgeOrder(std::vector<std::string>& wrong) const {
  std::map<uint64_t, const Ask*> first;  // that told of a place
  for (const Ask& ask : asks_) {
    if (!ask.wish || !ask.place) continue;
    const auto [known, is_new] = first.try_emplace(ask.place->place, &ask);
    if (!is_new && ask.invoked < known->second->invoked) known->second = &ask;
  }
  for (const auto& [place, ask] : first) {
    // One that she was not told of may have come late, after she was refused another.
    const bool may_be_older = std::ranges::any_of(asks_, [ask = ask](const Ask& other) {
      return other.buyer == ask->buyer && other.wish && !other.place && other.invoked < ask->invoked;
    });
    for (const auto& [other_place, other] : first) {
      if (other_place < place || other->returned >= ask->invoked || other == ask || may_be_older) continue;
      if (other_place > place)
        wrong.push_back(fmt::format("waitlist: {} had place {} before {} asked for what is place {}",
                                    other->buyer, other_place, ask->buyer, place));
    }
  }
}

}  // namespace boxoffice::sim
