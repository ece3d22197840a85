// What commands of one batch expect of each other, and what comes of it.
#include <functional>
#include <initializer_list>
#include <utility>

#include <gmock/gmock.h>

#include "services/seat/testing_service.h"

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using Kind = Outcome::Kind;

class SeatBatchTest : public SeatServiceTest {
 protected:
  void Start(std::initializer_list<uint32_t> rows, bool orphan_rule, uint32_t seat_limit) {
    Show& show = memory_.catalogue.shows[0].show;
    show.layout = MakeHall(rows);
    show.terms.orphan_rule = orphan_rule;
    show.terms.seat_limit = seat_limit;
    ServiceOptions options;
    options.batch.turns = [this](milliseconds, std::function<void()> turn) { turn_ = std::move(turn); };
    StartService(options);
  }
  // All in one batch, and what is decided again in the next ones.
  std::vector<Outcome> RunBatch(std::vector<Command> commands) {
    std::vector<std::future<Result<Outcome>>> answers;
    for (Command& command : commands) answers.push_back(Send(std::move(command)));
    for (batches_ = 0; turn_; ++batches_) std::exchange(turn_, nullptr)();
    std::vector<Outcome> outcomes;
    for (auto& answer : answers) {
      auto outcome = answer.get();
      EXPECT_TRUE(outcome.has_value()) << outcome.error().reason;
      outcomes.push_back(outcome.value_or(Outcome{}));
    }
    return outcomes;
  }
  // Row 1 has seats 1 to 6, of which 6 is taken; row 2 has 7 to 11.
  void StartWithTheOrphanRule() {
    Start({6, 5, 4}, /*orphan_rule=*/true, /*seat_limit=*/2);
    RunBatch({HoldOf(1, {6})});
  }
  // Next to each other, only 5 to 8 are free; single seats are 9, 11, 13 and 15. User 1 has all that one may.
  void StartWithOneRunOfFour() {
    Start({4, 4, 4, 4}, /*orphan_rule=*/false, /*seat_limit=*/4);
    RunBatch({BestOf(1, 4), HoldOf(9, {10, 12, 14, 16})});
  }

  std::function<void()> turn_;
  int batches_ = 0;
};

TEST_F(SeatBatchTest, AHoldThatNamesATakenSeatLeavesItsOthersToThoseBehindIt) {
  StartWithTheOrphanRule();
  const auto outcomes = RunBatch({HoldOf(2, {5, 6}), HoldOf(3, {3})});
  EXPECT_EQ(outcomes[0].refusal, Refusal::kSeatsTaken);
  EXPECT_EQ(outcomes[1].kind, Kind::kDone) << "4 has its neighbour 5";
  EXPECT_EQ(batches_, 1);
}

TEST_F(SeatBatchTest, ASeatIsNotCalledLeftOverBesideOneThatAnEarlierCommandDidNotGet) {
  StartWithTheOrphanRule();
  const auto outcomes = RunBatch({HoldOf(2, {5, 7, 8}), HoldOf(3, {3})});
  EXPECT_EQ(outcomes[0].refusal, Refusal::kSeatLimit);
  EXPECT_EQ(outcomes[1].kind, Kind::kDone) << "4 has its neighbour 5";
  EXPECT_EQ(batches_, 2);
}

TEST_F(SeatBatchTest, ASeatThatIsLeftOverBesideOneOfTheSameBatchIsRefusedAtOnce) {
  StartWithTheOrphanRule();
  const auto outcomes = RunBatch({HoldOf(2, {5}), HoldOf(3, {3})});
  EXPECT_EQ(outcomes[0].kind, Kind::kDone);
  EXPECT_EQ(outcomes[1].refusal, Refusal::kOrphanSeat);
  EXPECT_THAT(outcomes[1].conflicts, ElementsAre(Conflict{4, ConflictReason::kOrphan}));
  EXPECT_EQ(batches_, 1);
}

TEST_F(SeatBatchTest, HoldsThatLeaveASeatOverAreDecidedAgainOnceHoweverManyThereAre) {
  StartWithTheOrphanRule();
  std::vector<Command> commands = {HoldOf(2, {5, 7, 8})};
  for (uint64_t n = 3; n < 33; ++n) commands.push_back(HoldOf(n, {2}));
  const auto outcomes = RunBatch(std::move(commands));
  EXPECT_EQ(outcomes[0].refusal, Refusal::kSeatLimit);
  for (size_t i = 1; i < outcomes.size(); ++i) EXPECT_EQ(outcomes[i].refusal, Refusal::kOrphanSeat);
  EXPECT_EQ(batches_, 2);
}

TEST_F(SeatBatchTest, SeatsThatARepeatedHoldWasProposedInVainKeepThePartyBehindItTogether) {
  StartWithOneRunOfFour();
  const auto outcomes = RunBatch({BestOf(1, 4), BestOf(2, 4)});
  EXPECT_THAT(outcomes[0].seats, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(outcomes[1].seats, ElementsAre(5, 6, 7, 8));
  EXPECT_EQ(outcomes[1].rung, Rung::kRow);
  EXPECT_EQ(batches_, 2);
}

TEST_F(SeatBatchTest, SeatsThatABuyerAtTheLimitWasProposedKeepThePartyBehindItTogether) {
  StartWithOneRunOfFour();
  Command more = BestOf(3, 4);
  std::get<HoldSeats>(more.body).user_id = "user1";
  const auto outcomes = RunBatch({more, BestOf(2, 4)});
  EXPECT_EQ(outcomes[0].refusal, Refusal::kSeatLimit);
  EXPECT_THAT(outcomes[1].seats, ElementsAre(5, 6, 7, 8));
  EXPECT_EQ(batches_, 2);
}

TEST_F(SeatBatchTest, APartySitsApartAtOnceWhereAnEarlierCommandOfTheBatchGotTheLastRun) {
  StartWithOneRunOfFour();
  const auto outcomes = RunBatch({BestOf(2, 4), BestOf(3, 4)});
  EXPECT_THAT(outcomes[0].seats, ElementsAre(5, 6, 7, 8));
  EXPECT_THAT(outcomes[1].seats, ElementsAre(9, 11, 13, 15));
  EXPECT_EQ(outcomes[1].rung, Rung::kAnywhere);
  EXPECT_EQ(batches_, 1);
}

TEST_F(SeatBatchTest, TheSweepAsksForASelloutToBeToldOnceTheOpeningHasComeAndNotBefore) {
  Start({2}, /*orphan_rule=*/false, /*seat_limit=*/2);
  RunBatch({HoldOf(1, {1, 2})});
  StoredShow moved = memory_.catalogue.shows[0];
  moved.show.terms.on_sale_at = clock_.Now() + std::chrono::minutes(1);
  memory_.news.shows = {moved};
  ASSERT_TRUE(service_->Follow().has_value());
  RunBatch({ConfirmOf(1, {1, 2})});
  service_->Sweep();
  EXPECT_TRUE(turn_ == nullptr) << "it would be asked for each second";
  clock_.Advance(std::chrono::minutes(1));
  service_->Sweep();
  ASSERT_TRUE(turn_ != nullptr);
  std::exchange(turn_, nullptr)();
  EXPECT_EQ(memory_.marks.sold_out_at, clock_.Now());
}

}  // namespace
}  // namespace boxoffice::seat
