#include "services/relay/rpc_server.h"

#include <charconv>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>

#include "boxoffice/bus/v1/events.pb.h"
#include "platform/bus/sqlite_bus.h"
#include "platform/http/server.h"
#include "platform/module/store_url.h"
#include "platform/rpc/status.h"
#include "services/relay/bus_client.h"
#include "services/relay/module.h"
#include "services/relay/webhook_client.h"
#include "testing/temp_dir.h"

namespace boxoffice::relay {
namespace {

namespace asio = boost::asio;

// A data platform: a real HTTP server that keeps what it is sent.
class Receiver {
 public:
  struct Received {
    std::map<std::string, std::string> headers;
    std::string body;
  };
  Receiver() {
    http::Router router;
    router.Add(http::Method::kPost, "/hook",
               [this](http::Request& request) -> asio::awaitable<http::Response> {
                 Received received;
                 for (const char* name :
                      {"content-type", "webhook-id", "webhook-timestamp", "webhook-signature",
                       "ce-specversion", "ce-id", "ce-type", "ce-source", "ce-time", "traceparent"}) {
                   received.headers[name] = std::string(request.header(name).value_or(""));
                 }
                 received.body = std::string(request.body());
                 const std::scoped_lock lock(mutex_);
                 received_.push_back(std::move(received));
                 http::Response response;
                 response.status = status_;
                 if (!retry_after_.empty()) response.headers.emplace_back("Retry-After", retry_after_);
                 changed_.notify_all();
                 co_return response;
               });
    server_ = http::Server::Listen(io_, std::move(router)).value();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Receiver() {
    server_.reset();
    io_.stop();
    thread_.join();
  }
  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(server_->port()) + "/hook";
  }
  std::vector<Received> WaitFor(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return received_.size() >= count; });
    return received_;
  }
  void SetStatus(int status, std::string retry_after = {}) {
    const std::scoped_lock lock(mutex_);
    status_ = status;
    retry_after_ = std::move(retry_after);
  }

 private:
  asio::io_context io_{1};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Received> received_;
  int status_ = 204;
  std::string retry_after_;
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
};

// The whole service: events on a real bus, operators over gRPC, deliveries over HTTP.
class RelayServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    bus_ =
        bus::SqliteBus::Open({.file = dir_.path() / "bus.db", .min_gap = milliseconds(0)}, clock_, metrics_)
            .value();
    runtime_ = std::make_unique<module::Runtime>(module::Runtime{
        clock_, random_, metrics_, *bus_, {}, dir_.path(), {}, module::DefaultStoreUrl(dir_.path()), {}});
    Start();
  }
  void Start() {
    module_ = std::make_unique<RelayModule>(*runtime_, RelayConfig{});
    ASSERT_TRUE(module_->Start());
    stub_ = v1::RelayService::NewStub(module_->InProcessChannel());
  }
  Result<v1::Target> CreateTarget(std::string key, std::string url, std::vector<std::string> types = {}) {
    v1::CreateTargetRequest request;
    request.set_operation_key(std::move(key));
    request.set_url(std::move(url));
    for (std::string& type : types) request.add_event_types(std::move(type));
    grpc::ClientContext context;
    v1::Target target;
    const grpc::Status status = stub_->CreateTarget(&context, request, &target);
    if (!status.ok()) return std::unexpected(rpc::FromStatus(status));
    return target;
  }
  Result<v1::ListDeliveriesResponse> ListDeliveries(v1::ListDeliveriesRequest request) {
    grpc::ClientContext context;
    v1::ListDeliveriesResponse response;
    const grpc::Status status = stub_->ListDeliveries(&context, request, &response);
    if (!status.ok()) return std::unexpected(rpc::FromStatus(status));
    return response;
  }
  v1::Delivery WaitForState(std::string state) {
    v1::ListDeliveriesRequest request;
    request.set_state(std::move(state));
    request.set_limit(1);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < end) {
      const auto listed = ListDeliveries(request).value();
      if (listed.deliveries_size() > 0) return listed.deliveries(0);
    }
    ADD_FAILURE() << "no delivery is " << request.state();
    return {};
  }
  v1::Delivery WaitForFailedAttempt() {
    v1::Delivery delivery;
    do {
      delivery = WaitForState("pending");
    } while (delivery.attempts() == 0 && !HasFailure());
    return delivery;
  }
  bus::Event Confirmed() {
    const ReservationId reservation = ReservationId::Make(clock_.Now(), random_);
    boxoffice::bus::v1::ReservationEvent body;
    body.set_reservation_id(std::string(reservation.bytes()));
    body.set_user_id("ann");
    body.set_show_id(7);
    body.add_seat_nos(3);
    body.add_seat_nos(4);
    body.set_amount(120'000);
    body.set_currency("KRW");
    body.set_version(2);
    return {EventId::Make(clock_.Now(), random_),
            "reservation",
            std::string(reservation.bytes()),
            "reservation.confirmed",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            body.SerializeAsString(),
            clock_.Now()};
  }

  testbed::TempDir dir_;
  SystemClock clock_;
  SeededRandom random_{1};
  obs::Registry metrics_;
  Receiver receiver_;
  std::unique_ptr<bus::SqliteBus> bus_;
  std::unique_ptr<module::Runtime> runtime_;
  std::unique_ptr<RelayModule> module_;
  std::unique_ptr<v1::RelayService::Stub> stub_;
};

