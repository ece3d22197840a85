// A deployment half done: the reservation replica of the commit before beside the one of this tree, on one
// database. Buyers meet either, and each finishes what the other left.
#include <csignal>
#include <cstdlib>
#include <future>
#include <map>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/clock.h"
#include "e2e/parts.h"
#include "e2e/service.h"
#include "e2e/system.h"
#include "platform/auth/development.h"
#include "testing/postgres_server.h"

namespace boxoffice::e2e {
namespace {

constexpr const char* kChoice = R"("best_available":{"count":1})";
constexpr const char* kPaidChoice = R"("best_available":{"count":1},"pay":true)";
constexpr int64_t kPrice = 1'000;
constexpr int kBuyers = 4;

class Versions : public ::testing::Test {
 protected:
  // A replica, and a gateway that knows no other.
  struct Side {
    std::string name;
    std::filesystem::path executable{};
    std::string address = fmt::format("127.0.0.1:{}", FreePort());
    uint16_t port = FreePort();
    std::optional<Service> reservation{};
    std::optional<Service> gateway{};
  };

  void SetUp() override {
    BOXOFFICE_NEED_POSTGRES();
    const char* previous = std::getenv("BOXOFFICE_PREVIOUS_RESERVATION");
    ASSERT_NE(previous, nullptr) << "the executable of tools/dev/previous.sh; ctest sets it";
    database_ = testbed::PostgresServer::Shared().NewDatabase();
    std::filesystem::create_directories(Data() / "keys");
    before_.executable = previous;
    after_.executable = BinDir() / "boxoffice-reservation";
    // As in a deployment: what runs already has made the schemas, and what comes migrates them under it.
    ASSERT_NO_FATAL_FAILURE(StartReservation(before_));
    for (const char* name : {"queue", "seat", "wallet", "payment", "ranking"}) {
      services_.try_emplace(name, std::string(name), dir_.path(),
                            std::vector<std::string>{"--drain-notice-ms=0", "--log-level=warning"});
      ASSERT_TRUE(services_.at(name).ready()) << services_.at(name).Log();
    }
    ASSERT_NO_FATAL_FAILURE(StartReservation(after_));
    for (Side* side : {&before_, &after_}) ASSERT_NO_FATAL_FAILURE(StartGateway(*side));
    issuer_ = auth::TokenIssuer::Make(auth::DevelopmentTokens(Data()).value(), clock_).value();
    operator_.emplace(after_.port, *issuer_);
    show_ = operator_->CreateShow({.price = kPrice});
  }

  std::filesystem::path Data() const { return dir_.path() / "data"; }
  // A folder with the system's keys, for a process beside those that share Data().
  std::filesystem::path Folder(const std::string& name) const {
    const auto folder = dir_.path() / name;
    std::filesystem::create_directories(folder / "data");
    if (!std::filesystem::exists(folder / "data" / "keys"))
      std::filesystem::create_directory_symlink(Data() / "keys", folder / "data" / "keys");
    return folder;
  }
  std::vector<std::string> Flags(const std::string& listen, std::initializer_list<const char*> peers) const {
    std::vector<std::string> flags{"--drain-notice-ms=0", "--log-level=warning", "--listen=" + listen,
                                   "--bus-url=sqlite:" + (Data() / "bus.db").string()};
    for (const char* peer : peers) {
      flags.push_back(fmt::format("--peer-{}=unix:{}", peer, (Data() / "run" / peer).string() + ".sock"));
    }
    return flags;
  }
  void StartReservation(Side& side) {
    auto flags = Flags(side.address, {"queue", "seat", "wallet", "payment"});
    flags.push_back("--store-url=" + database_);
    side.reservation.emplace(Service::Of(side.executable, Folder(side.name), flags));
    ASSERT_TRUE(side.reservation->ready()) << side.reservation->Log();
  }
  void StartGateway(Side& side) {
    auto flags = Flags(fmt::format("127.0.0.1:{}", side.port),
                       {"queue", "seat", "wallet", "payment", "ranking", "relay"});
    flags.insert(flags.end(), {"--peer-reservation=" + side.address, "--audit-interval-ms=0"});
    side.gateway.emplace("gateway", Folder("gateway-" + side.name), flags);
    ASSERT_TRUE(side.gateway->ready()) << side.gateway->Log();
  }
  // The same person, by the gateway of either.
  std::unique_ptr<Buyer> At(const Side& side, const std::string& user, const std::string& queue_token = {}) {
    auto buyer = std::make_unique<Buyer>(
        side.port, user, issuer_->Issue(user, auth::Role::kBuyer, std::chrono::hours(1)).value());
    buyer->set_queue_token(queue_token);
    return buyer;
  }
  // With a seat's price, and admitted.
  std::unique_ptr<Buyer> NewBuyer(const Side& side, const std::string& user) {
    auto buyer = At(side, user);
    EXPECT_TRUE(buyer->Enter(show_)) << user;
    EXPECT_EQ(buyer->Charge(kPrice).status, 201) << user;
    return buyer;
  }
  void ExpectAllIsRight(int64_t sold) {
    EXPECT_TRUE(Eventually([&] {
      return operator_->Call("GET", "/v1/shows/" + show_).number("sold") == sold;
    })) << operator_->Call("GET", "/v1/shows/" + show_);
    operator_->ExpectCleanAudit();
  }

