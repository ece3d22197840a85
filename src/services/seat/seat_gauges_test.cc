#include "services/seat/seat_gauges.h"

#include <string>

#include <gmock/gmock.h>

#include "services/seat/testing_service.h"

namespace boxoffice::seat {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;
using Kind = Outcome::Kind;

TEST_F(SeatServiceTest, ItsGaugesSayWhatTheSeatsOfAShowOnSaleAreAndGoWhenItsSaleIsOver) {
  SeatGauges gauges(metrics_);
  EXPECT_EQ(Run(HoldOf(1, {1, 2})).kind, Kind::kDone);
  gauges.Look(*service_);
  const auto seats = [&](const char* state) {
    return metrics_.GetGauge("boxoffice_show_seats", "", {{"show", "1"}, {"state", state}}).value();
  };
  EXPECT_EQ(seats("held"), 2);
  EXPECT_EQ(seats("free"), 6);
  EXPECT_EQ(seats("sold"), 0);
  EXPECT_EQ(metrics_.GetGauge("boxoffice_show_on_sale", "", {{"show", "1"}}).value(), 1);
  clock_.Advance(48h);
  gauges.Look(*service_);
  EXPECT_THAT(metrics_.Render(), Not(HasSubstr("boxoffice_show_")));
}

TEST_F(SeatServiceTest, ItsGaugesTellOfTheNewestShowsAloneWhereThereAreTooMany) {
  for (int64_t id = 2; id <= int64_t{SeatGauges::kMaxShows} + 1; ++id) {
    StoredShow show = memory_.catalogue.shows[0];
    show.show.id = id;
    memory_.catalogue.shows.push_back(show);
  }
  StartService();
  SeatGauges gauges(metrics_);
  gauges.Look(*service_);
  EXPECT_THAT(metrics_.Render(), Not(HasSubstr(R"(boxoffice_show_on_sale{show="1"})")));
  EXPECT_THAT(metrics_.Render(), HasSubstr(R"(boxoffice_show_on_sale{show="2"})"));
}

}  // namespace
}  // namespace boxoffice::seat
