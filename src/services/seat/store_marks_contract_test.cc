// What every store of the seat service does with the marks of a show. With which stores says
// store_contract_test.cc.
#include <optional>
#include <vector>

#include "services/seat/store_for_test.h"

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

TEST_P(StoreContractTest, AMarkThatWasSetMeanwhileIsNamedAndNothingIsSaved) {
  const int64_t id = MakeShow();
  Changes first;
  first.shows = {{id, {kNow, std::nullopt}, {}}};
  EXPECT_TRUE(Save(first).done());
  Changes second;
  second.seats = {Held(1)};
  second.shows = {{id, {kNow + 1s, std::nullopt}, {}}};
  second.events = {HeldEvent(1)};
  EXPECT_THAT(Save(second).moved_shows, ElementsAre(id));
  EXPECT_EQ(Load({{}, {}, {{1, 1}}}).seats[0].version, 0);
  EXPECT_EQ(database_->CountEvents(), 0);
  second.shows[0].before = {kNow, std::nullopt};
  EXPECT_TRUE(Save(second).done());
  EXPECT_EQ(CatalogueOf(*store_).shows[0].marks, (ShowMarks{kNow + 1s, std::nullopt}));
}

TEST_P(StoreContractTest, ASellOutIsMarkedOnlyOnceNoSeatIsLeftThatCouldBeSold) {
  const int64_t id = MakeShow();
  ASSERT_EQ(id, 1);
  std::vector<SeatRow> seats = {Held(1), {.key = {1, 2}}, Held(3), {.key = {1, 4}}};
  seats[0].state = SeatState::kSold;
  seats[1].state = SeatState::kBlocked;
  seats[2].hold_expires_at = kNow + 1s;
  seats[2].channel = seats[3].channel = "fanclub";
  seats[3].channel_until = kNow + 2s;
  EXPECT_TRUE(Save({.seats = seats}).done());
  const auto sell_out = [&](Timestamp now, SeatRow last) {
    return Save({.seats = {last}, .shows = {{id, {kNow, now}, {}}}}).moved_shows;
  };
  SeatRow last = Held(5);
  EXPECT_THAT(sell_out(kNow + 1s, last), ElementsAre(id)) << "the last is only held";
  last.state = SeatState::kSold;
  EXPECT_THAT(sell_out(kNow, last), ElementsAre(id)) << "3 is held";
  EXPECT_THAT(sell_out(kNow + 2s, last), ElementsAre(id)) << "4 is everybody's";
  EXPECT_THAT(sell_out(kNow + 1s, last), IsEmpty());
  EXPECT_EQ(Load({.shows = {id}}).show_rows.at(0).marks, (ShowMarks{kNow, kNow + 1s}));
  EXPECT_TRUE(Save({.seats = {{.key = {1, 1}, .version = 1}},
                    .shows = {{id, {kNow + 5s, kNow + 1s}, {kNow, kNow + 1s}}}})
                  .done())
      << "it is counted once";
}

}  // namespace
}  // namespace boxoffice::seat
