// What a saga costs in this service: a hold and its confirmation, in batches as they form, with SQLite's
// fsyncs.
#include <atomic>
#include <semaphore>

#include <benchmark/benchmark.h>

#include "base/clock.h"
#include "base/random.h"
#include "services/seat/service.h"
#include "services/seat/store_sqlite.h"
#include "services/seat/testing_hall.h"
#include "testing/temp_dir.h"

namespace boxoffice::seat {
namespace {

constexpr int64_t kInFlight = 256;

class Hall {
 public:
  Hall() {
    auto commands = OpenSqliteStore(dir_.path() / "seat.db", random_);
    auto requests = OpenSqliteStore(dir_.path() / "seat.db", random_);
    auto news = OpenSqliteStore(dir_.path() / "seat.db", random_);
    CHECK(commands.has_value() && requests.has_value() && news.has_value());
    service_.emplace(Stores{*std::move(commands), *std::move(requests), *std::move(news)}, clock_, metrics_,
                     ServiceOptions{}, [] {});
    CHECK(service_->Start().has_value());
    concert_ = service_->CreateConcert("c", {0, "Title", "", ""})->concert.id;
    OpenShow();
  }

  // Holds and confirms the next seat, or the best one.
  void Sell(bool best) {
    in_flight_.acquire();
    if (next_seat_ == capacity_) OpenShow();
    const SagaId saga = SagaId::Make(clock_.Now(), random_);
    const ReservationId reservation = ReservationId::Make(clock_.Now(), random_);
    HoldSeats hold{saga, reservation, "user-" + std::to_string(++users_), show_, {}, {}, {}, {}};
    ++next_seat_;
    if (best) {
      hold.best = BestAvailable{1, "", ""};
    } else {
      hold.seats = {next_seat_};
    }
    service_->Submit({std::move(hold), ""}, [this, saga, reservation](Result<Outcome> held) {
      CHECK(held.has_value() && held->kind == Outcome::Kind::kDone);
      service_->Submit({ConfirmSeats{saga, reservation, held->show->id, held->seats}, ""},
                       [this](const Result<Outcome>& sold) {
                         CHECK(sold.has_value() && sold->kind == Outcome::Kind::kDone);
                         in_flight_.release();
                       });
    });
  }
  void Finish() {
    for (int64_t i = 0; i < kInFlight; ++i) in_flight_.acquire();
    in_flight_.release(kInFlight);
  }

 private:
  void OpenShow() {
    NewShow request;
    request.concert_id = concert_;
    request.starts_at = clock_.Now() + std::chrono::hours(24);
    request.currency = "KRW";
    const auto layout = [this]() -> Result<Layout> { return layout_; };
    const auto view = service_->CreateShow("s" + std::to_string(users_), "", request, layout);
    CHECK(view.has_value());
    show_ = view->show->id;
    capacity_ = view->show->layout->capacity();
    next_seat_ = 0;
  }

  static Layout MakeStadium() {
    SeatingPlan plan;
    plan.categories = {{"A", ""}};
    plan.zones = {{"Z", std::vector<PlanRow>(1000)}};
    for (size_t row = 0; row < 1000; ++row) {
      plan.zones[0].rows[row].name = std::to_string(row);
      for (size_t seat = 0; seat < 50; ++seat) {
        plan.zones[0].rows[row].seats.push_back({std::to_string(row * 50 + seat), std::to_string(seat), "A"});
      }
    }
    return *MakeLayout(plan, {{"A", 1}});
  }

  const Layout layout_ = MakeStadium();
  testbed::TempDir dir_;
  SystemClock clock_;
  SeededRandom random_{1};
  obs::Registry metrics_;
  std::counting_semaphore<kInFlight> in_flight_{kInFlight};
  std::optional<SeatService> service_;
  int64_t concert_ = 0;
  int64_t show_ = 0;
  uint32_t capacity_ = 0;
  uint32_t next_seat_ = 0;
  uint64_t users_ = 0;
};

void HoldAndConfirm(benchmark::State& state) {
  Hall hall;
  for (auto _ : state) hall.Sell(state.range(0) != 0);
  hall.Finish();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(HoldAndConfirm)->ArgName("best")->Arg(0)->Arg(1)->MeasureProcessCPUTime()->UseRealTime();

void ChooseTwoOfAHallThatIsHalfSold(benchmark::State& state) {
  const auto hall = MakeHall({100, 100, 100, 100, 100, 100, 100, 100});
  FreeSeats free(hall);
  for (SeatNo seat_no = 1; seat_no <= hall->capacity(); seat_no += 2) free.Set(seat_no, false);
  for (auto _ : state) benchmark::DoNotOptimize(free.Choose({2, "", ""}));
}
BENCHMARK(ChooseTwoOfAHallThatIsHalfSold);

}  // namespace
}  // namespace boxoffice::seat
