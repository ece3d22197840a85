#include "platform/http/unsent_bodies.h"

#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace boxoffice::http {
namespace {

constexpr size_t kOne = UnsentBodies::kLeast;

class UnsentBodiesTest : public ::testing::Test {
 protected:
  std::function<void()> As(char reader) {
    return [this, reader] { given_up_ += reader; };
  }

  UnsentBodies all_{3 * kOne};
  std::string given_up_;  // in their order
};

TEST_F(UnsentBodiesTest, PastTheBoundWhoHasReadForLongestIsGivenUpAndCountsNoMore) {
  std::optional<UnsentBody> a(std::in_place, all_, kOne, As('a'));
  std::optional<UnsentBody> b(std::in_place, all_, kOne, As('b'));
  const UnsentBody c(all_, kOne, As('c'));
  EXPECT_EQ(all_.bytes(), 3 * kOne);
  EXPECT_EQ(given_up_, "") << "as many as may be";
  b.reset();
  EXPECT_EQ(all_.bytes(), 2 * kOne);
  const UnsentBody d(all_, kOne, As('d'));
  const UnsentBody e(all_, kOne, As('e'));
  EXPECT_EQ(given_up_, "a");
  EXPECT_EQ(all_.bytes(), 3 * kOne);
  a.reset();
  EXPECT_EQ(all_.bytes(), 3 * kOne) << "it is counted off once";
  const UnsentBody f(all_, 2 * kOne, As('f'));
  EXPECT_EQ(given_up_, "acd");
  EXPECT_EQ(all_.bytes(), 3 * kOne);
}

TEST_F(UnsentBodiesTest, OneThatIsLongerThanAllMayBeStaysUntilTheNextComes) {
  const UnsentBody a(all_, 4 * kOne, As('a'));
  EXPECT_EQ(given_up_, "");
  const UnsentBody b(all_, kOne, As('b'));
  EXPECT_EQ(given_up_, "a");
}

TEST_F(UnsentBodiesTest, ShortOnesAreNotCounted) {
  const UnsentBody a(all_, 3 * kOne, As('a'));
  const UnsentBody b(all_, kOne - 1, As('b'));
  EXPECT_EQ(all_.bytes(), 3 * kOne);
  EXPECT_EQ(given_up_, "");
}

}  // namespace
}  // namespace boxoffice::http
