#include "services/seat/show.h"

#include <gmock/gmock.h>

#include "services/seat/testing_hall.h"

namespace boxoffice::seat {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::chrono_literals;

constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);

NewShow Request() {
  NewShow request;
  request.concert_id = 1;
  request.starts_at = kNow + 24h;
  request.currency = "KRW";
  return request;
}
Result<Show> Make(const NewShow& request) { return MakeShow(request, MakeHall({2}), kNow); }
void ExpectInvalid(const Result<Show>& show, const std::string& field) {
  ASSERT_FALSE(show.has_value());
  EXPECT_EQ(show.error().reason, "show_invalid");
  EXPECT_THAT(show.error().detail, StartsWith(field + ":"));
}

TEST(Show, WhatIsNotGivenHasADefault) {
  const auto show = Make(Request());
  ASSERT_TRUE(show.has_value());
  EXPECT_EQ(show->terms.on_sale_at, kNow);
  EXPECT_EQ(show->terms.sale_ends_at, kNow + 24h);
  EXPECT_EQ(show->terms.seat_limit, 8);
  EXPECT_EQ(show->terms.hold_ttl, 5min);
  EXPECT_FALSE(show->terms.cancel_deadline.has_value());
}

TEST(Show, WhatACancellationCostsAndTheGraceHaveBounds) {
  NewShow request = Request();
  request.cancel_fee_per_seat = 500;
  request.cancel_fee_percent = 100;
  request.grace = 30min;
  const Show show = Make(request).value();
  EXPECT_EQ(show.terms.cancel_fee_per_seat, 500);
  EXPECT_EQ(show.terms.cancel_fee_percent, 100);
  EXPECT_EQ(show.terms.grace, 30min);
  request.cancel_fee_percent = 101;
  ExpectInvalid(Make(request), "cancel_fee_percent");
  request.cancel_fee_percent = 0;
  request.cancel_fee_per_seat = -1;
  ExpectInvalid(Make(request), "cancel_fee_per_seat");
  request.cancel_fee_per_seat = 0;
  request.grace = 30min + 1ms;
  ExpectInvalid(Make(request), "grace_ms");
  TermsChange change;
  change.grace = 0ms;
  change.cancel_fee_percent = 10;
  EXPECT_EQ(ChangeTerms(show, change)->terms.grace, 0ms);
  EXPECT_EQ(ChangeTerms(show, change)->terms.cancel_fee_percent, 10);
  EXPECT_EQ(ChangeTerms(show, change)->terms.cancel_fee_per_seat, 500) << "what is not given stays";
  change.cancel_fee_percent = 101;
  ExpectInvalid(ChangeTerms(show, change), "cancel_fee_percent");
}

TEST(Show, ADraftIsSoldOnceItIsPublishedAndACancelledOneNoMore) {
  NewShow request = Request();
  request.draft = true;
  const Show draft = Make(request).value();
  EXPECT_EQ(StateOf(draft, {2, 0, 0}, kNow), ShowState::kDraft);
  EXPECT_FALSE(draft.OnSale(kNow));
  const Show published = Publish(draft).value();
  EXPECT_EQ(StateOf(published, {2, 0, 0}, kNow), ShowState::kOnSale);
  EXPECT_TRUE(published.OnSale(kNow));
  EXPECT_EQ(Publish(published)->terms, published.terms) << "again";
  const Show cancelled = Cancel(published, kNow).value();
  EXPECT_EQ(StateOf(cancelled, {2, 0, 0}, kNow + 48h), ShowState::kCancelled) << "for good";
  EXPECT_FALSE(cancelled.OnSale(kNow));
  EXPECT_EQ(Cancel(cancelled, kNow + 48h)->terms, cancelled.terms) << "again, also later";
  EXPECT_EQ(Publish(cancelled).error().reason, "show_state");
  EXPECT_EQ(Cancel(published, published.starts_at).error().reason, "show_state") << "it has begun";
}

