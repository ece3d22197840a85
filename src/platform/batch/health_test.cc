#include "platform/batch/health.h"

#include <gtest/gtest.h>

namespace boxoffice::batch {
namespace {

TEST(StoreHealth, AStoreIsIllFromAFailureToTheNextSuccess) {
  StoreHealth health;
  EXPECT_TRUE(health.works());
  health.Note(false);
  EXPECT_FALSE(health.works());
  health.Note(true);
  EXPECT_TRUE(health.works());
}

TEST(StoreHealth, AFailureIsForgottenSoThatSomebodyTriesAgain) {
  StoreHealth for_an_hour(std::chrono::hours(1));
  for_an_hour.Note(false);
  EXPECT_FALSE(for_an_hour.works());
  StoreHealth for_no_time(std::chrono::milliseconds(0));
  for_no_time.Note(false);
  EXPECT_TRUE(for_no_time.works());
}

}  // namespace
}  // namespace boxoffice::batch
