#include "boxoffice/demo.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include "boxoffice/seat/v1/seat.grpc.pb.h"
#include "boxoffice/system.h"
#include "testing/temp_dir.h"

namespace boxoffice::demo {
namespace {

class DemoTest : public testing::Test {
 protected:
  DemoTest() {
    EXPECT_TRUE(system_->Start().has_value());
    EXPECT_TRUE(system_->Ready());
  }
  ~DemoTest() override { system_->Stop(std::chrono::milliseconds(100)); }

  Result<Shows> SeedIt() {
    return Seed(temp_.path(), system_->clock(),
                [&](std::string_view service) { return system_->Channel(service); });
  }
  seat::v1::ListConcertsResponse Concerts() {
    seat::v1::ListConcertsRequest request;
    request.set_limit(50);
    seat::v1::ListConcertsResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(seat::v1::SeatService::NewStub(system_->Channel("seat"))
                    ->ListConcerts(&context, request, &response)
                    .ok());
    return response;
  }

  testbed::TempDir temp_;
  std::unique_ptr<System> system_ = *System::Make({.data_dir = temp_.path(), .port = 0});
};

TEST_F(DemoTest, ThreeConcertsAreOnSaleNow) {
  ASSERT_TRUE(SeedIt().has_value());
  std::vector<uint32_t> capacities;
  const seat::v1::ListConcertsResponse response = Concerts();
  for (const seat::v1::Concert& concert : response.concerts()) {
    ASSERT_EQ(concert.shows_size(), 1);
    EXPECT_EQ(concert.shows(0).state(), seat::v1::ON_SALE) << concert.title();
    EXPECT_EQ(concert.shows(0).currency(), "KRW");
    capacities.push_back(concert.shows(0).capacity());
  }
  EXPECT_THAT(capacities, testing::UnorderedElementsAre(50'000U, 2'000U, 50U));
}

TEST_F(DemoTest, WhatIsRecordedAsDoneIsNotTouchedAgain) {
  const auto first = SeedIt();
  ASSERT_TRUE(first.has_value());
  EXPECT_TRUE(ReadRecord(temp_.path()).done());
  EXPECT_EQ(SeedIt(), first);
  EXPECT_EQ(Concerts().concerts_size(), 3);
}

TEST_F(DemoTest, ASeedingThatWasBrokenOffIsCompletedNotDoubled) {
  const auto first = SeedIt();
  ASSERT_TRUE(first.has_value());
  // As a crash before the last write leaves it.
  const int64_t started = ReadRecord(temp_.path()).started_at_ms;
  std::ofstream(temp_.path() / "demo") << "started_at_ms " << started << "\n";
  EXPECT_EQ(SeedIt(), first);
  EXPECT_EQ(Concerts().concerts_size(), 3);
}

TEST(DemoRecordTest, WithoutARecordNothingIsDone) {
  const testbed::TempDir temp;
  EXPECT_FALSE(ReadRecord(temp.path()).done());
  EXPECT_EQ(ReadRecord(temp.path()).started_at_ms, 0);
}

}  // namespace
}  // namespace boxoffice::demo
