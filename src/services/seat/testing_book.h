// A course of events at a box office without a database: the fixture of the rules' tests.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "services/seat/seat_book.h"
#include "services/seat/testing_hall.h"

namespace boxoffice::seat {

inline constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);
inline constexpr int64_t kShow = 7;

// A database of maps: what the rules decide is applied, so that a test reads as a course of events.
class SeatBookTest : public ::testing::Test {
 protected:
  SeatBookTest() {
    Show show;
    show.id = kShow;
    show.concert_id = 1;
    show.starts_at = kNow + std::chrono::hours(24);
    show.currency = *Currency::Parse("KRW");
    show.terms.on_sale_at = kNow - std::chrono::hours(1);
    show.terms.sale_ends_at = kNow + std::chrono::hours(23);
    show.layout = MakeHall({4, 4, 4});
    facts_.show = std::make_shared<const Show>(show);
  }

  void ChangeShow(const std::function<void(Show&)>& change) {
    Show show = *facts_.show;
    change(show);
    facts_.show = std::make_shared<const Show>(std::move(show));
  }

  Rows Load(const Keys& keys) {
    Rows rows;
    std::set<SeatKey> seats(keys.seats.begin(), keys.seats.end());
    for (const SagaId& id : keys.sagas) {
      SagaRow& row = sagas_[id];
      row.id = id;
      for (const SeatNo seat_no : row.seats) seats.insert({row.show_id, seat_no});
      rows.sagas.push_back(row);
    }
    for (const BuyerKey& key : keys.buyers) {
      BuyerRow& row = buyers_[key];
      row.key = key;
      for (const SeatNo seat_no : row.seats) seats.insert({key.show_id, seat_no});
      rows.buyers.push_back(row);
    }
    for (const SeatKey& key : seats) {
      SeatRow& row = seats_[key];
      row.key = key;
      rows.seats.push_back(row);
    }
    facts_.sold = static_cast<uint32_t>(std::ranges::count_if(
        seats_, [](const auto& seat) { return seat.second.state == SeatState::kSold; }));
    rows.shows = {facts_};
    return rows;
  }

  std::vector<std::optional<Outcome>> RunBatch(const std::vector<Command>& commands) {
    last_ = Decide(Load(KeysOf(commands)), commands, now_, forgotten_before_);
    for (SagaRow row : last_.changes.sagas) ++row.version, sagas_[row.id] = row;
    for (BuyerRow row : last_.changes.buyers) ++row.version, buyers_[row.key] = row;
    for (SeatRow row : last_.changes.seats) ++row.version, seats_[row.key] = row;
    for (const MarkedShow& show : last_.changes.shows) facts_.marks = show.marks;
    return last_.outcomes;
  }
  Outcome Run(Command command) {
    const auto outcomes = RunBatch({std::move(command)});
    EXPECT_EQ(outcomes.size(), 1);
    EXPECT_TRUE(outcomes[0].has_value());
    return outcomes[0].value_or(Outcome{});
  }

  static SagaId Saga(uint64_t n) { return SagaId(NumberedUuid(0x5a, n)); }
  static ReservationId Reservation(uint64_t n) { return ReservationId(NumberedUuid(0x4e, n)); }

  // Saga, reservation and buyer n.
  static HoldSeats HoldOf(uint64_t n, std::vector<SeatNo> seats) {
    HoldSeats hold;
    hold.saga = Saga(n);
    hold.reservation = Reservation(n);
    hold.user_id = "user" + std::to_string(n);
    hold.show_id = kShow;
    hold.seats = std::move(seats);
    return hold;
  }
  static HoldSeats BestOf(uint64_t n, uint32_t count, std::vector<SeatNo> proposed) {
    HoldSeats hold = HoldOf(n, {});
    hold.best = BestAvailable{count, "", ""};
    hold.proposal.status = proposed.empty() ? Proposal::Status::kNotEnough : Proposal::Status::kFound;
    hold.proposal.seats = std::move(proposed);
    return hold;
  }
  static ConfirmSeats ConfirmOf(uint64_t n, std::vector<SeatNo> seats) {
    return {Saga(n), Reservation(n), kShow, std::move(seats)};
  }
  static ReleaseSeats ReleaseOf(uint64_t n, std::vector<SeatNo> seats) {
    return {Saga(n), Reservation(n), kShow, std::move(seats)};
  }
  Outcome Hold(uint64_t n, std::vector<SeatNo> seats) { return Run({HoldOf(n, std::move(seats)), ""}); }
  Outcome Confirm(uint64_t n, std::vector<SeatNo> seats) { return Run({ConfirmOf(n, std::move(seats)), ""}); }
  Outcome Release(uint64_t n, std::vector<SeatNo> seats) { return Run({ReleaseOf(n, std::move(seats)), ""}); }
  Outcome Sweep(std::vector<SeatNo> seats) {
    SweepSeats sweep;
    for (const SeatNo seat_no : seats) sweep.seats.push_back({kShow, seat_no});
    return Run({sweep, ""});
  }
  SeatRow Row(SeatNo seat_no) { return seats_[{kShow, seat_no}]; }
  std::vector<Event::Kind> Told() const {
    std::vector<Event::Kind> kinds;
    for (const Event& event : last_.changes.events) kinds.push_back(event.kind);
    return kinds;
  }
  static void ExpectRefused(const Outcome& outcome, Refusal refusal) {
    EXPECT_EQ(outcome.kind, Outcome::Kind::kRefused);
    EXPECT_EQ(RefusalName(outcome.refusal), RefusalName(refusal));
  }

  Timestamp now_ = kNow;
  Timestamp forgotten_before_{};
  ShowFacts facts_;
  std::map<SagaId, SagaRow> sagas_;
  std::map<BuyerKey, BuyerRow> buyers_;
  std::map<SeatKey, SeatRow> seats_;
  Decision last_;
};

}  // namespace boxoffice::seat
