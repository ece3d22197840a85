// What suites share that make shows of their own: a system for all of their tests, and buyers who are in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "e2e/system.h"

namespace boxoffice::e2e {

class ShowFixture : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { system_ = new System(); }
  static void TearDownTestSuite() { delete system_; }
  // `prices` of its shows: `"A":1000,"B":500`.
  explicit ShowFixture(std::string prices) : prices_(std::move(prices)) {}
  void SetUp() override { ASSERT_TRUE(system_->ready()); }

  // Where its seats come from, and whatever else is asked for: members of the body.
  Reply TryCreate(const std::string& members) {
    const Reply concert = system_->Admin("POST", "/v1/admin/concerts",
                                         R"({"title":"Nocturne","artist":"Mina Park","venue":"Hall"})");
    return system_->Admin(
        "POST", "/v1/admin/shows",
        fmt::format(
            R"({{"concert_id":"{}","starts_at":"2099-06-01T19:00:00Z","currency":"KRW","prices":{{{}}},{}}})",
            concert.at("id"), prices_, members));
  }
  // With a queue that lets everybody in at once; its id.
  std::string Create(const std::string& members) {
    const Reply show = TryCreate(members);
    EXPECT_EQ(show.status, 201) << show;
    const Reply queue = system_->Admin("PATCH", fmt::format("/v1/admin/shows/{}/queue", show.at("id")),
                                       R"({"rate_per_s":100000,"active_cap":1000000})");
    EXPECT_EQ(queue.status, 200) << queue;
    return show.at("id");
  }
  static std::unique_ptr<Buyer> Enter(const std::string& show, const std::string& name, int64_t money = 0,
                                      const std::vector<std::string>& channels = {}) {
    auto buyer = std::make_unique<Buyer>(*system_, fmt::format("{}-{}", name, show), channels);
    EXPECT_TRUE(buyer->Enter(show));
    if (money > 0) {
      EXPECT_EQ(buyer->Charge(money).status, 201);
    }
    return buyer;
  }
  // The numbers of what a reservation, an offer or an alternative lists.
  static std::vector<int64_t> SeatsOf(const json::value& holder) {
    std::vector<int64_t> seats;
    for (const json::value& seat : holder.at("seats").as_array()) {
      seats.push_back(seat.at("seat_no").to_number<int64_t>());
    }
    return seats;
  }

  static inline System* system_ = nullptr;

 private:
  const std::string prices_;
};

}  // namespace boxoffice::e2e
