#include "boxoffice/demo.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include "boxoffice/queue/v1/queue.grpc.pb.h"
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

TEST_F(DemoTest, ThreeConcertsAreOnSaleOneIsAnnouncedOneIsSoldOutAndOneIsCancelled) {
  ASSERT_TRUE(SeedIt().has_value());
  std::map<uint32_t, std::multiset<seat::v1::ShowState>> states;  // by capacity
  const seat::v1::ListConcertsResponse response = Concerts();
  for (const seat::v1::Concert& concert : response.concerts()) {
    ASSERT_EQ(concert.shows_size(), 1);
    EXPECT_EQ(concert.shows(0).currency(), "KRW");
    states[concert.shows(0).capacity()].insert(concert.shows(0).state());
  }
  EXPECT_EQ(states[50'000], std::multiset{seat::v1::ON_SALE});
  EXPECT_EQ(states[2'000], (std::multiset{seat::v1::ANNOUNCED, seat::v1::ON_SALE}));
  EXPECT_EQ(states[50], (std::multiset{seat::v1::ON_SALE, seat::v1::SOLD_OUT, seat::v1::CANCELLED}));
}

TEST_F(DemoTest, ShowsBeginInTheEveningWheneverTheDemoWasMade) {
  ASSERT_TRUE(SeedIt().has_value());
  const auto response = Concerts();
  for (const seat::v1::Concert& concert : response.concerts()) {
    const auto begins = FromUnixMs(concert.shows(0).starts_at_ms()) + std::chrono::hours(9);  // in Seoul
    EXPECT_EQ(begins - std::chrono::floor<std::chrono::days>(begins), std::chrono::minutes(19 * 60 + 30));
  }
}

TEST_F(DemoTest, TheSaleThatIsToComeIsInPrequeueUntilItOpens) {
  const auto shows = SeedIt();
  ASSERT_TRUE(shows.has_value());
  queue::v1::ListQueuesResponse queues;
  grpc::ClientContext context;
  ASSERT_TRUE(
      queue::v1::QueueService::NewStub(system_->Channel("queue"))->ListQueues(&context, {}, &queues).ok());
  const auto queue = std::ranges::find(queues.queues(), shows->prequeue, &queue::v1::Queue::show_id);
  ASSERT_NE(queue, queues.queues().end());
  EXPECT_EQ(queue->state(), queue::v1::PREQUEUE);
  EXPECT_EQ(queue->opens_at_ms(), ReadRecord(temp_.path()).started_at_ms + 86'400'000);
}

TEST_F(DemoTest, AFolderOfAnEarlierDemoGetsWhatIsNew) {
  const auto first = SeedIt();
  ASSERT_TRUE(first.has_value());
  const int64_t started = ReadRecord(temp_.path()).started_at_ms;
  std::ofstream(temp_.path() / "demo") << fmt::format("started_at_ms {}\nstadium {}\nhall {}\nclub {}\n",
                                                      started, first->stadium, first->hall, first->club);
  EXPECT_FALSE(ReadRecord(temp_.path()).done());
  EXPECT_EQ(SeedIt(), first);
}

TEST_F(DemoTest, WhatIsRecordedAsDoneIsNotTouchedAgain) {
  const auto first = SeedIt();
  ASSERT_TRUE(first.has_value());
  EXPECT_TRUE(ReadRecord(temp_.path()).done());
  EXPECT_EQ(SeedIt(), first);
  EXPECT_EQ(Concerts().concerts_size(), 6);
}

TEST_F(DemoTest, ASeedingThatWasBrokenOffIsCompletedNotDoubled) {
  const auto first = SeedIt();
  ASSERT_TRUE(first.has_value());
  // As a crash before the last write leaves it.
  const int64_t started = ReadRecord(temp_.path()).started_at_ms;
  std::ofstream(temp_.path() / "demo") << "started_at_ms " << started << "\n";
  EXPECT_EQ(SeedIt(), first);
  EXPECT_EQ(Concerts().concerts_size(), 6);
}

// A program before this one did not wait for the disk, so a loss of power could leave it like that.
TEST_F(DemoTest, WhoLostItsRecordIsToldHowToStartAllTheSame) {
  ASSERT_TRUE(SeedIt().has_value());
  std::ofstream(temp_.path() / "demo") << "";
  const auto again = SeedIt();
  ASSERT_FALSE(again.has_value());
  EXPECT_THAT(again.error().detail, testing::HasSubstr("--no-seed"));
  EXPECT_EQ(Concerts().concerts_size(), 6);
}

TEST(DemoRecordTest, WithoutARecordNothingIsDone) {
  const testbed::TempDir temp;
  EXPECT_FALSE(ReadRecord(temp.path()).done());
  EXPECT_EQ(ReadRecord(temp.path()).started_at_ms, 0);
}

}  // namespace
}  // namespace boxoffice::demo
