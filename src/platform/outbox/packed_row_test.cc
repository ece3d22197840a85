#include "platform/outbox/packed_row.h"

#include <string>

#include <gmock/gmock.h>

#include "platform/outbox/outbox_for_test.h"

namespace boxoffice::outbox {
namespace {

class PackedRowTest : public ::testing::Test {
 protected:
  bus::Event Make(std::string key, std::string body) {
    return MakeEvent(random_, std::move(key), std::move(body));
  }
  // What the rows hold, one row after the other.
  static std::vector<bus::Event> EventsOf(const std::vector<PackedRow>& rows) {
    std::vector<bus::Event> events;
    for (const PackedRow& row : rows)
      EXPECT_TRUE(Unpack(row.body, static_cast<size_t>(row.events), events, events.size()));
    return events;
  }
  SeededRandom random_{1};
};

TEST_F(PackedRowTest, EventsComeOutAsTheyWereInTheirOrder) {
  std::vector<bus::Event> events{Make(std::string("\0k", 2), std::string("\0b", 2)), Make("", ""),
                                 Make("a", std::string(300, '\xff'))};
  events[0].traceparent.clear();
  events[1].time = FromUnixMs(1);
  const std::vector<PackedRow> rows = Pack(events);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].events, 3);
  EXPECT_EQ(rows[0].oldest, FromUnixMs(1));
  const std::vector<bus::Event> found = EventsOf(rows);
  ASSERT_EQ(found.size(), events.size());
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(found[i].id, events[i].id);
    EXPECT_EQ(found[i].topic, events[i].topic);
    EXPECT_EQ(found[i].key, events[i].key);
    EXPECT_EQ(found[i].type, events[i].type);
    EXPECT_EQ(found[i].traceparent, events[i].traceparent);
    EXPECT_EQ(found[i].body, events[i].body);
    EXPECT_EQ(found[i].time, events[i].time);
  }
  EXPECT_TRUE(Pack({}).empty());
}

TEST_F(PackedRowTest, ARowHoldsNoMoreThanAPageUnlessOneEventIsLarger) {
  std::vector<bus::Event> events;
  for (int i = 0; i < 100; ++i) events.push_back(Make(std::to_string(i), std::string(300, 'x')));
  events.push_back(Make("large", std::string(bus::kMaxBodyBytes, 'x')));
  events.push_back(Make("behind", "b"));
  const std::vector<PackedRow> rows = Pack(events);
  EXPECT_LT(rows.size(), 10U);
  for (const PackedRow& row : rows) EXPECT_TRUE(row.body.size() <= kMaxRowBytes || row.events == 1);
  EXPECT_EQ(Bodies(EventsOf(rows)), Bodies(events));
}

TEST_F(PackedRowTest, ADamagedRowIsAnErrorAndNoEvent) {
  const PackedRow row = Pack(std::vector{Make("a", "1"), Make("b", "2")}).at(0);
  std::vector<bus::Event> events;
  for (size_t bytes = 0; bytes < row.body.size(); ++bytes)
    EXPECT_EQ(Unpack(row.body.substr(0, bytes), 2, events, 0).error().reason, "outbox_row_damaged");
  EXPECT_FALSE(Unpack(row.body + "x", 2, events, 0));
  EXPECT_FALSE(Unpack(row.body, 1, events, 0));
  EXPECT_FALSE(Unpack(row.body, 3, events, 0));
  std::string other_form = row.body;
  other_form[0] = 2;
  EXPECT_FALSE(Unpack(other_form, 2, events, 0));
  EXPECT_TRUE(Unpack(row.body, 2, events, 0));
}

}  // namespace
}  // namespace boxoffice::outbox
