#include "platform/redis/topology.h"

#include <set>
#include <vector>

#include <gmock/gmock.h>

namespace boxoffice::redis {
namespace {

using ::testing::ElementsAre;

const Address kAsked{"10.0.0.1", 7000};

TEST(Redirection, SaysWhereASlotIs) {
  const auto moved = ReadRedirection("MOVED 3999 127.0.0.1:6381", kAsked);
  EXPECT_EQ(moved, (Redirection{false, 3999, {"127.0.0.1", 6381}}));
  EXPECT_EQ(ReadRedirection("ASK 1 ::1:6381", kAsked), (Redirection{true, 1, {"::1", 6381}}));
  EXPECT_EQ(ReadRedirection("MOVED 0 :6381", kAsked), (Redirection{false, 0, {"10.0.0.1", 6381}}));
}

TEST(Redirection, IsNoOtherError) {
  for (const std::string_view text : {"", "MOVED", "MOVED 1", "MOVED 1 host", "MOVED x h:1",
                                      "MOVED 16384 h:1", "MOVED 1 h:x", "ERR 1 h:1", "TRYAGAIN 1 h:1"}) {
    EXPECT_EQ(ReadRedirection(text, kAsked), std::nullopt) << text;
  }
}

TEST(Topology, KnowsNobodyAtFirstAndLearnsBySlot) {
  Topology topology;
  EXPECT_EQ(topology.OwnerOf(7), nullptr);
  topology.Move(7, kAsked);
  topology.Move(8, kAsked);
  ASSERT_NE(topology.OwnerOf(7), nullptr);
  EXPECT_EQ(*topology.OwnerOf(7), kAsked);
  EXPECT_EQ(topology.OwnerOf(9), nullptr);
  EXPECT_EQ(topology.servers.size(), 1);
}

class AskingOrderTest : public ::testing::Test {
 protected:
  // The ports of the servers in their order.
  static std::vector<int> Order(size_t turn, const std::set<uint16_t>& doubtful) {
    const std::vector<Address> known{{"h", 1}, {"h", 2}, {"h", 3}};
    const std::vector<Address> seeds{{"h", 2}, {"h", 4}};
    std::vector<int> ports;
    for (const Address& server :
         AskingOrder(known, seeds, turn, [&](const Address& one) { return doubtful.contains(one.port); })) {
      ports.push_back(server.port);
    }
    return ports;
  }
};

TEST_F(AskingOrderTest, BeginsAtAnotherServerEachTime) {
  EXPECT_THAT(Order(0, {}), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Order(1, {}), ElementsAre(2, 3, 4, 1));
  EXPECT_THAT(Order(6, {}), ElementsAre(3, 4, 1, 2));
}

TEST_F(AskingOrderTest, PutsTheDoubtfulLastAndBeginsAtAnotherOfThemToo) {
  EXPECT_THAT(Order(0, {1, 3}), ElementsAre(2, 4, 1, 3));
  EXPECT_THAT(Order(1, {1, 3}), ElementsAre(4, 2, 3, 1));
  EXPECT_THAT(Order(2, {1, 2, 3, 4}), ElementsAre(3, 4, 1, 2));
}

TEST_F(AskingOrderTest, OfNobodyIsEmpty) {
  EXPECT_TRUE(AskingOrder({}, {}, 3, [](const Address&) { return false; }).empty());
}

}  // namespace
}  // namespace boxoffice::redis