TEST(Show, ACancelledDraftStaysUnknownToBuyersAndAShowThatTheyKnewStaysKnown) {
  NewShow request = Request();
  request.draft = true;
  const Show draft = Make(request).value();
  EXPECT_FALSE(draft.IsPublic());
  const Show cancelled = Cancel(draft, kNow).value();
  EXPECT_EQ(StateOf(cancelled, {2, 0, 0}, kNow), ShowState::kCancelled);
  EXPECT_FALSE(cancelled.IsPublic());
  EXPECT_EQ(Cancel(cancelled, kNow)->terms, cancelled.terms) << "again";
  EXPECT_EQ(Publish(cancelled).error().reason, "show_state");
  TermsChange change;
  change.seat_limit = 1;
  EXPECT_FALSE(ChangeTerms(cancelled, change)->IsPublic());
  EXPECT_TRUE(Publish(draft)->IsPublic());
  EXPECT_TRUE(Cancel(*Publish(draft), kNow)->IsPublic());
}

TEST(Show, BlockedSeatsDoNotKeepItFromBeingSoldOut) {
  const Show show = Make(Request()).value();
  EXPECT_EQ(StateOf(show, {0, 0, 1, 1}, kNow), ShowState::kSoldOut);
  EXPECT_EQ(StateOf(show, {0, 1, 0, 1}, kNow), ShowState::kOnSale);
}

TEST(Show, BadRequestsNameTheirField) {
  NewShow request = Request();
  request.starts_at = {};
  ExpectInvalid(Make(request), "starts_at");
  request = Request();
  request.currency = "won";
  ExpectInvalid(Make(request), "currency");
  request = Request();
  request.on_sale_at = request.starts_at;
  ExpectInvalid(Make(request), "on_sale_at");
  request = Request();
  request.sale_ends_at = request.starts_at + 1ms;
  ExpectInvalid(Make(request), "sale_ends_at");
  request = Request();
  request.seat_limit = 1001;
  ExpectInvalid(Make(request), "seat_limit");
  request = Request();
  request.hold_ttl = 59'999ms;
  ExpectInvalid(Make(request), "hold_ttl_ms");
  request.hold_ttl = 30min + 1ms;
  ExpectInvalid(Make(request), "hold_ttl_ms");
  request = Request();
  request.cancel_deadline = request.starts_at + 1ms;
  ExpectInvalid(Make(request), "cancel_deadline");
}

TEST(Show, ASaleThatEndsBeforeItBeginsIsToldByWhatWasGiven) {
  NewShow request = Request();
  request.starts_at = kNow - 1h;
  ExpectInvalid(Make(request), "starts_at");
  request.on_sale_at = request.starts_at;
  ExpectInvalid(Make(request), "on_sale_at");
  request = Request();
  request.sale_ends_at = kNow;
  ExpectInvalid(Make(request), "sale_ends_at");
  EXPECT_THAT(Make(request).error().detail, HasSubstr("past")) << "nobody gave an on_sale_at";
  request.on_sale_at = kNow;
  ExpectInvalid(Make(request), "sale_ends_at");
  const Show show = *Make(Request());
  TermsChange change;
  change.on_sale_at = show.terms.sale_ends_at;
  ExpectInvalid(ChangeTerms(show, change), "on_sale_at");
  change.sale_ends_at = show.terms.sale_ends_at;
  ExpectInvalid(ChangeTerms(show, change), "sale_ends_at");
}

