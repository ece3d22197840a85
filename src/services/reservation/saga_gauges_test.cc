#include "services/reservation/saga_gauges.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "services/reservation/testing_service.h"

namespace boxoffice::reservation {
namespace {

constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);

// Finds the sagas that it was given, in the order of their reservations.
class SagaReader final : public EmptyReader {
 public:
  void Add(SagaStatus status, Timestamp started_at) {
    Reservation& made = reservations_.emplace_back();
    made.id = ReservationId::Make(kNow + milliseconds(reservations_.size()), random_);
    made.saga.status = status;
    made.saga.started_at = started_at;
  }
  Result<Page> ListSagas(std::optional<SagaStatus> status, ReservationId after, uint32_t limit) override {
    if (status == fails_for) return Fail(Code::kUnavailable, "database_unavailable", "lost");
    Page page;
    for (const Reservation& one : reservations_) {
      if (one.id <= after || (status && one.saga.status != *status)) continue;
      page.more = page.reservations.size() == limit;
      if (page.more) break;
      page.reservations.push_back(one);
    }
    return page;
  }
  std::optional<SagaStatus> fails_for = SagaStatus::kDone;

 private:
  SeededRandom random_{3};
  std::vector<Reservation> reservations_;
};

class SagaGaugesTest : public ::testing::Test {
 protected:
  double Oldest(const char* status) {
    return metrics_.GetGauge("boxoffice_saga_oldest_start_timestamp_seconds", "", {{"status", status}})
        .value();
  }
  SagaReader reader_;
  obs::Registry metrics_;
};

TEST_F(SagaGaugesTest, WhatAnOutageHasParkedHoweverMuchHidesNoSagaThatIsStuckLater) {
  constexpr int kParked = 600;
  for (int i = 0; i < kParked; ++i) reader_.Add(SagaStatus::kParked, kNow);
  const Timestamp later = kNow + std::chrono::hours(3);
  reader_.Add(SagaStatus::kRunning, later + std::chrono::seconds(1));
  reader_.Add(SagaStatus::kRunning, later);
  ASSERT_TRUE(MeasureSagas(reader_, metrics_));
  EXPECT_EQ(Oldest("running"), static_cast<double>(ToUnixMs(later)) / 1000);
  EXPECT_EQ(Oldest("parked"), static_cast<double>(ToUnixMs(kNow)) / 1000);
}

TEST_F(SagaGaugesTest, WhatCantBeReadLeavesTheGaugesAsTheyAre) {
  reader_.Add(SagaStatus::kRunning, kNow);
  reader_.fails_for = SagaStatus::kParked;
  EXPECT_FALSE(MeasureSagas(reader_, metrics_));
  EXPECT_EQ(metrics_.Render(), "");
}

}  // namespace
}  // namespace boxoffice::reservation
