#include "cost/operations.h"

#include <chrono>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "platform/auth/signed_token.h"
#include "platform/auth/token.h"
#include "platform/http/json_reader.h"
#include "platform/http/json_writer.h"
#include "platform/obs/metrics.h"
#include "services/reservation/reservation_book.h"
#include "services/seat/seat_book.h"
#include "services/seat/seat_map.h"
#include "services/seat/service.h"
#include "services/seat/testing_hall.h"
#include "services/seat/testing_store.h"
#include "services/wallet/wallet.h"

namespace boxoffice::cost {
namespace {

constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);
constexpr size_t kBatch = 64;

// Whoever takes the address of a value may change it, so that computing it can't be left out.
template <typename T>
void Use(const T& value) {
  asm volatile("" : : "r,m"(&value) : "memory");
}

Operation VerifyBuyersToken() {
  static const SystemClock clock;
  const auth::TokenConfig config{auth::Algorithm::kHs256, std::string(64, 'k'), "boxoffice", "boxoffice"};
  auto issuer = auth::TokenIssuer::Make(config, clock);
  CHECK(issuer.has_value());
  auto jwt = issuer->Issue("buyer-1", auth::Role::kBuyer, std::chrono::hours(9));
  auto verifier = auth::TokenVerifier::Make(config, clock);
  CHECK(jwt.has_value() && verifier.has_value());
  auto kept = std::make_shared<auth::TokenVerifier>(*std::move(verifier));
  return {"verify_jwt", [kept, token = *jwt] {
            const auto principal = kept->Verify(token);
            CHECK(principal.has_value());
            Use(principal);
          }};
}

Operation VerifyQueueToken() {
  auto made = auth::KeyRing::Make({{"2026a", std::string(32, 'k')}});
  CHECK(made.has_value());
  auto ring = std::make_shared<auth::KeyRing>(*std::move(made));
  return {"verify_queue_token", [ring, ticket = ring->Sign(std::string(60, 'p'))] {
            const auto payload = ring->Verify(ticket);
            CHECK(payload.has_value());
            Use(payload);
          }};
}

Operation ReadReservation() {
  return {"read_json", [] {
            http::ObjectReader r(R"({"show_id":7,"best_available":{"count":2,"section":"A"},"pay":true})");
            Use(r.Required<int64_t>("show_id"));
            http::ObjectReader* best = r.OptionalObject("best_available");
            Use(best->Required<int64_t>("count"));
            Use(best->Optional<std::string_view>("section"));
            Use(r.Optional<bool>("pay"));
            CHECK(r.Finish().has_value());
          }};
}

Operation WriteReservation() {
  return {"write_json", [] {
            http::JsonWriter w;
            w.BeginObject()
                .Field("id", "0190a5c0-0000-7000-8000-000000000001")
                .Field("show_id", "7")
                .Key("seats");
            w.BeginArray();
            for (int seat = 1; seat <= 4; ++seat) {
              w.BeginObject()
                  .Field("seat_no", seat)
                  .Field("label", "Floor 1/12")
                  .Field("price", 110'000)
                  .EndObject();
            }
            w.EndArray()
                .Field("amount", 440'000)
                .Field("currency", "KRW")
                .Field("state", "CONFIRMED")
                .EndObject();
            Use(w.Take());
          }};
}

// 64 buyers hold a seat each: one batch.
Operation DecideHolds() {
  SeededRandom random(1);
  seat::Show show;
  show.id = 7;
  show.concert_id = 1;
  show.starts_at = kNow + std::chrono::hours(24);
  show.currency = *Currency::Parse("KRW");
  show.terms.on_sale_at = kNow - std::chrono::hours(1);
  show.terms.sale_ends_at = kNow + std::chrono::hours(23);
  show.layout = seat::MakeHall({50, 50, 50, 50});
  std::vector<seat::Command> commands;
  for (size_t i = 0; i < kBatch; ++i) {
    seat::HoldSeats hold;
    hold.saga = SagaId::Make(kNow, random);
    hold.reservation = ReservationId::Make(kNow, random);
    hold.user_id = fmt::format("buyer-{}", i);
    hold.show_id = show.id;
    hold.seats = {static_cast<seat::SeatNo>(i + 1)};
    commands.push_back({std::move(hold), ""});
  }
  seat::Rows rows;
  const seat::Keys keys = seat::KeysOf(commands);
  for (const auto& id : keys.sagas) rows.sagas.emplace_back().id = id;
  for (const auto& key : keys.buyers) rows.buyers.emplace_back().key = key;
  for (const auto& key : keys.seats) rows.seats.emplace_back().key = key;
  rows.shows.emplace_back().show = std::make_shared<const seat::Show>(show);
  return {"decide_64_holds", [commands, rows] {
            const seat::Decision decision = seat::Decide(rows, commands, kNow);
            CHECK(decision.changes.seats.size() == kBatch);
            Use(decision);
          }};
}

Operation DecideDebits() {
  const Currency krw = *Currency::Parse("KRW");
  auto random = std::make_shared<SeededRandom>(1);
  std::vector<wallet::Command> commands;
  wallet::Rows rows;
  for (size_t i = 0; i < kBatch; ++i) {
    const std::string user = fmt::format("buyer-{:02}", i);
    commands.push_back(
        {wallet::Debit{SagaId::Make(kNow, *random), ReservationId::Make(kNow, *random), user, {500, krw}},
         ""});
    wallet::WalletRow row;
    row.key = {user, krw};
    row.balance = 1'000;
    row.version = 1;
    rows.wallets.push_back(row);
  }
  auto ids = std::make_shared<wallet::EntryIds>(*random);
  return {"decide_64_debits", [commands, rows, random, ids] {
            const wallet::Decision decision = wallet::Decide(rows, commands, kNow, *ids);
            CHECK(decision.changes.entries.size() >= kBatch);
            Use(decision);
          }};
}

Operation DecideIntents() {
  SeededRandom random(1);
  std::vector<reservation::Command> commands;
  for (size_t i = 0; i < kBatch; ++i) {
    reservation::BeginReserve begin;
    begin.key = {fmt::format("buyer-{}", i), "key"};
    begin.request_hash = std::string(32, 'h');
    reservation::Reservation& reservation = begin.reservation.Own();
    reservation.id = ReservationId::Make(kNow, random);
    reservation.user_id = begin.key.user_id;
    reservation.show_id = 7;
    reservation.saga.id = SagaId::Make(kNow, random);
    reservation.saga.kind = reservation::SagaKind::kOneShot;
    commands.emplace_back(std::move(begin));
  }
  return {"decide_64_intents", [commands, rows = reservation::Rows(), policy = reservation::Policy()] {
            const reservation::Decided decided = reservation::Decide(rows, commands, kNow, policy);
            CHECK(decided.decision.changes.size() == kBatch);
            Use(decided);
          }};
}

// A seat is sold, and the map of 50,000 seats is looked at.
Operation LookAtSeatMap() {
  auto map = std::make_shared<seat::SeatMap>(
      seat::MakeHall({5'000, 5'000, 5'000, 5'000, 5'000, 5'000, 5'000, 5'000, 5'000, 5'000}), 1);
  auto version = std::make_shared<int64_t>(0);
  return {"seat_map_change_and_look", [map, version] {
            seat::SeatRow row;
            row.key = {7, static_cast<seat::SeatNo>(++*version % 50'000 + 1)};
            row.state = seat::SeatState::kSold;
            row.version = *version;
            map->Apply(row);
            Use(map->Look(kNow));
          }};
}

// A page of 100 concerts with ten shows each, as for the front page: each show is looked at once, not once
// for each concert.
Operation ListConcerts() {
  struct Catalogue {
    ManualClock clock{kNow};
    obs::Registry metrics;
    seat::Memory memory;
    seat::SeatService service{seat::StoresOf(memory), clock, metrics, {}, {}};
  };
  auto catalogue = std::make_shared<Catalogue>();
  seat::Show show;
  show.currency = *Currency::Parse("KRW");
  show.layout = seat::MakeHall({4, 4});
  for (int64_t concert = 1; concert <= 100; ++concert) {
    catalogue->memory.news.concerts.push_back({concert, "Title", "Artist", "Venue"});
    for (int i = 0; i < 10; ++i) {
      ++show.id;
      show.concert_id = concert;
      catalogue->memory.news.shows.push_back({show, {}});
    }
  }
  CHECK(catalogue->service.Follow().has_value());
  return {"list_100_concerts", [catalogue] {
            const seat::ConcertPage page = catalogue->service.ListConcerts(seat::kMaxConcertPage, 0);
            CHECK(page.concerts.size() == 100 && page.concerts[0].shows.size() == 10);
            Use(page);
          }};
}

// Best available where a choice might cost a look at every seat, one after the other: 50,000 seats in rows of
// 50, dear ones in the middle; 200 seats are accessible, and have a companion's each.
std::shared_ptr<const seat::Layout> MakeMixedHall() {
  constexpr uint32_t kRow = 50;
  seat::Layout hall;
  hall.categories = {{"dear", "", 1'000}, {"cheap", "", 500}};
  hall.sections = {{"Floor", 0, 1'000}};
  for (uint32_t row = 0; row < 1'000; ++row) {
    hall.rows.push_back({std::to_string(row), 0, row * kRow, kRow});
    for (uint32_t place = 0; place < kRow; ++place) {
      const uint32_t category = place >= 15 && place < 35 ? 0 : 1;
      hall.seats.push_back(
          {std::to_string(place), row, category, static_cast<float>(place), static_cast<float>(row)});
    }
    if (row % 5 != 0) continue;
    hall.accessible.push_back(row * kRow + 1);
    hall.companions.push_back({row * kRow + 2, row * kRow + 1});
  }
  hall.NotePlaces();
  hall.NotePrices();
  return std::make_shared<const seat::Layout>(std::move(hall));
}

Operation ChooseWhatIsSoldOut() {
  const auto hall = MakeMixedHall();
  auto free = std::make_shared<seat::FreeSeats>(hall);
  for (seat::SeatNo seat_no = 1; seat_no <= hall->capacity(); ++seat_no) {
    if (hall->At(seat_no).category == 0) free->Set(seat_no, false);
  }
  return {"choose_8_of_sold_out_category", [free] {
            const seat::Proposal proposal = free->Choose({8, "", "dear"});
            CHECK(proposal.status == seat::Proposal::Status::kNotEnough);
            Use(proposal);
          }};
}

// Two more than there are companions' seats beside any.
Operation ChooseAccessible() {
  auto free = std::make_shared<seat::FreeSeats>(MakeMixedHall());
  return {"choose_4_with_1_accessible", [free] {
            const seat::Proposal proposal = free->Choose({4, "", "", 0, 1});
            CHECK(proposal.status == seat::Proposal::Status::kFound);
            Use(proposal);
          }};
}

Operation ChooseInsteadOfTaken() {
  const std::vector<seat::SeatNo> named = {25'025, 25'026};
  const auto hall = MakeMixedHall();
  auto free = std::make_shared<seat::FreeSeats>(hall);
  for (seat::SeatNo seat_no = 1; seat_no <= hall->capacity(); ++seat_no) {
    if (hall->At(seat_no).row == hall->At(named[0]).row) free->Set(seat_no, false);
  }
  return {"choose_2_nearest_to_full_row", [free, named] {
            const std::vector<seat::SeatNo> seats = free->Nearest(named, false);
            CHECK(seats.size() == 2);
            Use(seats);
          }};
}

// Two buyers by turns, of whom all seats are kept for one's channel: one batch.
Operation ProposeKept() {
  const auto hall = MakeMixedHall();
  auto map = std::make_shared<seat::SeatMap>(hall, 1);
  for (seat::SeatNo seat_no = 1; seat_no <= hall->capacity(); ++seat_no) {
    seat::SeatRow row;
    row.key = {7, seat_no};
    row.channel = "fanclub";
    row.version = 1;
    map->Apply(row);
  }
  return {"propose_64_of_channel", [map, fans = std::vector<std::string>{"fanclub"}] {
            for (size_t i = 0; i < kBatch; ++i) {
              Use(map->Propose({2, "", ""}, kNow));
              CHECK(map->Propose({2, "", ""}, kNow, false, fans).seats.size() == 2);
            }
            map->Settle();
          }};
}

}  // namespace

std::vector<Operation> Operations() {
  return {VerifyBuyersToken(), VerifyQueueToken(),    ReadReservation(),  WriteReservation(),
          DecideHolds(),       DecideDebits(),        DecideIntents(),    LookAtSeatMap(),
          ListConcerts(),      ChooseWhatIsSoldOut(), ChooseAccessible(), ChooseInsteadOfTaken(),
          ProposeKept()};
}

}  // namespace boxoffice::cost
