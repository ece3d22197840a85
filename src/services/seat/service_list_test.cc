// Lists of concerts, by whether they are to come or over.
#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "services/seat/testing_service.h"

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

std::vector<int64_t> IdsOf(const ConcertPage& page) {
  std::vector<int64_t> ids;
  for (const ConcertView& one : page.concerts) ids.push_back(one.concert.id);
  return ids;
}

// The fixture's concert 1 has a show tomorrow.
class ConcertListTest : public SeatServiceTest {
 protected:
  // A show that begins so much later than now.
  void AddShow(int64_t concert, std::chrono::hours later, ShowPhase phase = ShowPhase::kPublished) {
    std::vector<Concert>& concerts = memory_.catalogue.concerts;
    if (std::ranges::find(concerts, concert, &Concert::id) == concerts.end()) {
      concerts.push_back({concert, std::to_string(concert), "", ""});
    }
    StoredShow stored = memory_.catalogue.shows[0];
    stored.show.id = static_cast<int64_t>(memory_.catalogue.shows.size()) + 1;
    stored.show.concert_id = concert;
    stored.show.starts_at = clock_.Now() + later;
    stored.show.terms.phase = phase;
    memory_.catalogue.shows.push_back(stored);
  }
  std::vector<int64_t> List(When when, bool drafts = false) {
    return IdsOf(service_->ListConcerts(10, 0, drafts, when));
  }
};

TEST_F(ConcertListTest, AConcertIsToComeUntilItsLastShowHasBegun) {
  AddShow(2, 1h);
  AddShow(2, 2h);
  StartService();
  EXPECT_THAT(List(When::kUpcoming), ElementsAre(1, 2));
  EXPECT_THAT(List(When::kPast), IsEmpty());
  clock_.Advance(2h - 1ms);
  EXPECT_THAT(List(When::kUpcoming), ElementsAre(1, 2));
  EXPECT_THAT(List(When::kPast), IsEmpty());
  clock_.Advance(1ms);
  EXPECT_THAT(List(When::kUpcoming), ElementsAre(1));
  EXPECT_THAT(List(When::kPast), ElementsAre(2));
  EXPECT_THAT(List(When::kAll), ElementsAre(1, 2));
}

TEST_F(ConcertListTest, OneWhoseShowsAreCancelledIsToComeUntilTheyWouldHaveBegun) {
  AddShow(2, 1h, ShowPhase::kCancelled);
  StartService();
  EXPECT_THAT(List(When::kUpcoming), ElementsAre(1, 2));
  clock_.Advance(1h);
  EXPECT_THAT(List(When::kPast), ElementsAre(2));
}

TEST_F(ConcertListTest, ADraftMakesNoConcertOneToComeForBuyers) {
  AddShow(2, -1h);
  AddShow(2, 1h, ShowPhase::kDraft);
  AddShow(3, 1h, ShowPhase::kDraft);
  AddShow(4, -1h, ShowPhase::kDraft);
  StartService();
  EXPECT_THAT(List(When::kUpcoming), ElementsAre(1));
  EXPECT_THAT(List(When::kPast), ElementsAre(2));
  EXPECT_THAT(List(When::kUpcoming, /*drafts=*/true), ElementsAre(1, 2, 3));
  EXPECT_THAT(List(When::kPast, /*drafts=*/true), ElementsAre(4));
}

TEST_F(ConcertListTest, ThoseToComeAreInPagesById) {
  for (int64_t concert = 2; concert <= 7; ++concert)
    AddShow(concert, concert % 2 == 0 ? -1h : 9h - concert * 1h);
  StartService();
  const ConcertPage first = service_->ListConcerts(2, 0, /*drafts=*/false, When::kUpcoming);
  EXPECT_THAT(IdsOf(first), ElementsAre(1, 3));
  EXPECT_TRUE(first.more);
  const ConcertPage second = service_->ListConcerts(2, 3, /*drafts=*/false, When::kUpcoming);
  EXPECT_THAT(IdsOf(second), ElementsAre(5, 7));
  EXPECT_FALSE(second.more);
}

TEST_F(ConcertListTest, PastOnesAreInPagesByTheirLastShowTheLatestFirst) {
  AddShow(2, -30h);
  AddShow(2, -4h);  // between the shows of another
  AddShow(3, -5h);
  AddShow(3, -3h);
  AddShow(4, -40h);
  AddShow(5, -4h);  // at the same time as that of 2, and made later
  AddShow(6, -1h);  // and goes on
  AddShow(6, 1h);
  StartService();
  const ConcertPage first = service_->ListConcerts(2, 0, /*drafts=*/false, When::kPast);
  EXPECT_THAT(IdsOf(first), ElementsAre(3, 5));
  EXPECT_TRUE(first.more);
  const ConcertPage second = service_->ListConcerts(2, 5, /*drafts=*/false, When::kPast);
  EXPECT_THAT(IdsOf(second), ElementsAre(2, 4));
  EXPECT_FALSE(second.more);
  EXPECT_THAT(IdsOf(service_->ListConcerts(2, 4, /*drafts=*/false, When::kPast)), IsEmpty());
  EXPECT_THAT(IdsOf(service_->ListConcerts(2, 99, /*drafts=*/false, When::kPast)), IsEmpty());
}

TEST_F(ConcertListTest, APageGoesOnBehindAPastConcertThatHasGotAShowToCome) {
  for (int64_t concert = 2; concert <= 4; ++concert) AddShow(concert, -1h * concert);
  AddShow(3, 5h);
  StartService();
  EXPECT_THAT(IdsOf(service_->ListConcerts(10, 3, /*drafts=*/false, When::kPast)), ElementsAre(4));
}

TEST_F(ConcertListTest, AShowIsListedOnceItIsMadeAndAfterAFailoverAsItIsStored) {
  const auto made = service_->CreateConcert("concert", {0, "Second", "", ""});
  ASSERT_TRUE(made.has_value());
  NewShow request;
  request.concert_id = made->concert.id;
  request.starts_at = clock_.Now() + 1h;
  request.currency = "KRW";
  const auto layout = []() -> Result<Layout> { return *MakeHall({4}); };
  ASSERT_TRUE(service_->CreateShow("show", "content", request, layout).has_value());
  EXPECT_THAT(List(When::kUpcoming), ElementsAre(1, made->concert.id));
  // What was made is lost, and the show that was known is another one by then.
  memory_.catalogue.shows[0].show.starts_at = clock_.Now() - 1h;
  memory_.news.lost = true;
  ASSERT_TRUE(service_->Follow().has_value());
  EXPECT_THAT(List(When::kUpcoming), IsEmpty());
  EXPECT_THAT(List(When::kPast), ElementsAre(1));
}

}  // namespace
}  // namespace boxoffice::seat
