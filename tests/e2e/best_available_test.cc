// Five thousand parties of one to six want a hall of two thousand seats, each the best that are free.
#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/show_fixture.h"

namespace boxoffice::e2e {
namespace {

constexpr int kParties = 5'000;
constexpr int kConnections = 50;
constexpr int kSeatsPerRow = 40;
constexpr int kRows = 50;  // 30 on the floor, 20 on the balcony
constexpr int kSeats = kRows * kSeatsPerRow;

// "2026-11-22T10:00:00.123Z" as milliseconds since 1970.
int64_t Milliseconds(std::string_view time) {
  const auto number = [&](size_t at, size_t size) {
    int64_t value = 0;
    const auto read = std::from_chars(time.data() + at, time.data() + at + size, value);
    EXPECT_EQ(read.ptr, time.data() + at + size) << time;
    return value;
  };
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(number(0, 4))),
                                         std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(number(8, 2))));
  const int64_t day = std::chrono::sys_days(date).time_since_epoch().count();
  const int64_t fraction = time.size() > 20 && time[19] == '.' ? number(20, 3) : 0;
  return (((day * 24 + number(11, 2)) * 60 + number(14, 2)) * 60 + number(17, 2)) * 1000 + fraction;
}

struct Party {
  size_t size = 0;
  std::string authorization, token;
  std::string outcome;  // "201 CONFIRMED", "409 not_enough_seats"
  std::string rung;
  std::vector<int64_t> seats;
  // The seat service decided within these, in milliseconds.
  int64_t asked_ms = 0;
  int64_t answered_ms = 0;
};

void ReadTimes(const json::value& reservation, Party& party) {
  for (const json::value& entry : reservation.at("saga").at("timeline").as_array()) {
    if (entry.at("step").as_string() != "hold-seats" || entry.at("undo").as_bool()) continue;
    const int64_t began = Milliseconds(entry.at("at").as_string());
    if (party.asked_ms == 0) party.asked_ms = began;
    // The start has lost its fraction of a millisecond.
    party.answered_ms = began + 1 + entry.at("duration_us").to_number<int64_t>() / 1000 + 1;
  }
}

int RowOf(int64_t seat_no) { return static_cast<int>((seat_no - 1) / kSeatsPerRow); }
bool IsTogether(const Party& party) {
  return RowOf(party.seats.front()) == RowOf(party.seats.back()) &&
         party.seats.back() - party.seats.front() + 1 == static_cast<int64_t>(party.seats.size());
}

// Seats next to each other that were asked for only after the party had its answer, and so were free for it;
// 0: none. Nobody gives seats back, so what was taken later was free before.
int64_t RunThatWasFree(const Party& party, const std::vector<int64_t>& asked_ms) {
  size_t run = 0;
  for (int64_t seat_no = 1; seat_no <= kSeats; ++seat_no) {
    if ((seat_no - 1) % kSeatsPerRow == 0) run = 0;
    run = asked_ms[static_cast<size_t>(seat_no)] > party.answered_ms ? run + 1 : 0;
    if (run == party.size) return seat_no;
  }
  return 0;
}

class BestAvailable : public ShowFixture {
 protected:
  BestAvailable() : ShowFixture(R"("A":1000)") {}
  std::string CreateHall() {
    return Create(fmt::format(R"("grid":[{{"name":"Floor","rows":30,"seats_per_row":{0},"category":"A"}},)"
                              R"({{"name":"Balcony","rows":20,"seats_per_row":{0},"category":"A"}}])",
                              kSeatsPerRow));
  }
  static void Buy(Api& api, const std::string& show, Party& party) {
    const std::string body =
        fmt::format(R"({{"show_id":"{}","best_available":{{"count":{}}},"pay":true}})", show, party.size);
    // The same key gets the same answer.
    const Reply reply = api.CallUntilDecided(
        "POST", "/v1/reservations",
        {{"Authorization", party.authorization}, {"X-Queue-Token", party.token}, {"Idempotency-Key", "buy"}},
        body);
    party.outcome =
        fmt::format("{} {}", reply.status, reply.status == 201 ? reply.at("state") : reply.at("code"));
    const json::object* object = reply.body.if_object();
    if (object == nullptr) return;
    const json::value* reservation = reply.status == 201 ? &reply.body : object->if_contains("reservation");
    if (reservation == nullptr) return;
    ReadTimes(*reservation, party);
    if (reply.status != 201) return;
    party.rung = reply.at("rung");
    party.seats = SeatsOf(*reservation);
  }
};

