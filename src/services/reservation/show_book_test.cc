#include "services/reservation/show_book.h"

#include <gmock/gmock.h>

namespace boxoffice::reservation {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);
constexpr int64_t kShow = 7;
constexpr WorkKey kCancels{kShow, WorkKind::kCancellation};
constexpr WorkKey kWaits{kShow, WorkKind::kWaitlist};

SeatChoice Wish(uint32_t count) {
  SeatChoice wish;
  wish.best_count = count;
  return wish;
}

// Rows as a store would have them after each command.
class ShowBookTest : public ::testing::Test {
 protected:
  std::vector<ShowOutcome> DecideAll(std::vector<ShowCommand> commands, Timestamp now = kNow) {
    rows_.due.clear();
    for (const auto& [key, work] : rows_.works) {
      if (work.due_at && *work.due_at <= now) rows_.due.push_back(key);
    }
    ShowDecision decision = Decide(rows_, commands, now, policy_);
    changes_ = decision.changes;
    for (const auto& [work, expected] : decision.changes.works) {
      EXPECT_EQ(expected, rows_.works.contains(work.key) ? rows_.works.at(work.key).version : 0);
      EXPECT_GT(work.version, expected);
      rows_.works[work.key] = work;
    }
    for (const auto& [entry, expected] : decision.changes.entries) {
      rows_.entries[{entry.show_id, entry.place}] = entry;
    }
    return std::move(decision.outcomes);
  }
  ShowOutcome Do(ShowCommand command, Timestamp now = kNow) {
    return DecideAll({std::move(command)}, now).front();
  }
  static ClaimWork Claim(std::string owner, uint32_t cancellations = 10, uint32_t waitlists = 10) {
    return {std::move(owner), {{WorkKind::kCancellation, cancellations}, {WorkKind::kWaitlist, waitlists}}};
  }
  ShowWork ClaimOne(std::string owner, Timestamp now = kNow) {
    const auto works = std::get<ClaimedWork>(Do(Claim(std::move(owner)), now)).works;
    EXPECT_THAT(works, SizeIs(1));
    return works.empty() ? ShowWork() : works.front();
  }
  WaitlistEntry Join(std::string user, uint32_t count = 2) {
    return std::get<WaitlistEntry>(Do(JoinWaitlist{kShow, std::move(user), Wish(count), true}));
  }

  Policy policy_;
  ShowRows rows_;
  ShowChanges changes_;
};

TEST_F(ShowBookTest, ACancellationIsWrittenOnceAndARepeatIsTheSame) {
  const auto first = std::get<ShowWork>(Do(BeginCancellation{kShow, "storm", "root"}));
  EXPECT_EQ(first.cancellation.reason, "storm");
  EXPECT_EQ(first.due_at, kNow);
  const auto again =
      std::get<ShowWork>(Do(BeginCancellation{kShow, "other", "other"}, kNow + milliseconds(5)));
  EXPECT_EQ(again, first);
  EXPECT_TRUE(changes_.empty());
}

TEST_F(ShowBookTest, ACancellationThatWasRefusedCanBeginAnew) {
  (void)Do(BeginCancellation{kShow, "", "root"});
  ShowWork work = ClaimOne("a");
  work.cancellation.state = CancellationState::kRefused;
  work.due_at.reset();
  (void)Do(KeepWork{work, {}, false});
  const auto anew = std::get<ShowWork>(Do(BeginCancellation{kShow, "", "root"}));
  EXPECT_EQ(anew.cancellation.state, CancellationState::kRunning);
  EXPECT_EQ(anew.due_at, kNow);
}

TEST_F(ShowBookTest, WhatIsClaimedIsNobodyElsesUntilItsLeaseEnds) {
  (void)Do(BeginCancellation{kShow, "", "root"});
  const ShowWork mine = ClaimOne("a");
  EXPECT_EQ(mine.epoch, 1);
  EXPECT_THAT(std::get<ClaimedWork>(Do(Claim("b"))).works, IsEmpty());
  const ShowWork theirs = ClaimOne("b", kNow + policy_.lease);
  EXPECT_EQ(theirs.epoch, 2);
  EXPECT_EQ(theirs.owner, "b");
}

