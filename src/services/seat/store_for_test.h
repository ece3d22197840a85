// What the tests of every store of the seat service share.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <gmock/gmock.h>

#include "services/seat/store.h"
#include "services/seat/testing_hall.h"
#include "services/seat/testing_store.h"
#include "testing/postgres_server.h"

namespace boxoffice::seat {

// A kind of store: opens connections to one database of its own.
class Database {
 public:
  virtual ~Database() = default;
  virtual std::unique_ptr<Store> Open() = 0;
  virtual int64_t CountEvents() = 0;
};

struct MakeDatabase {
  std::unique_ptr<Database> (*make)();
  bool needs_postgres = false;
};

// What every store of the seat service must do.
class StoreContractTest : public ::testing::TestWithParam<MakeDatabase> {
 protected:
  static constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);

  void SetUp() override {
    if (GetParam().needs_postgres) BOXOFFICE_NEED_POSTGRES();
    database_ = GetParam().make();
    store_ = database_->Open();
  }
  static SagaId Saga(uint64_t n) { return SagaId(NumberedUuid(1, n)); }
  static ReservationId Reservation(uint64_t n) { return ReservationId(NumberedUuid(2, n)); }
  static SeatRow Held(SeatNo seat_no, int64_t version = 0) {
    SeatRow row;
    row.key = {1, seat_no};
    row.state = SeatState::kHeld;
    row.reservation = Reservation(seat_no);
    row.user_id = "ann";
    row.hold_expires_at = kNow + std::chrono::minutes(5);
    row.held_since = kNow;
    row.price = 4'000'000'000;
    row.version = version;
    return row;
  }
  static Event HeldEvent(SeatNo seat_no) {
    return {
        Event::Kind::kHeld, Reservation(seat_no), 1, {seat_no}, kNow + std::chrono::minutes(5), {}, kNow, ""};
  }
  Saved Save(const Changes& changes) {
    auto saved = store_->Save(changes);
    EXPECT_TRUE(saved.has_value()) << saved.error().detail;
    return saved.value_or(Saved{});
  }
  Rows Load(const Keys& keys) {
    auto rows = store_->Load(keys);
    EXPECT_TRUE(rows.has_value());
    return rows.value_or(Rows{});
  }
  int64_t MakeShow(const std::string& key = "s") {
    const auto concert = store_->CreateConcert({key + "-concert", "f", 0}, {0, "Title", "Artist", "Venue"});
    EXPECT_TRUE(concert.has_value());
    Show show;
    show.concert_id = *concert;
    show.starts_at = kNow + std::chrono::hours(24);
    show.currency = *Currency::Parse("KRW");
    show.terms.on_sale_at = kNow;
    show.terms.sale_ends_at = kNow + std::chrono::hours(23);
    show.layout = MakeHall({2, 3});
    const auto id = store_->CreateShow({key, "f", 0}, show);
    EXPECT_TRUE(id.has_value());
    return id.value_or(0);
  }

  std::unique_ptr<Database> database_;
  std::unique_ptr<Store> store_;
};

}  // namespace boxoffice::seat