TEST_F(BestAvailable, FiveThousandPartiesFillTheHallAndNoneIsSplitOrRefusedInVain) {
  const std::string show = CreateHall();
  const std::string queue = fmt::format("/v1/shows/{}/queue", show);
  std::vector<std::unique_ptr<Api>> apis;
  for (int i = 0; i < kConnections; ++i) apis.push_back(std::make_unique<Api>(system_->AnyGateway()));
  std::vector<Party> parties(kParties);
  std::atomic<int> not_ready = 0;
  ForEachAtOnce(kConnections, kParties, [&](int connection, int number) {
    Api& api = *apis[static_cast<size_t>(connection)];
    Party& party = parties[static_cast<size_t>(number)];
    party.size = 1 + static_cast<size_t>(number * 7 % 11 % 6);  // in no order
    party.authorization = "Bearer " + system_->Token(fmt::format("party{}", number));
    const Reply joined = api.CallUntilDecided("POST", queue, {{"Authorization", party.authorization}});
    const Reply charged = api.CallUntilDecided(
        "POST", "/v1/wallet/charges", {{"Authorization", party.authorization}, {"Idempotency-Key", "charge"}},
        R"({"amount":6000,"currency":"KRW"})");
    party.token = joined.at("token");
    if (joined.status != 200 || charged.status != 201) ++not_ready;
  });
  ASSERT_EQ(not_ready, 0);
  ASSERT_TRUE(Eventually(
      [&] {
        return system_->Admin("GET", fmt::format("/v1/admin/shows/{}/queue", show)).number("active") ==
               kParties;
      },
      seconds(60)));

  ForEachAtOnce(kConnections, kParties, [&](int connection, int number) {
    Buy(*apis[static_cast<size_t>(connection)], show, parties[static_cast<size_t>(number)]);
  });

  std::map<std::string, int> outcomes;
  std::map<std::string, int> rungs;
  std::vector<int64_t> asked_ms(kSeats + 1, 0);  // when each seat was asked for by whoever has it
  std::set<int64_t> sold;
  for (const Party& party : parties) {
    ++outcomes[party.outcome];
    ASSERT_NE(party.answered_ms, 0) << party.outcome << " without a timeline";
    if (party.seats.empty()) continue;
    ++rungs[party.rung];
    ASSERT_EQ(party.seats.size(), party.size);
    EXPECT_EQ(party.rung == "row", IsTogether(party)) << party.rung;
    for (const int64_t seat_no : party.seats) {
      EXPECT_TRUE(sold.insert(seat_no).second) << "seat " << seat_no << " is sold twice";
      asked_ms[static_cast<size_t>(seat_no)] = party.asked_ms;
    }
  }
  EXPECT_EQ(sold.size(), size_t{kSeats}) << "every seat is sold";
  EXPECT_EQ(outcomes.size(), 2U) << testing::PrintToString(outcomes);
  EXPECT_EQ(outcomes["201 CONFIRMED"] + outcomes["409 not_enough_seats"], kParties)
      << testing::PrintToString(outcomes);
  for (const Party& party : parties) {
    if (party.seats.empty()) {
      const auto free = static_cast<size_t>(
          std::ranges::count_if(asked_ms, [&](int64_t asked) { return asked > party.answered_ms; }));
      EXPECT_LT(free, party.size) << "a party was refused while seats for it were free";
    } else if (!IsTogether(party)) {
      EXPECT_EQ(RunThatWasFree(party, asked_ms), 0) << "a party of " << party.size << " was split in vain";
    }
  }
  std::cerr << "rungs " << testing::PrintToString(rungs) << "\n";
  EXPECT_TRUE(Eventually([&] {
    const Reply after = system_->Show(show);
    return after.number("sold") == kSeats && after.number("free") == 0 && after.at("state") == "SOLD_OUT";
  })) << system_->Show(show);
  system_->ExpectCleanAudit();
}

}  // namespace
}  // namespace boxoffice::e2e
