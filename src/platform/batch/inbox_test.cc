#include "platform/batch/inbox.h"

#include <thread>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>

namespace boxoffice::batch {
namespace {

TEST(InboxTest, WhatComesBeforeItsTurnIsOneTurnInOrderAndOneBurst) {
  boost::asio::io_context io;
  Inbox inbox(io.get_executor());
  std::vector<int> ran;
  std::thread([&] {
    for (const int i : {1, 2, 3}) {
      inbox.Post([&ran, i] {
        ran.push_back(i);
        Burst::AtEnd([&ran, i] { ran.push_back(10 * i); });
      });
    }
  }).join();
  EXPECT_TRUE(ran.empty());
  EXPECT_EQ(io.run(), 1U) << "one turn of the executor";
  EXPECT_THAT(ran, ::testing::ElementsAre(1, 2, 3, 10, 20, 30));
}

TEST(InboxTest, WhatComesWhileItRunsIsAnotherTurn) {
  boost::asio::io_context io;
  Inbox inbox(io.get_executor());
  std::vector<int> ran;
  inbox.Post([&] {
    inbox.Post([&] { ran.push_back(2); });
    ran.push_back(1);
  });
  EXPECT_EQ(io.run(), 2U);
  EXPECT_THAT(ran, ::testing::ElementsAre(1, 2));
}

}  // namespace
}  // namespace boxoffice::batch