TEST_F(ShowBookTest, WhatAClaimTookWithoutKnowingIsGivenAgainToItsOwnerAlone) {
  (void)Do(BeginCancellation{kShow, "", "root"});
  const ShowWork mine = ClaimOne("a");
  const auto claim_again = [&](std::string owner) {
    ClaimWork claim = Claim(std::move(owner));
    claim.unsure[kCancels] = mine.epoch;
    EXPECT_TRUE(KeysOf(std::vector<ShowCommand>{claim}).works.contains(kCancels));
    return std::get<ClaimedWork>(Do(claim, kNow + milliseconds(5))).works;
  };
  EXPECT_THAT(claim_again("b"), IsEmpty());
  const auto again = claim_again("a");
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].epoch, mine.epoch);
  EXPECT_EQ(again[0].due_at, kNow + milliseconds(5) + policy_.lease);
  (void)ClaimOne("b", kNow + milliseconds(5) + policy_.lease);
  (void)ClaimOne("a", kNow + milliseconds(5) + 2 * policy_.lease);
  EXPECT_THAT(claim_again("a"), IsEmpty()) << "that was another claim";
}

TEST_F(ShowBookTest, OfAKindNoMoreIsClaimedThanThereIsRoomFor) {
  (void)Do(BeginCancellation{kShow, "", "root"});
  (void)Do(BeginCancellation{kShow + 1, "", "root"});
  (void)Join("mina");
  const auto keys = KeysOf(std::vector<ShowCommand>{Claim("a", 0, 3), Claim("a", 1, 2)});
  EXPECT_EQ(keys.due_limits,
            (std::map<WorkKind, uint32_t>{{WorkKind::kCancellation, 1}, {WorkKind::kWaitlist, 3}}));
  const auto waits = std::get<ClaimedWork>(Do(Claim("a", 0, 1))).works;
  ASSERT_THAT(waits, SizeIs(1));
  EXPECT_EQ(waits[0].key, kWaits);
  ClaimWork claim = Claim("b", 1, 1);
  const auto first = std::get<ClaimedWork>(Do(claim)).works;
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_EQ(first[0].key, kCancels);
  claim.unsure[kCancels] = first[0].epoch;
  const auto again = std::get<ClaimedWork>(Do(claim)).works;
  ASSERT_THAT(again, SizeIs(1)) << "what it has taken without knowing has its room";
  EXPECT_EQ(again[0].key, kCancels);
}

TEST_F(ShowBookTest, AStaleOwnerKeepsNothing) {
  (void)Join("mina");
  ShowWork mine = ClaimOne("a");
  WaitlistEntry entry = rows_.entries.at({kShow, 1});
  (void)ClaimOne("b", kNow + policy_.lease);
  entry.state = EntryState::kOffered;
  EXPECT_TRUE(std::holds_alternative<StaleWork>(Do(KeepWork{mine, {entry}, true})));
  EXPECT_TRUE(std::holds_alternative<StaleWork>(Do(RenewWork{kWaits, mine.epoch})));
  EXPECT_EQ(rows_.entries.at({kShow, 1}).state, EntryState::kWaiting);
}

