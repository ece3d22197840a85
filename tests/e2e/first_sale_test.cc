// The main flow: queue, hold, pay, CONFIRMED; and back.
#include <csignal>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/system.h"

namespace boxoffice::e2e {
namespace {

using ::testing::HasSubstr;

class FirstSale : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    system_ = new System();
    if (system_->ready()) show_ = new std::string(system_->CreateShow());
  }
  static void TearDownTestSuite() {
    delete system_;
    delete show_;
  }
  void SetUp() override { ASSERT_TRUE(system_->ready()); }

  static System* system_;
  static std::string* show_;
};
System* FirstSale::system_ = nullptr;
std::string* FirstSale::show_ = nullptr;

std::string SeatState(Buyer& buyer, const std::string& show, size_t seat_no) {
  const Reply seats = buyer.Call("GET", fmt::format("/v1/shows/{}/seats", show));
  return std::string(seats.body.at("items").as_array().at(seat_no - 1).at("state").as_string());
}

// The map that buyers see may be a quarter of a second old.
testing::AssertionResult SeatBecomes(Buyer& buyer, const std::string& show, size_t seat_no,
                                     const std::string& state) {
  if (Eventually([&] { return SeatState(buyer, show, seat_no) == state; }))
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << "seat " << seat_no << " is " << SeatState(buyer, show, seat_no)
                                     << ", not " << state;
}

