#include "platform/bus/kafka_parked.h"

#include <gmock/gmock.h>

#include "platform/bus/inbox_for_test.h"

namespace boxoffice::bus::kafka {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Time = ParkedKeys::Time;

constexpr Time kNow = Time(std::chrono::hours(1));

ParkedEvent At(int64_t offset, const std::string& key, ParkedState state = ParkedState::kQueued) {
  EventMaker events;
  ParkedEvent parked;
  parked.record.event = events.Make(key, "body");
  parked.record.offset = offset;
  parked.state = state;
  return parked;
}

TEST(ParkedKeys, AKeyIsSetAsideUntilItsLastEventIsDone) {
  ParkedKeys parked;
  parked.Put(At(5, "a", ParkedState::kRetrying));
  parked.Put(At(9, "a"));
  parked.Erase(5);
  ASSERT_NE(parked.Find("a"), nullptr);
  EXPECT_EQ(parked.Find("a")->first().record.offset, 9);
  parked.Erase(9);
  EXPECT_EQ(parked.Find("a"), nullptr);
  EXPECT_EQ(parked.bytes(), 0);
  parked.Erase(9);
}

TEST(ParkedKeys, EventsStandInTheOrderOfTheirOffsetsInWhateverOrderTheyCome) {
  ParkedKeys parked;
  for (const int64_t offset : {9, 5, 7}) parked.Put(At(offset, "a"));
  std::vector<int64_t> offsets;
  for (const auto& [offset, event] : parked.Find("a")->events) offsets.push_back(offset);
  EXPECT_THAT(offsets, ElementsAre(5, 7, 9));
}

TEST(ParkedKeys, ADeadKeyIsNotDueAndAReplayedOneIsAtOnce) {
  ParkedKeys parked;
  parked.Put(At(5, "a", ParkedState::kDead));
  parked.Put(At(6, "a"));
  EXPECT_THAT(parked.Due(kNow), IsEmpty());
  EXPECT_EQ(parked.NextDue(), std::nullopt);
  parked.Put(At(5, "a", ParkedState::kRetrying));
  EXPECT_THAT(parked.Due(kNow), ElementsAre("a"));
}

TEST(ParkedKeys, AKeyIsDueWhenItsTimeHasCome) {
  ParkedKeys parked;
  parked.Put(At(5, "a", ParkedState::kRetrying));
  parked.SetDue("a", kNow + std::chrono::seconds(1));
  parked.Put(At(6, "a"));  // behind it: changes nothing
  EXPECT_THAT(parked.Due(kNow), IsEmpty());
  EXPECT_EQ(parked.NextDue(), kNow + std::chrono::seconds(1));
  EXPECT_THAT(parked.Due(kNow + std::chrono::seconds(1)), ElementsAre("a"));
}

TEST(ParkedKeys, AnEventThatComesAgainIsKnown) {
  ParkedKeys parked;
  parked.Put(At(5, "a", ParkedState::kRetrying));
  parked.Put(At(8, "a"));
  EXPECT_TRUE(parked.Knows("a", 5));
  EXPECT_TRUE(parked.Knows("a", 8));
  EXPECT_TRUE(parked.Knows("a", 3));  // it had its effect before the first one failed
  EXPECT_FALSE(parked.Knows("a", 9));
  EXPECT_FALSE(parked.Knows("b", 5));
}

// As after a log has lost its end: what is written since stands where those stood.
TEST(ParkedKeys, BeforeTheLogEventsKeepTheirOrderAndNothingOfTheLogIsKnown) {
  ParkedKeys parked;
  parked.Put(At(-3, "b"));  // since an earlier time
  parked.Put(At(5, "a", ParkedState::kDead));
  parked.Put(At(6, "b"));
  parked.Put(At(8, "a"));
  const ParkedKeys before = parked.BeforeTheLog();
  std::vector<std::pair<int64_t, std::string>> events;
  for (const ParkedEvent* event : before.InOrder()) {
    events.emplace_back(event->record.offset, event->record.event.key);
  }
  using Place = std::pair<int64_t, std::string>;
  EXPECT_THAT(events, ElementsAre(Place(-12, "b"), Place(-4, "a"), Place(-3, "b"), Place(-1, "a")));
  EXPECT_TRUE(before.Find("a")->dead());
  EXPECT_EQ(before.Find("a")->first().record.event.id, parked.Find("a")->first().record.event.id);
  EXPECT_FALSE(before.Knows("a", 0));
  EXPECT_EQ(before.bytes(), parked.bytes());
  EXPECT_EQ(before.BeforeTheLog().InOrder().front()->record.offset, -12) << "once is enough";
  EXPECT_THAT(ParkedKeys().BeforeTheLog().keys(), IsEmpty());
}

// Whoever moved up would take the place of another that is yet to be moved, and that one would be lost if the
// process ended between the two.
TEST(ParkedKeys, EventsThatStandBeforeTheLogNeverMoveUp) {
  ParkedKeys parked;
  parked.Put(At(-4, "a"));
  parked.Put(At(-3, "b"));  // what stood behind it has been dealt with
  std::vector<int64_t> offsets;
  const ParkedKeys before = parked.BeforeTheLog();
  for (const ParkedEvent* event : before.InOrder()) offsets.push_back(event->record.offset);
  EXPECT_THAT(offsets, ElementsAre(-4, -3));
}

TEST(ParkedKeys, BytesAreThoseOfKeysAndBodies) {
  ParkedKeys parked;
  parked.Put(At(5, "ab"));
  parked.Put(At(5, "ab", ParkedState::kDead));
  EXPECT_EQ(parked.bytes(), 6);
}

TEST(DeadLetterId, FitsIntoAJsonNumberAndTellsOriginsApart) {
  Record record = At(5, "a").record;
  const int64_t id = DeadLetterId("g", record);
  EXPECT_GT(id, 0);
  EXPECT_LT(id, int64_t{1} << 53);
  EXPECT_EQ(DeadLetterId("g", record), id);
  EXPECT_NE(DeadLetterId("h", record), id);
  record.partition = 1;
  EXPECT_NE(DeadLetterId("g", record), id);
}

}  // namespace
}  // namespace boxoffice::bus::kafka
