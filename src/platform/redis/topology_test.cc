#include "platform/redis/topology.h"

#include <gmock/gmock.h>

namespace boxoffice::redis {
namespace {

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

}  // namespace
}  // namespace boxoffice::redis
