// Ten thousand buyers want the same seat.
#include <atomic>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/system.h"

namespace boxoffice::e2e {
namespace {

constexpr int kBuyers = 10'000;
constexpr int kConnections = 50;

TEST(Race, OfTenThousandBuyersForOneSeatOneWins) {
  System system;
  ASSERT_TRUE(system.ready());
  const std::string show = system.CreateShow({.rows = 1, .seats_per_row = 1});
  const std::string queue = fmt::format("/v1/shows/{}/queue", show);
  std::vector<std::unique_ptr<Api>> apis;
  for (int i = 0; i < kConnections; ++i) apis.push_back(std::make_unique<Api>(system.port()));

  struct Racer {
    std::string authorization, token;
    int status = 0;
    std::string code;
  };
  std::vector<Racer> racers(kBuyers);
  std::atomic<int> not_ready = 0;
  ForEachAtOnce(kConnections, kBuyers, [&](int connection, int number) {
    Api& api = *apis[static_cast<size_t>(connection)];
    Racer& racer = racers[static_cast<size_t>(number)];
    racer.authorization = "Bearer " + system.Token(fmt::format("racer{}", number));
    const Reply joined = api.CallUntilDecided("POST", queue, {{"Authorization", racer.authorization}});
    const Reply charged = api.CallUntilDecided(
        "POST", "/v1/wallet/charges", {{"Authorization", racer.authorization}, {"Idempotency-Key", "charge"}},
        R"({"amount":1000,"currency":"KRW"})");
    racer.token = joined.at("token");
    if (joined.status != 200 || charged.status != 201) ++not_ready;
  });
  ASSERT_EQ(not_ready, 0);
  ASSERT_TRUE(Eventually([&] {
    const Reply state = system.Admin("GET", fmt::format("/v1/admin/shows/{}/queue", show));
    return state.number("active") == kBuyers;
  }));

  ForEachAtOnce(kConnections, kBuyers, [&](int connection, int number) {
    Racer& racer = racers[static_cast<size_t>(number)];
    const Reply reply = apis[static_cast<size_t>(connection)]->CallUntilDecided(
        "POST", "/v1/reservations",
        {{"Authorization", racer.authorization}, {"X-Queue-Token", racer.token}, {"Idempotency-Key", "race"}},
        fmt::format(R"({{"show_id":"{}","seats":[1],"pay":true}})", show));
    racer.status = reply.status;
    racer.code = reply.status == 201 ? reply.at("state") : reply.at("code");
  });

  std::map<std::string, int> outcomes;
  for (const Racer& racer : racers) ++outcomes[fmt::format("{} {}", racer.status, racer.code)];
  const std::map<std::string, int> expected{{"201 CONFIRMED", 1}, {"409 seats_taken", kBuyers - 1}};
  EXPECT_EQ(outcomes, expected);
  EXPECT_TRUE(Eventually([&] {
    const Reply after = system.Show(show);
    return after.number("sold") == 1 && after.number("free") == 0;
  })) << system.Show(show);
  system.ExpectCleanAudit();
}

}  // namespace
}  // namespace boxoffice::e2e
