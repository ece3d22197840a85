#include "services/queue/user_index.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "base/random.h"

namespace boxoffice::queue {
namespace {

TEST(UserIndexTest, AgreesWithAMapOverManyInsertsAndErasures) {
  UserIndex index;
  std::map<uint64_t, std::string> users;      // by sequence
  std::map<std::string, uint64_t> sequences;  // by user
  SeededRandom random(3);
  uint64_t last = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string user = std::to_string(random.Below(500));
    const auto known = sequences.find(user);
    const auto found = index.Find(user, [&](uint64_t sequence) { return users.at(sequence) == user; });
    ASSERT_EQ(found.has_value(), known != sequences.end());
    if (known != sequences.end()) {
      ASSERT_EQ(*found, known->second);
      index.Erase(user, known->second);
      users.erase(known->second);
      sequences.erase(known);
    } else {
      index.Insert(user, ++last);
      users[last] = user;
      sequences[user] = last;
    }
    ASSERT_EQ(index.size(), sequences.size());
  }
}

TEST(UserIndexTest, ErasingWhatIsNotThereDoesNothing) {
  UserIndex index;
  index.Erase("a", 1);
  index.Insert("a", 1);
  index.Erase("a", 2);
  EXPECT_EQ(index.size(), 1);
}

}  // namespace
}  // namespace boxoffice::queue