TEST_F(RelayServiceTest, AnEventReachesItsTargetAsASignedCloudEvent) {
  const v1::Target target = CreateTarget("op-1", receiver_.url(), {"reservation.confirmed"}).value();
  ASSERT_TRUE(target.secret().starts_with("whsec_"));
  EXPECT_EQ(target.secret().size(), 6 + 32);
  const bus::Event event = Confirmed();
  ASSERT_TRUE(bus_->Publish(std::array{event}));
  const auto received = receiver_.WaitFor(1);
  ASSERT_EQ(received.size(), 1);
  auto headers = received[0].headers;
  EXPECT_EQ(headers["content-type"], "application/json");
  EXPECT_EQ(headers["ce-specversion"], "1.0");
  EXPECT_EQ(headers["ce-id"], event.id.ToString());
  EXPECT_EQ(headers["ce-type"], "reservation.confirmed");
  EXPECT_EQ(headers["ce-source"], "/boxoffice/reservation");
  EXPECT_EQ(headers["ce-time"], ToRfc3339(event.time));
  EXPECT_EQ(headers["traceparent"], event.traceparent);
  EXPECT_EQ(headers["webhook-id"], event.id.ToString());
  EXPECT_EQ(received[0].body, ToJson(event).value());
  // As a receiver verifies it, with nothing but the text that the operator was shown.
  std::string secret(24, '\0');
  {
    const std::string text = target.secret().substr(6);
    uint32_t bits = 0;
    int count = 0;
    size_t size = 0;
    constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (const char c : text) {
      bits = bits << 6 | static_cast<uint32_t>(kAlphabet.find(c));
      count += 6;
      if (count < 8) continue;
      count -= 8;
      secret[size++] = static_cast<char>(bits >> count & 0xff);
    }
    ASSERT_EQ(size, 24);
  }
  int64_t timestamp_s = 0;
  const std::string& text = headers["webhook-timestamp"];
  std::from_chars(text.data(), text.data() + text.size(), timestamp_s);
  EXPECT_LT(std::abs(timestamp_s * 1000 - ToUnixMs(clock_.Now())), 60'000);
  EXPECT_EQ(headers["webhook-signature"], Sign(secret, headers["webhook-id"], timestamp_s, received[0].body));
  const v1::Delivery delivery = WaitForState("delivered");
  EXPECT_EQ(delivery.event_id(), event.id.ToString());
  EXPECT_EQ(delivery.event_type(), "reservation.confirmed");
  EXPECT_EQ(delivery.attempts(), 1);
  EXPECT_EQ(delivery.last_status(), 204);
  EXPECT_GT(delivery.delivered_at_ms(), 0);
}

// The vector of the Standard Webhooks reference libraries.
TEST(WebhookTest, TheSignatureIsThatOfStandardWebhooks) {
  constexpr unsigned char kSecret[] = {0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a,
                                       0xab, 0x4f, 0x08, 0xd4, 0x3c, 0x3f, 0x08, 0x2c,
                                       0xf6, 0x48, 0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0};
  const std::string_view secret(reinterpret_cast<const char*>(kSecret), sizeof(kSecret));
  EXPECT_EQ(FormatSecret(secret), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  EXPECT_EQ(Sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(WebhookTest, RetryAfterIsSecondsOrADate) {
  using namespace std::chrono_literals;
  const Timestamp now = FromUnixMs(784'111'777'000);  // the RFC's example: Sun, 06 Nov 1994 08:49:37 GMT
  EXPECT_EQ(ParseRetryAfter("120", now), 120s);
  EXPECT_EQ(ParseRetryAfter("0", now), 0s);
  EXPECT_GT(ParseRetryAfter("99999999999999999999999", now), 24h);
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:50:37 GMT", now), 60s);
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:30 GMT", now), 0s);
  for (const char* odd : {"", "-1", "soon", "1.5", "12 ", "Sun, 06 Nov 1994 08:50:37 CET", "1994-11-06"}) {
    EXPECT_EQ(ParseRetryAfter(odd, now), std::nullopt) << odd;
  }
}

TEST_F(RelayServiceTest, ATargetsRetryAfterIsHonoured) {
  ASSERT_TRUE(CreateTarget("op-1", receiver_.url()));
  receiver_.SetStatus(503, "3600");
  ASSERT_TRUE(bus_->Publish(std::array{Confirmed()}));
  receiver_.WaitFor(1);
  const v1::Delivery delivery = WaitForFailedAttempt();
  EXPECT_EQ(delivery.last_status(), 503);
  EXPECT_NEAR(static_cast<double>(delivery.next_attempt_at_ms() - ToUnixMs(clock_.Now())), 3'600'000, 60'000);
}

TEST_F(RelayServiceTest, TheBodyIsThin) {
  const bus::Event event = Confirmed();
  const std::string json = ToJson(event).value();
  EXPECT_THAT(json, testing::StartsWith(R"({"type":"reservation.confirmed","timestamp":")" +
                                        ToRfc3339(event.time) + R"(","data":{"reservation_id":")" +
                                        Uuid::FromBytes(event.key)->ToString() + R"(",)"));
  EXPECT_THAT(json, testing::HasSubstr(R"("seat_nos":[3,4],"amount":120000,"currency":"KRW")"));
  EXPECT_THAT(json, testing::Not(testing::HasSubstr("saga_id")));
}

TEST_F(RelayServiceTest, EveryRelayedTypeHasABody) {
  for (const std::string_view type : EventTypes()) {
    EXPECT_TRUE(ToJson({.type = std::string(type)})) << type;
    EXPECT_EQ(ToJson({.type = std::string(type), .body = "\xff\xff"}).error().reason, "event_malformed")
        << type;
  }
}

TEST_F(RelayServiceTest, ADeliveryThatFailsIsTriedAgainOverARestart) {
  ASSERT_TRUE(CreateTarget("op-1", receiver_.url()));
  receiver_.SetStatus(503);
  ASSERT_TRUE(bus_->Publish(std::array{Confirmed()}));
  receiver_.WaitFor(1);
  const v1::Delivery delivery = WaitForFailedAttempt();
  EXPECT_EQ(delivery.last_status(), 503);
  EXPECT_GT(delivery.next_attempt_at_ms(), ToUnixMs(clock_.Now()));
  stub_.reset();
  module_.reset();
  receiver_.SetStatus(200);
  Start();
  EXPECT_EQ(receiver_.WaitFor(2).size(), 2);  // after 5 s
  EXPECT_EQ(WaitForState("delivered").attempts(), 2);
}

TEST_F(RelayServiceTest, ATargetThatIsNotThereIsLoggedWithItsError) {
  ASSERT_TRUE(CreateTarget("op-1", "http://127.0.0.1:1/"));
  ASSERT_TRUE(bus_->Publish(std::array{Confirmed()}));
  const v1::Delivery delivery = WaitForFailedAttempt();
  EXPECT_EQ(delivery.last_status(), 0);
  EXPECT_THAT(delivery.last_error(), testing::HasSubstr("connect_failed"));
}

TEST_F(RelayServiceTest, TheSecretIsShownOnlyByCreate) {
  const v1::Target made = CreateTarget("op-1", receiver_.url()).value();
  EXPECT_EQ(CreateTarget("op-1", receiver_.url())->secret(), made.secret());
  EXPECT_NE(CreateTarget("op-2", receiver_.url())->secret(), made.secret());
  grpc::ClientContext context;
  v1::ListTargetsRequest request;
  request.set_limit(1);
  v1::ListTargetsResponse response;
  ASSERT_TRUE(stub_->ListTargets(&context, request, &response).ok());
  ASSERT_EQ(response.targets_size(), 1);
  EXPECT_TRUE(response.more());
  EXPECT_TRUE(response.targets(0).secret().empty());
  EXPECT_EQ(response.targets(0).url(), receiver_.url());
}

TEST_F(RelayServiceTest, BadArgumentsAreNamed) {
  const auto bad_url = CreateTarget("op-1", "ftp://x");
  EXPECT_EQ(bad_url.error().code, Code::kInvalidArgument);
  EXPECT_THAT(bad_url.error().detail, testing::HasSubstr("url"));
  EXPECT_THAT(CreateTarget("op-1", "http://x", {"nothing"}).error().detail,
              testing::HasSubstr("event_types"));
  EXPECT_THAT(CreateTarget("", "http://x").error().detail, testing::HasSubstr("operation_key"));
  v1::ListDeliveriesRequest request;
  EXPECT_THAT(ListDeliveries(request).error().detail, testing::HasSubstr("limit"));
  request.set_limit(10);
  request.set_state("lost");
  EXPECT_THAT(ListDeliveries(request).error().detail, testing::HasSubstr("state"));
}

}  // namespace
}  // namespace boxoffice::relay
