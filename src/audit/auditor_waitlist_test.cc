// How the auditor reads waitlists, and follows what it suspects of them.
#include "audit/auditor_for_test.h"

namespace boxoffice::audit {
namespace {

using ::testing::IsEmpty;

class AuditorWaitlistTest : public AuditorTest {
 protected:
  // Mina has bought what a place of hers was offered.
  ReservationId SellToPlace(uint64_t place) {
    const ReservationId id = Sell(static_cast<uint32_t>(place), "mina");
    Row(id).set_version(3);
    Publish(id, "reservation.held", 1, {}, 0, /*from_waitlist=*/true);
    std::swap(world_.log.back(), world_.log[world_.log.size() - 2]);
    auto& entry = AddPlace(place, "mina", reservation::v1::WAITLIST_ACCEPTED);
    entry.set_reservation_id(std::string(id.bytes()));
    return id;
  }
  reservation::v1::WaitlistEntry& AddPlace(uint64_t place, const std::string& user,
                                           reservation::v1::WaitlistState state) {
    auto& entry = world_.places[{7, place}];
    entry.set_show_id(7);
    entry.set_place(place);
    entry.set_user_id(user);
    entry.set_state(state);
    entry.set_updated_at_ms(ToUnixMs(kStart - milliseconds(3'600'000)));
    return entry;
  }
};

TEST_F(AuditorWaitlistTest, OffersAreMatchedWithTheirPlacesOverAllPages) {
  for (uint64_t place = 1; place <= 7; ++place) SellToPlace(place);
  AddPlace(8, "jun", reservation::v1::WAITLIST_WAITING);
  const Verdict verdict = Audit();
  EXPECT_THAT(verdict.violations, IsEmpty());
  EXPECT_EQ(verdict.checked.at("places"), 8);
}

TEST_F(AuditorWaitlistTest, AnOfferThatNoPlaceHasIsFound) {
  const ReservationId id = SellToPlace(1);
  world_.places.at({7, 1}).clear_reservation_id();
  EXPECT_THAT(Audit().violations, Names(Invariant::kWaitlistKept, "reservation:" + id.ToString()));
}

TEST_F(AuditorWaitlistTest, AnOfferOfAPlaceThatHasItByNowIsFine) {
  const ReservationId id = SellToPlace(2);
  world_.places.at({7, 2}).clear_reservation_id();
  on_wait_ = [this, id] { world_.places.at({7, 2}).set_reservation_id(std::string(id.bytes())); };
  EXPECT_THAT(Audit().violations, IsEmpty());
  EXPECT_GT(waits_, 0);
}

TEST_F(AuditorWaitlistTest, AnOfferOfAnotherBuyersPlaceIsFound) {
  SellToPlace(1);
  world_.places.at({7, 1}).set_user_id("jun");
  EXPECT_THAT(Audit().violations, Names(Invariant::kWaitlistKept, "place:7/1"));
}

TEST_F(AuditorWaitlistTest, WhoHasTwoPlacesIsFoundUnlessOneWasLeftMeanwhile) {
  AddPlace(1, "mina", reservation::v1::WAITLIST_WAITING);
  AddPlace(4, "mina", reservation::v1::WAITLIST_WAITING);
  EXPECT_THAT(Audit().violations, Names(Invariant::kWaitlistKept, "user:mina"));
  on_wait_ = [this] { world_.places.at({7, 1}).set_state(reservation::v1::WAITLIST_LEFT); };
  EXPECT_THAT(Audit().violations, IsEmpty());
}

TEST_F(AuditorWaitlistTest, SeatsThatAreKeptForNobodyAreFoundWhileTheShowIsOnSale) {
  AddPlace(1, "mina", reservation::v1::WAITLIST_LEFT);
  world_.shows[7].set_state(seat::v1::ON_SALE);
  world_.shows[7].set_waitlist_first(true);
  EXPECT_THAT(Audit().violations, Names(Invariant::kWaitlistKept, "show:7"));
  world_.shows[7].set_state(seat::v1::PAST);
  EXPECT_THAT(Audit().violations, IsEmpty());
}

TEST_F(AuditorWaitlistTest, WhereWaitlistsCantBeReadNothingIsSaidOfReservations) {
  const ReservationId id = SellToPlace(1);
  Row(id).set_amount(99);
  reservations_.ListWaitlist_.answer = [](const auto&) -> Result<reservation::v1::ListWaitlistResponse> {
    return Fail(Code::kUnavailable, "database_unavailable");
  };
  EXPECT_EQ(AuditWithin({}).error().reason, "database_unavailable");
}

}  // namespace
}  // namespace boxoffice::audit