TEST(Show, TheStateFollowsFromTimeAndCounts) {
  NewShow request = Request();
  request.on_sale_at = kNow + 1h;
  request.sale_ends_at = kNow + 2h;
  const Show show = *Make(request);
  const SeatCounts some{1, 0, 1};
  EXPECT_EQ(StateOf(show, some, kNow + 1h - 1ms), ShowState::kAnnounced);
  EXPECT_EQ(StateOf(show, some, kNow + 1h), ShowState::kOnSale);
  EXPECT_EQ(StateOf(show, {0, 1, 1}, kNow + 1h), ShowState::kOnSale);
  EXPECT_EQ(StateOf(show, {0, 0, 2}, kNow + 1h), ShowState::kSoldOut);
  EXPECT_EQ(StateOf(show, some, kNow + 2h), ShowState::kPast);
}

TEST(Show, TermsCanBeChangedWithinTheirBounds) {
  const Show show = *Make(Request());
  TermsChange change;
  change.seat_limit = 4;
  change.cancel_deadline = kNow + 1h;
  const auto changed = ChangeTerms(show, change);
  ASSERT_TRUE(changed.has_value());
  EXPECT_EQ(changed->terms.seat_limit, 4);
  EXPECT_EQ(changed->terms.highest_seat_limit, 8);
  EXPECT_EQ(changed->terms.hold_ttl, 5min);
  EXPECT_EQ(changed->terms.cancel_deadline, kNow + 1h);
  change.cancel_deadline = Timestamp{};
  EXPECT_FALSE(ChangeTerms(*changed, change)->terms.cancel_deadline.has_value());
  change.seat_limit = 0;
  ExpectInvalid(ChangeTerms(show, change), "seat_limit");
}

TEST(Show, TheHighestSeatLimitThatThereEverWasIsRemembered) {
  NewShow request = Request();
  request.seat_limit = 2;
  Show show = *Make(request);
  EXPECT_EQ(show.terms.highest_seat_limit, 2);
  TermsChange change;
  for (const uint32_t limit : {6, 3, 4}) {
    change.seat_limit = limit;
    show = *ChangeTerms(show, change);
  }
  EXPECT_EQ(show.terms.seat_limit, 4);
  EXPECT_EQ(show.terms.highest_seat_limit, 6);
}

TEST(Show, AConcertHasATitle) {
  EXPECT_TRUE(CheckConcert({0, "Title", "", ""}).has_value());
  EXPECT_FALSE(CheckConcert({0, "", "artist", "venue"}).has_value());
  EXPECT_FALSE(CheckConcert({0, std::string(201, 'x'), "", ""}).has_value());
}

TEST(Show, AConcertsNamesHaveNoControlCharacter) {
  const std::string odd("a\x1b[2Jb");
  const Concert concerts[] = {{0, odd, "", ""}, {0, "T", odd, ""}, {0, "T", "", odd}};
  const char* const fields[] = {"title", "artist", "venue"};
  for (size_t i = 0; i < std::size(concerts); ++i) {
    const auto checked = CheckConcert(concerts[i]);
    ASSERT_FALSE(checked.has_value()) << fields[i];
    EXPECT_EQ(checked.error().reason, "concert_invalid");
    EXPECT_THAT(checked.error().detail, StartsWith(std::string(fields[i]) + ":"));
  }
  EXPECT_FALSE(ChangeConcert({7, "T", "", ""}, {.venue = odd}).has_value());
}

TEST(Show, AConcertsNamesChangeOneByOneAndStayWhatAConcertMayHave) {
  const Concert concert{7, "Title", "Artist", "Venue"};
  EXPECT_EQ(*ChangeConcert(concert, {}), concert);
  EXPECT_EQ(*ChangeConcert(concert, {.title = "Other"}), (Concert{7, "Other", "Artist", "Venue"}));
  EXPECT_EQ(*ChangeConcert(concert, {.artist = "", .venue = "Hall"}), (Concert{7, "Title", "", "Hall"}));
  EXPECT_EQ(ChangeConcert(concert, {.title = ""}).error().reason, "concert_invalid");
  EXPECT_EQ(ChangeConcert(concert, {.venue = std::string(201, 'x')}).error().reason, "concert_invalid");
}

}  // namespace
}  // namespace boxoffice::seat