TEST_F(ShowBookTest, ARenewalProlongsTheLease) {
  (void)Do(BeginCancellation{kShow, "", "root"});
  const ShowWork mine = ClaimOne("a");
  (void)Do(RenewWork{kCancels, mine.epoch}, kNow + milliseconds(5'000));
  EXPECT_EQ(rows_.works.at(kCancels).due_at, kNow + milliseconds(5'000) + policy_.lease);
}

TEST_F(ShowBookTest, PlacesAreGivenInTheOrderOfJoining) {
  const auto outcomes =
      DecideAll({JoinWaitlist{kShow, "a", Wish(1), true}, JoinWaitlist{kShow, "b", Wish(1), true}});
  EXPECT_EQ(std::get<WaitlistEntry>(outcomes[0]).place, 1);
  EXPECT_EQ(std::get<WaitlistEntry>(outcomes[1]).place, 2);
  EXPECT_EQ(Join("c").place, 3);
}

TEST_F(ShowBookTest, AUserHasOnePlaceAndARepeatKeepsIt) {
  const WaitlistEntry first = Join("mina");
  EXPECT_EQ(Join("mina"), first);
  EXPECT_TRUE(changes_.empty());
  const auto twice =
      DecideAll({JoinWaitlist{kShow, "jun", Wish(1), true}, JoinWaitlist{kShow, "jun", Wish(1), true}});
  EXPECT_EQ(std::get<WaitlistEntry>(twice[0]).place, std::get<WaitlistEntry>(twice[1]).place);
  const auto other = Do(JoinWaitlist{kShow, "mina", Wish(5), true});
  EXPECT_EQ(std::get<Error>(other).reason, "waitlist_other_wish");
}

// She had a place when she asked, so nobody has looked whether one can wait for that.
TEST_F(ShowBookTest, WhosePlaceHasJustEndedGetsNoneForAWishThatWasNotChecked) {
  const JoinWaitlist join{kShow, "mina", Wish(500)};
  EXPECT_EQ(std::get<Error>(Do(join)).reason, "waitlist_offer_ending");
  EXPECT_TRUE(changes_.empty());
}

TEST_F(ShowBookTest, WhoLeavesIsOutAndJoinsAgainAtTheEnd) {
  (void)Join("a");
  (void)Join("b");
  const auto left = std::get<WaitlistEntry>(Do(LeaveWaitlist{kShow, "a"}));
  EXPECT_EQ(left.state, EntryState::kLeft);
  EXPECT_EQ(left.ended_because, "left");
  EXPECT_EQ(std::get<Error>(Do(LeaveWaitlist{kShow, "a"})).reason, "not_on_waitlist");
  EXPECT_EQ(Join("a").place, 3);
}

TEST_F(ShowBookTest, WhoHasLeftIsToldSoWhereTheCommandRunsAgain) {
  (void)Join("a");
  const LeaveWaitlist command{kShow, "a", 1};
  const auto left = std::get<WaitlistEntry>(Do(command));
  EXPECT_EQ(left.state, EntryState::kLeft);
  EXPECT_EQ(std::get<WaitlistEntry>(Do(command)), left);
  EXPECT_TRUE(changes_.empty());
  (void)Join("a");
  EXPECT_EQ(std::get<WaitlistEntry>(Do(command)), left) << "the place that she has now is another one";
  EXPECT_TRUE(changes_.empty());
  EXPECT_EQ(std::get<Error>(Do(LeaveWaitlist{kShow, "b", 1})).reason, "not_on_waitlist");
}

TEST_F(ShowBookTest, OnlyThePlaceThatSheLeftHerselfIsALeftOne) {
  (void)Join("a");
  const ShowWork work = ClaimOne("me");
  WaitlistEntry entry = rows_.entries.at({kShow, 1});
  entry.state = EntryState::kLeft;
  entry.ended_because = "declined";
  (void)Do(KeepWork{work, {entry}, true});
  EXPECT_EQ(std::get<Error>(Do(LeaveWaitlist{kShow, "a", 1})).reason, "not_on_waitlist");
}

TEST(ShowKeysTest, WhoLeavesLoadsThePlaceThatItIsAbout) {
  const std::vector<ShowCommand> commands{LeaveWaitlist{kShow, "a", 3}};
  EXPECT_THAT(KeysOf(commands).entries, ElementsAre(EntryKey{kShow, 3}));
}

TEST_F(ShowBookTest, WhoHasAnOfferDeclinesItByItsReservation) {
  (void)Join("mina");
  ShowWork work = ClaimOne("a");
  WaitlistEntry entry = rows_.entries.at({kShow, 1});
  SeededRandom random(1);
  entry.reservation = ReservationId::Make(kNow, random);
  ASSERT_TRUE(std::holds_alternative<KeptWork>(Do(KeepWork{work, {entry}, true})));
  EXPECT_EQ(std::get<Error>(Do(LeaveWaitlist{kShow, "mina"})).reason, "waitlist_offered");
}

TEST_F(ShowBookTest, WhoseOfferHasEndedJoinsAtTheEndUnlessThePlaceHasMovedSince) {
  const WaitlistEntry first = Join("mina");
  JoinWaitlist again{kShow, "mina", Wish(5), true};
  again.ended = first;
  again.ended->state = EntryState::kLapsed;
  again.ended->version = first.version + 1;
  EXPECT_EQ(std::get<Error>(Do(again)).reason, "waitlist_other_wish") << "it is not what was seen";
  EXPECT_TRUE(changes_.empty());
  again.ended->version = first.version;
  const auto joined = std::get<WaitlistEntry>(Do(again));
  EXPECT_EQ(joined.place, 2);
  EXPECT_EQ(rows_.entries.at({kShow, 1}).state, EntryState::kLapsed);
  EXPECT_EQ(rows_.entries.at({kShow, 1}).version, first.version + 1) << "a look that saw it before is stale";
  EXPECT_EQ(std::get<WaitlistEntry>(Do(again)), joined) << "again, as where its COMMIT ends unknown";
  EXPECT_TRUE(changes_.empty());
}

TEST_F(ShowBookTest, WhoseOfferHasEndedHasNoPlaceToGiveUp) {
  LeaveWaitlist leave{kShow, "mina", 1};
  leave.ended = Join("mina");
  leave.ended->state = EntryState::kLeft;
  leave.ended->ended_because = "declined";
  EXPECT_EQ(std::get<Error>(Do(leave)).reason, "not_on_waitlist");
  EXPECT_EQ(rows_.entries.at({kShow, 1}).ended_because, "declined");
}

TEST_F(ShowBookTest, AnEntryThatMovedMeanwhileIsNotOverwritten) {
  (void)Join("mina");
  ShowWork work = ClaimOne("a");
  WaitlistEntry entry = rows_.entries.at({kShow, 1});
  (void)Do(LeaveWaitlist{kShow, "mina"});
  entry.state = EntryState::kOffered;
  EXPECT_TRUE(std::holds_alternative<StaleWork>(Do(KeepWork{work, {entry}, true})));
  EXPECT_EQ(rows_.entries.at({kShow, 1}).state, EntryState::kLeft);
}

TEST_F(ShowBookTest, AJoiningWhileSomebodyLooksIsLookedAtAgainAtOnce) {
  (void)Join("a");
  ShowWork work = ClaimOne("replica");
  (void)Join("b");
  work.due_at.reset();  // as if nobody waited
  (void)Do(KeepWork{work, {}, false});
  EXPECT_EQ(rows_.works.at(kWaits).due_at, kNow);
  work = ClaimOne("replica");
  work.due_at.reset();
  (void)Do(KeepWork{work, {}, false});
  EXPECT_EQ(rows_.works.at(kWaits).due_at, std::nullopt);
  (void)Join("c");
  EXPECT_EQ(rows_.works.at(kWaits).due_at, kNow);
}

TEST(ShowWorkTest, AProgressCountsWhatTheShowEndedAndWhatIsLeft) {
  CancellationProgress progress;
  Reservation r;
  r.currency = "KRW";
  r.amount = 300;
  r.saga.status = SagaStatus::kDone;
  r.state = State::kCancelled;
  CountReservation(progress, r);  // by its buyer
  r.failure = Refusal{};
  r.failure->code = kShowCancelled;
  CountReservation(progress, r);
  r.state = State::kReleased;
  r.saga.kind = SagaKind::kRelease;
  CountReservation(progress, r);
  r.saga.kind = SagaKind::kHold;  // the show refused it
  CountReservation(progress, r);
  r.state = State::kConfirmed;
  CountReservation(progress, r);
  r.state = State::kCancelling;
  r.saga.status = SagaStatus::kParked;
  CountReservation(progress, r);
  EXPECT_EQ(progress, (CancellationProgress{1, 1, 1, 1, {{"KRW", 300}}}));
}

}  // namespace
}  // namespace boxoffice::reservation
