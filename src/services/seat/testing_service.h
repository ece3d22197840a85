// The use cases over a store in memory, by a clock that stands still: the fixture of their tests.
#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "services/seat/service.h"
#include "services/seat/testing_hall.h"
#include "services/seat/testing_store.h"

namespace boxoffice::seat {

[[nodiscard]] inline std::future<Result<Outcome>> SendTo(SeatService& service, Command command) {
  auto promise = std::make_shared<std::promise<Result<Outcome>>>();
  service.Submit(std::move(command),
                 [promise](Result<Outcome> outcome) { promise->set_value(std::move(outcome)); });
  return promise->get_future();
}

// What it is answered; an error fails the test.
inline Outcome RunAt(SeatService& service, Command command) {
  auto outcome = SendTo(service, std::move(command)).get();
  EXPECT_TRUE(outcome.has_value()) << outcome.error().reason << " " << outcome.error().detail;
  return outcome.value_or(Outcome{});
}

class SeatServiceTest : public ::testing::Test {
 protected:
  SeatServiceTest() {
    Show show;
    show.id = 1;
    show.concert_id = 1;
    show.starts_at = clock_.Now() + std::chrono::hours(24);
    show.currency = *Currency::Parse("KRW");
    show.terms.on_sale_at = clock_.Now();
    show.terms.sale_ends_at = clock_.Now() + std::chrono::hours(23);
    show.layout = MakeHall({4, 4});
    memory_.catalogue.concerts = {{1, "Title", "Artist", "Venue"}};
    memory_.catalogue.shows = {{show, {}}};
    StartService();
  }
  void StartService(const ServiceOptions& options = {}) {
    service_ =
        std::make_unique<SeatService>(StoresOf(memory_), clock_, metrics_, options, [this] { ++commits_; });
    ASSERT_TRUE(service_->Start().has_value());
  }
  std::future<Result<Outcome>> Send(Command command) { return SendTo(*service_, std::move(command)); }
  Outcome Run(Command command) { return RunAt(*service_, std::move(command)); }
  static Command HoldOf(uint64_t n, std::vector<SeatNo> seats) {
    HoldSeats hold;
    hold.saga = SagaId(NumberedUuid(0x5a, n));
    hold.reservation = ReservationId(NumberedUuid(2, n));
    hold.user_id = "user" + std::to_string(n);
    hold.show_id = 1;
    hold.seats = std::move(seats);
    return {hold, ""};
  }
  static Command BestOf(uint64_t n, uint32_t count) {
    Command command = HoldOf(n, {});
    std::get<HoldSeats>(command.body).best = BestAvailable{count, "", ""};
    return command;
  }
  static Command ConfirmOf(uint64_t n, std::vector<SeatNo> seats) {
    return {
        ConfirmSeats{SagaId(NumberedUuid(0x5a, n)), ReservationId(NumberedUuid(2, n)), 1, std::move(seats)},
        ""};
  }
  static Command ReleaseOf(uint64_t n) {
    return {ReleaseSeats{SagaId(NumberedUuid(0x5a, n)), ReservationId(NumberedUuid(2, n)), 1, {}}, ""};
  }

  ManualClock clock_;
  obs::Registry metrics_;
  Memory memory_;
  int commits_ = 0;
  std::unique_ptr<SeatService> service_;
};

}  // namespace boxoffice::seat
