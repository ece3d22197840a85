#include "services/reservation/same_seats.h"

#include <optional>
#include <vector>

#include <gmock/gmock.h>

namespace boxoffice::reservation {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr Timestamp kNow{milliseconds(1'790'000'000'000)};
constexpr milliseconds kOne{1};

SeatChoice Seats(std::vector<uint32_t> seat_nos) { return {.seat_nos = std::move(seat_nos)}; }
const Refusal kTaken{.code = "seats_taken", .conflicts = {{1, "A-1", "held"}}};

class SameSeatsTest : public ::testing::Test {
 protected:
  SameSeats::Question Ask(std::vector<uint32_t> seat_nos = {1}) {
    const SeatChoice choice = Seats(std::move(seat_nos));
    EXPECT_FALSE(same_seats_.MustWait(7, choice));
    return same_seats_.Ask(7, choice);
  }
  // Whoever is told is in told_; whose turn it is, in turns_, and she asks at once (asking_).
  void Wait(int who, Timestamp now = kNow) {
    const SeatChoice choice = Seats({1});
    EXPECT_TRUE(same_seats_.MustWait(7, choice)) << who;
    same_seats_.Wait(7, choice, now, [this, who, choice](const std::shared_ptr<const Refusal>& refusal) {
      if (refusal != nullptr) {
        EXPECT_EQ(*refusal, kTaken);
        told_.push_back(who);
        return;
      }
      turns_.push_back(who);
      asking_.push_back(same_seats_.Ask(7, choice));
    });
  }

  SameSeats same_seats_;
  std::vector<int> told_;
  std::vector<int> turns_;
  std::vector<SameSeats::Question> asking_;
};

TEST_F(SameSeatsTest, TwoAskAndWhatOneIsRefusedIsToldToAllWhoWait) {
  const auto first = Ask();
  const auto second = Ask();
  for (const int who : {3, 4, 5}) Wait(who);
  same_seats_.Answered(second, kTaken);
  EXPECT_THAT(told_, ElementsAre(3, 4, 5));
  EXPECT_FALSE(same_seats_.AnyWaits());
  same_seats_.Answered(first, std::nullopt);
  EXPECT_THAT(turns_, IsEmpty());
  Ask();  // as nobody asks any more
  Ask();
}

TEST_F(SameSeatsTest, WhoeverIsAnsweredOtherwiseMakesRoomForTheNextInTheOrderOfComing) {
  const auto first = Ask();
  const auto second = Ask();
  for (const int who : {3, 4, 5}) Wait(who);
  same_seats_.Answered(first, std::nullopt);  // has the seat
  EXPECT_THAT(turns_, ElementsAre(3));
  same_seats_.Answered(second, Refusal{.code = "seat_limit"});
  EXPECT_THAT(turns_, ElementsAre(3, 4));
  Wait(6);
  same_seats_.Answered(asking_[0], Refusal{.code = "seats_taken"});  // of which seats is not said
  EXPECT_THAT(turns_, ElementsAre(3, 4, 5));
  EXPECT_THAT(told_, IsEmpty());
  same_seats_.Answered(asking_[1], kTaken);
  EXPECT_THAT(told_, ElementsAre(6));
}

TEST_F(SameSeatsTest, NobodyWaitsForLongerThanThePatience) {
  Ask();
  Ask();
  Wait(3);
  Wait(4, kNow + kOne);
  same_seats_.LetGo(kNow + SameSeats::kPatience - kOne);
  EXPECT_THAT(turns_, IsEmpty());
  EXPECT_TRUE(same_seats_.AnyWaits());
  same_seats_.LetGo(kNow + SameSeats::kPatience);
  EXPECT_THAT(turns_, ElementsAre(3, 4));
  EXPECT_FALSE(same_seats_.AnyWaits());
  Wait(5, kNow + SameSeats::kPatience);  // four ask
  same_seats_.LetGo(kNow + SameSeats::kPatience + kOne);
  EXPECT_THAT(turns_, ElementsAre(3, 4));
}

TEST_F(SameSeatsTest, OthersSeatsShowsAndContingentsAreOtherQuestions) {
  Ask({1, 2});
  Ask({1, 2});
  EXPECT_TRUE(same_seats_.MustWait(7, Seats({1, 2})));
  EXPECT_FALSE(same_seats_.MustWait(7, Seats({1})));
  EXPECT_FALSE(same_seats_.MustWait(8, Seats({1, 2})));
  SeatChoice member = Seats({1, 2});
  member.channels = {"fan-club"};
  EXPECT_FALSE(same_seats_.MustWait(7, member));
}

TEST_F(SameSeatsTest, WhoLeavesTheChoiceToTheSystemNeverWaits) {
  const SeatChoice best{.best_count = 2};
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(same_seats_.MustWait(7, best));
    (void)same_seats_.Ask(7, best);
  }
}

}  // namespace
}  // namespace boxoffice::reservation