  const PatientPayments patience_;
  const testbed::TempDir dir_;
  const SystemClock clock_;
  std::string database_;
  std::map<std::string, Service> services_;
  Side before_{.name = "before"};
  Side after_{.name = "after"};
  std::optional<auth::TokenIssuer> issuer_;
  std::optional<Operator> operator_;
  std::string show_;
};

TEST_F(Versions, WhatOneHasBegunTheOtherGoesOnWith) {
  for (const auto& [first, second] : {std::pair(&before_, &after_), std::pair(&after_, &before_)}) {
    SCOPED_TRACE(first->name + " first");
    // One-shot: the same answer for the same key, whoever is asked.
    const auto quick = NewBuyer(*first, "quick-" + first->name);
    const std::string key = NewKey();
    const Reply bought = quick->Reserve(show_, kPaidChoice, key);
    ASSERT_EQ(bought.at("state"), "CONFIRMED") << bought;
    const auto quick_there = At(*second, quick->user(), quick->queue_token());
    const Reply again = quick_there->Reserve(show_, kPaidChoice, key);
    EXPECT_EQ(again.status, bought.status);
    EXPECT_EQ(again.body, bought.body);
    EXPECT_EQ(quick_there->Get(bought.at("id")).body, quick->Get(bought.at("id")).body);
    EXPECT_EQ(quick->Balance(), 0);
    // Held by one, paid at the other, cancelled at the first.
    const auto slow = NewBuyer(*first, "slow-" + first->name);
    const auto slow_there = At(*second, slow->user(), slow->queue_token());
    const std::string hold_key = NewKey();
    const Reply held = slow->Reserve(show_, kChoice, hold_key);
    ASSERT_EQ(held.at("state"), "HELD") << held;
    const Reply paid = slow_there->Confirm(held.at("id"));
    ASSERT_EQ(paid.at("state"), "CONFIRMED") << paid;
    const Reply cancelled = slow->Cancel(held.at("id"));
    EXPECT_EQ(cancelled.at("state"), "CANCELLED") << cancelled;
    EXPECT_EQ(slow_there->Await(held.at("id"), "CANCELLED").at("state"), "CANCELLED");
    EXPECT_EQ(slow->Balance(), kPrice);
    // Whoever repeats the first request is told what was so then.
    for (const auto& asked : {slow.get(), slow_there.get()}) {
      const Reply repeated = asked->Reserve(show_, kChoice, hold_key);
      EXPECT_EQ(repeated.status, held.status);
      EXPECT_EQ(repeated.body, held.body);
    }
    // Two bought of one, one of them given back at the other: the rest is there at both.
    const auto two = NewBuyer(*first, "two-" + first->name);
    ASSERT_EQ(two->Charge(kPrice).status, 201);
    const Reply pair = two->Reserve(show_, R"("best_available":{"count":2},"pay":true)");
    ASSERT_EQ(pair.at("state"), "CONFIRMED") << pair;
    const auto two_there = At(*second, two->user(), two->queue_token());
    const Reply rest = two_there->Call(
        "POST", fmt::format("/v1/reservations/{}/cancel", pair.at("id")),
        fmt::format(R"({{"seats":[{}]}})", pair.body.at("seats").at(0).at("seat_no").as_int64()),
        {{"Idempotency-Key", NewKey()}});
    EXPECT_EQ(rest.status, 200) << rest;
    EXPECT_EQ(rest.at("state"), "CONFIRMED") << rest;
    EXPECT_EQ(two->Get(pair.at("id")).body, two_there->Get(pair.at("id")).body);
    EXPECT_EQ(two->Get(pair.at("id")).body.at("seats").as_array().size(), 1U);
    EXPECT_EQ(two->Balance(), kPrice);
    // What one writes down of a saga, the other shows.
    for (const Side* side : {first, second}) {
      Operator at(side->port, *issuer_);
      const Reply seen = at.Call("GET", "/v1/admin/reservations/" + held.at("id"));
      EXPECT_EQ(seen.status, 200) << seen;
      EXPECT_NE(seen.at("saga.timeline"), "[]") << seen;
    }
  }
  ExpectAllIsRight(4);
}

TEST_F(Versions, WhatOneLeavesBehindWhenItDiesTheOtherFinishes) {
  int64_t sold = 0;
  // The one of before comes first: started again on a schema that may be newer by now (docs/adr/0017), it
  // finishes what the other leaves.
  for (const auto& [dying, other] : {std::pair(&before_, &after_), std::pair(&after_, &before_)}) {
    SCOPED_TRACE(dying->name + " dies");
    // Nobody is approved: the sagas stand in the middle, with the money taken and the seats held.
    services_.at("payment").process().Signal(SIGSTOP);
    std::vector<std::unique_ptr<Buyer>> buyers;
    std::vector<std::string> keys;
    std::vector<std::future<Reply>> answers;
    for (int i = 0; i < kBuyers; ++i) {
      buyers.push_back(NewBuyer(*dying, fmt::format("{}-{}", dying->name, i)));
      keys.push_back(NewKey());
      answers.push_back(
          std::async(std::launch::async, [this, buyer = buyers.back().get(), key = keys.back()] {
            return buyer->Reserve(show_, kPaidChoice, key);
          }));
    }
    for (const auto& buyer : buyers) {
      const auto there = At(*other, buyer->user());
      EXPECT_TRUE(Eventually([&] { return there->Balance() == 0; }));
    }
    dying->reservation->process().Signal(SIGKILL);
    EXPECT_EQ(dying->reservation->process().Wait(seconds(60)), 128 + SIGKILL);
    for (std::future<Reply>& answer : answers) EXPECT_NE(answer.get().at("state"), "CONFIRMED");
    services_.at("payment").process().Signal(SIGCONT);

    // The lease of the dead one ends, and the other runs the list again.
    for (int i = 0; i < kBuyers; ++i) {
      const auto there = At(*other, buyers[i]->user(), buyers[i]->queue_token());
      Reply reply;
      EXPECT_TRUE(Eventually(
          [&] {
            reply = there->Reserve(show_, kPaidChoice, keys[i]);
            return reply.status == 201;
          },
          seconds(60)))
          << reply;
      EXPECT_EQ(reply.at("state"), "CONFIRMED");
      const Reply entries = there->Call("GET", "/v1/wallet/entries");
      ASSERT_EQ(entries.status, 200) << entries;
      EXPECT_EQ(entries.body.at("items").as_array().size(), 2U) << "a charge and a debit: " << entries;
    }
    sold += kBuyers;
    ASSERT_NO_FATAL_FAILURE(StartReservation(*dying));
    ExpectAllIsRight(sold);
  }
}

}  // namespace
}  // namespace boxoffice::e2e
