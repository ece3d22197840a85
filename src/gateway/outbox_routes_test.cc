// The outboxes of the services, as operators see them.
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "gateway/gateway_for_test.h"

namespace boxoffice::gateway {
namespace {

using OutboxRoutesTest = GatewayTest;

TEST_F(OutboxRoutesTest, OperatorsSeeWhatEachServiceHasNotPublished) {
  const auto status = [](int64_t pending, std::optional<int64_t> oldest_age_ms) {
    return [=](const auto&) -> Result<outbox::v1::OutboxStatus> {
      outbox::v1::OutboxStatus status;
      status.set_pending(pending);
      if (oldest_age_ms) status.set_oldest_age_ms(*oldest_age_ms);
      return status;
    };
  };
  services_.seat_outbox.GetStatus_.answer = status(3, 1500);
  services_.reservation_outbox.GetStatus_.answer = status(0, std::nullopt);
  services_.wallet_outbox.GetStatus_.answer = status(0, std::nullopt);
  services_.payment_outbox.GetStatus_.answer = [](const auto&) -> Result<outbox::v1::OutboxStatus> {
    return Fail(Code::kUnavailable, "stopping");
  };
  const http::ClientResponse answer = CallAsOperator("GET", "/v1/admin/outbox");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(Json(answer).at("items"),
            boost::json::parse(
                R"([{"service":"seat","pending":3,"oldest_age_s":1.5,"problem":null},)"
                R"({"service":"reservation","pending":0,"oldest_age_s":null,"problem":null},)"
                R"({"service":"wallet","pending":0,"oldest_age_s":null,"problem":null},)"
                R"({"service":"payment","pending":null,"oldest_age_s":null,"problem":"stopping"}])"));
}

TEST_F(OutboxRoutesTest, AllAreAskedAtOnceSoThatWhoIsSlowHoldsUpNoOther) {
  const std::vector<FakeOutbox*> outboxes{&services_.seat_outbox, &services_.reservation_outbox,
                                          &services_.wallet_outbox, &services_.payment_outbox};
  std::mutex mutex;
  std::vector<std::function<void()>> asked;
  const auto when_all_are_asked = [&](std::function<void()> finish) {
    std::vector<std::function<void()>> all;
    {
      const std::scoped_lock lock(mutex);
      asked.push_back(std::move(finish));
      if (asked.size() == outboxes.size()) all.swap(asked);
    }
    for (const auto& one : all) one();
  };
  for (FakeOutbox* outbox : outboxes) {
    outbox->GetStatus_.answer = [](const auto&) -> Result<outbox::v1::OutboxStatus> {
      return outbox::v1::OutboxStatus();
    };
    outbox->GetStatus_.later = when_all_are_asked;
  }
  const boost::json::value told = Json(CallAsOperator("GET", "/v1/admin/outbox"));
  const boost::json::array& rows = told.at("items").as_array();
  EXPECT_EQ(rows.size(), outboxes.size());
  for (const boost::json::value& row : rows) EXPECT_TRUE(row.at("problem").is_null()) << row;
}

}  // namespace
}  // namespace boxoffice::gateway