TEST_F(FirstSale, InTwoSteps) {
  Buyer mina(*system_, "mina");
  const Reply joined = mina.Join(*show_);
  ASSERT_EQ(joined.status, 200) << joined;
  for (const char* member : {"token", "state", "position", "eta_s", "refresh_interval_s", "expires_at"}) {
    EXPECT_TRUE(joined.body.as_object().contains(member)) << member;
  }
  ASSERT_TRUE(mina.Enter(*show_));
  EXPECT_EQ(mina.queue_token(), joined.at("token")) << "joining again gives the same place";
  const Reply charged = mina.Charge(5'000);
  ASSERT_EQ(charged.status, 201) << charged;

  const Reply held = mina.Reserve(*show_, R"("seats":[2,1])");
  ASSERT_EQ(held.status, 201) << held;
  EXPECT_EQ(held.at("state"), "HELD");
  EXPECT_EQ(held.number("amount"), 2'000);
  EXPECT_EQ(held.at("currency"), "KRW");
  EXPECT_EQ(held.at("show_id"), *show_);
  EXPECT_NE(held.at("hold_expires_at"), "null");
  EXPECT_EQ(held.at("failure"), "null");
  const json::array& seats = held.body.at("seats").as_array();
  ASSERT_EQ(seats.size(), 2U);
  EXPECT_EQ(seats[0].at("seat_no"), 1);
  EXPECT_EQ(seats[0].at("price"), 1'000);
  EXPECT_EQ(held.header("Location"), "/v1/reservations/" + held.at("id"));
  EXPECT_EQ(mina.Balance(), 5'000) << "a hold costs nothing";
  EXPECT_TRUE(SeatBecomes(mina, *show_, 1, "held"));

  const Reply confirmed = mina.Confirm(held.at("id"));
  ASSERT_EQ(confirmed.status, 200) << confirmed;
  EXPECT_EQ(confirmed.at("state"), "CONFIRMED");
  EXPECT_EQ(confirmed.at("id"), held.at("id"));
  EXPECT_FALSE(confirmed.body.at("saga").at("timeline").as_array().empty());
  EXPECT_EQ(mina.Balance(), 3'000);
  EXPECT_TRUE(SeatBecomes(mina, *show_, 1, "sold"));
  EXPECT_EQ(mina.Get(held.at("id")).at("state"), "CONFIRMED");
  const Reply list = mina.Call("GET", "/v1/reservations");
  ASSERT_EQ(list.status, 200) << list;
  EXPECT_EQ(list.body.at("items").as_array().size(), 1U);
  const Reply entries = mina.Call("GET", "/v1/wallet/entries");
  ASSERT_EQ(entries.status, 200) << entries;
  EXPECT_EQ(entries.body.at("items").as_array().at(0).at("amount"), -2'000);
  system_->ExpectCleanAudit();
}

TEST_F(FirstSale, AtOnce) {
  Buyer juno(*system_, "juno");
  ASSERT_TRUE(juno.Enter(*show_));
  ASSERT_EQ(juno.Charge(2'000).status, 201);
  const std::string key = NewKey();
  const std::string choice = R"("best_available":{"count":2},"pay":true)";
  const Reply sold = juno.Reserve(*show_, choice, key);
  ASSERT_EQ(sold.status, 201) << sold;
  EXPECT_EQ(sold.at("state"), "CONFIRMED");
  EXPECT_EQ(sold.number("amount"), 2'000);
  EXPECT_EQ(juno.Balance(), 0);

  const Reply again = juno.Reserve(*show_, choice, key);
  EXPECT_EQ(again.status, 201) << again;
  EXPECT_EQ(again.text, sold.text) << "the same key and body get the same answer";
  EXPECT_EQ(juno.Balance(), 0);
  system_->ExpectCleanAudit();
}

TEST_F(FirstSale, CancelledAndRefunded) {
  Buyer hana(*system_, "hana");
  ASSERT_TRUE(hana.Enter(*show_));
  ASSERT_EQ(hana.Charge(1'000).status, 201);
  const Reply sold = hana.Reserve(*show_, R"("seats":[41],"pay":true)");
  ASSERT_EQ(sold.status, 201) << sold;
  ASSERT_EQ(hana.Balance(), 0);

  const Reply cancelled = hana.Cancel(sold.at("id"));
  ASSERT_EQ(cancelled.status, 200) << cancelled;
  EXPECT_EQ(cancelled.at("state"), "CANCELLED");
  EXPECT_EQ(hana.Balance(), 1'000);
  EXPECT_TRUE(SeatBecomes(hana, *show_, 41, "free"));
  EXPECT_EQ(hana.Cancel(sold.at("id")).status, 409) << "there is nothing left to cancel";
  EXPECT_EQ(hana.Balance(), 1'000);
  system_->ExpectCleanAudit();
}

TEST_F(FirstSale, AHoldIsGivenBack) {
  Buyer sori(*system_, "sori");
  ASSERT_TRUE(sori.Enter(*show_));
  const Reply held = sori.Reserve(*show_, R"("seats":[42])");
  ASSERT_EQ(held.status, 201) << held;
  const Reply released = sori.Cancel(held.at("id"));
  ASSERT_EQ(released.status, 200) << released;
  EXPECT_EQ(released.at("state"), "RELEASED");
  EXPECT_TRUE(SeatBecomes(sori, *show_, 42, "free"));
  system_->ExpectCleanAudit();
}

TEST_F(FirstSale, IsRanked) {
  Buyer dana(*system_, "dana");
  const std::string show = system_->CreateShow();
  ASSERT_TRUE(dana.Enter(show));
  ASSERT_EQ(dana.Charge(2'000).status, 201);
  ASSERT_EQ(dana.Reserve(show, R"("best_available":{"count":2},"pay":true)").status, 201);
  EXPECT_TRUE(Eventually([&] {
    const Reply ranking = dana.Call("GET", "/v1/rankings?by=bookings&window=hour");
    if (ranking.status != 200) return false;
    for (const json::value& row : ranking.body.at("items").as_array()) {
      if (row.at("show_id").as_string() == show) return row.at("bookings") == 1 && row.at("seats") == 2;
    }
    return false;
  }));
}

// The fenced block behind the heading; "" if there is none.
std::string ReadmeCommands() {
  std::ostringstream text;
  text << std::ifstream(BOXOFFICE_SOURCE_DIR "/README.md").rdbuf();
  const std::string readme = text.str();
  const size_t heading = readme.find("\n## First sale in five commands\n");
  const size_t fence = heading == std::string::npos ? heading : readme.find("\n```", heading + 1);
  const size_t begin = fence == std::string::npos ? fence : readme.find('\n', fence + 1);
  const size_t end = begin == std::string::npos ? begin : readme.find("\n```", begin);
  return end == std::string::npos ? "" : readme.substr(begin + 1, end - begin);
}

// They are run by bash as they stand, in a folder that looks like a clone that was built. Only the port is
// another one, by the variable that they read.
TEST(FirstSaleReadme, ItsFiveCommandsWorkAsWritten) {
  const std::string commands = ReadmeCommands();
  ASSERT_NE(commands, "") << "README.md has no fenced block behind \"## First sale in five commands\"";
  EXPECT_EQ(std::ranges::count(commands, '\n'), 5) << commands;
  const testbed::TempDir clone;
  std::filesystem::create_directories(clone.path() / "build/release");
  std::filesystem::create_directory_symlink(BinDir(), clone.path() / "build/release/bin");
  const std::string port = std::to_string(FreePort());
  Process system({BinDir() / "boxoffice", "up", "--port", port}, {clone.path(), clone.path() / "stderr"});
  const auto ready = system.ReadLine(seconds(60));
  ASSERT_TRUE(ready && ready->starts_with("ready ")) << ready.value_or("");
  const Finished sale = RunCommand(
      {"/usr/bin/env", "BOXOFFICE_URL=http://127.0.0.1:" + port, "bash", "-euo", "pipefail", "-c", commands},
      seconds(60), clone.path());
  EXPECT_EQ(sale.exit_code, 0) << sale.err;
  EXPECT_THAT(sale.out, HasSubstr("CONFIRMED")) << commands;
  system.Signal(SIGTERM);
  EXPECT_EQ(system.Wait(seconds(60)), 0);
}

}  // namespace
}  // namespace boxoffice::e2e
