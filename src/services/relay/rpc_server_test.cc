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
#include "testing/wait.h"

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
                 if (!retry_after_.empty()) response.headers.Add("Retry-After", retry_after_);
                 if (!location_.empty()) response.headers.Add("Location", location_);
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
    changed_.wait_for(lock, std::chrono::seconds(60), [&] { return received_.size() >= count; });
    return received_;
  }
  void SetStatus(int status, std::string retry_after = {}, std::string location = {}) {
    const std::scoped_lock lock(mutex_);
    status_ = status;
    location_ = std::move(location);
    retry_after_ = std::move(retry_after);
  }

 private:
  asio::io_context io_{1};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Received> received_;
  int status_ = 204;
  std::string retry_after_;
  std::string location_;
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
};

using Headers = std::map<std::string, std::string>;

int64_t TimestampOf(const Headers& headers) {
  int64_t timestamp_s = 0;
  const std::string& text = headers.at("webhook-timestamp");
  std::from_chars(text.data(), text.data() + text.size(), timestamp_s);
  return timestamp_s;
}

// The signature as a receiver makes it, with nothing but the text that the operator was shown.
std::string SignedBy(const std::string& shown, const Headers& headers, const std::string& body) {
  std::string secret(24, '\0');
  uint32_t bits = 0;
  int count = 0;
  size_t size = 0;
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (const char c : shown.substr(6)) {
    bits = bits << 6 | static_cast<uint32_t>(kAlphabet.find(c));
    count += 6;
    if (count < 8) continue;
    count -= 8;
    secret[size++] = static_cast<char>(bits >> count & 0xff);
  }
  EXPECT_EQ(size, 24);
  return Sign(secret, headers.at("webhook-id"), TimestampOf(headers), body);
}

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
    module_ = std::make_unique<RelayModule>(*runtime_, RelayConfig{.allow_networks = allow_networks_});
    ASSERT_TRUE(module_->Start());
    stub_ = v1::RelayService::NewStub(module_->ForThisProcess().channel);
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
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
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
  // Of the first target.
  int64_t PausedUntilMs() {
    v1::ListTargetsRequest request;
    request.set_limit(1);
    grpc::ClientContext context;
    v1::ListTargetsResponse listed;
    EXPECT_TRUE(stub_->ListTargets(&context, request, &listed).ok());
    return listed.targets_size() == 0 ? -1 : listed.targets(0).paused_until_ms();
  }
  bus::Event Confirmed(int64_t show_id = 7) {
    const ReservationId reservation = ReservationId::Make(clock_.Now(), random_);
    boxoffice::bus::v1::ReservationEvent body;
    body.set_reservation_id(std::string(reservation.bytes()));
    body.set_user_id("ann");
    body.set_show_id(show_id);
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

  static std::string ToJson(const bus::Event& event) { return ToInboxEvent(event)->body; }

  std::string allow_networks_ = "127.0.0.1";
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
  EXPECT_EQ(received[0].body, ThinBody(ToJson(event)));
  EXPECT_LT(std::abs(TimestampOf(headers) * 1000 - ToUnixMs(clock_.Now())), 60'000);
  EXPECT_EQ(headers["webhook-signature"], SignedBy(target.secret(), headers, received[0].body));
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
  EXPECT_GE(PausedUntilMs(), delivery.next_attempt_at_ms() - 60'000) << "so says the target";
}

TEST_F(RelayServiceTest, APauseThatIsOverIsToldNoMore) {
  ASSERT_TRUE(CreateTarget("op-1", receiver_.url()));
  receiver_.SetStatus(503, "1");
  ASSERT_TRUE(bus_->Publish(std::array{Confirmed()}));
  receiver_.WaitFor(1);
  EXPECT_TRUE(testbed::Eventually([this] { return PausedUntilMs() > 0; }));
  EXPECT_TRUE(testbed::Eventually([this] { return PausedUntilMs() == 0; }));
}

TEST_F(RelayServiceTest, AFullBodyHasAllThatTheEventSaysAndAThinOneItsIds) {
  const bus::Event event = Confirmed();
  const std::string json = ToJson(event);
  const std::string reservation = Uuid::FromBytes(event.key)->ToString();
  EXPECT_THAT(json,
              testing::StartsWith(R"({"type":"reservation.confirmed","timestamp":")" + ToRfc3339(event.time) +
                                  R"(","data":{"reservation_id":")" + reservation + R"(",)"));
  EXPECT_THAT(json, testing::HasSubstr(R"("seat_nos":[3,4],"amount":120000,"currency":"KRW")"));
  EXPECT_THAT(json, testing::Not(testing::HasSubstr("saga_id")));
  EXPECT_EQ(ThinBody(json), R"({"type":"reservation.confirmed","timestamp":")" + ToRfc3339(event.time) +
                                R"(","data":{"reservation_id":")" + reservation +
                                R"(","user_id":"ann","show_id":7,"version":2}})");
  EXPECT_EQ(ToInboxEvent(event)->show_id, 7);
}

TEST_F(RelayServiceTest, EveryRelayedTypeHasABodyAndSaysWhetherItNamesAShow) {
  for (const std::string_view type : EventTypes()) {
    const Result<InboxEvent> kept = ToInboxEvent({.type = std::string(type)});
    ASSERT_TRUE(kept) << type;
    EXPECT_EQ(kept->body.contains("show_id"), NamesShow(type)) << type;
    EXPECT_EQ(ToInboxEvent({.type = std::string(type), .body = "\xff\xff"}).error().reason, "event_malformed")
        << type;
  }
}

TEST_F(RelayServiceTest, ATargetThatAskedForOneShowInFullGetsThatAlone) {
  v1::CreateTargetRequest request;
  request.set_operation_key("op-1");
  request.set_url(receiver_.url());
  request.add_show_ids(7);
  request.set_payload("full");
  grpc::ClientContext context;
  v1::Target target;
  ASSERT_TRUE(stub_->CreateTarget(&context, request, &target).ok());
  EXPECT_EQ(target.payload(), "full");
  const bus::Event event = Confirmed();
  const bus::Event other = Confirmed(8);
  ASSERT_TRUE(bus_->Publish(std::array{other, event}));
  const auto received = receiver_.WaitFor(1);
  ASSERT_EQ(received.size(), 1);
  EXPECT_EQ(received[0].body, ToJson(event));
}

TEST_F(RelayServiceTest, WhileASecretIsRotatedBothSign) {
  const v1::Target made = CreateTarget("op-1", receiver_.url()).value();
  v1::RotateSecretRequest request;
  request.set_operation_key("r-1");
  request.set_id(made.id());
  request.set_keep_old_ms(60'000);
  grpc::ClientContext context;
  v1::Target rotated;
  ASSERT_TRUE(stub_->RotateSecret(&context, request, &rotated).ok());
  EXPECT_NE(rotated.secret(), made.secret());
  EXPECT_GT(rotated.old_secret_until_ms(), ToUnixMs(clock_.Now()));
  ASSERT_TRUE(bus_->Publish(std::array{Confirmed()}));
  auto received = receiver_.WaitFor(1);
  ASSERT_EQ(received.size(), 1);
  auto headers = received[0].headers;
  EXPECT_EQ(headers["webhook-signature"], SignedBy(rotated.secret(), headers, received[0].body) + " " +
                                              SignedBy(made.secret(), headers, received[0].body));
}

TEST_F(RelayServiceTest, ATestIsSentAndItsBodyIsInTheLog) {
  const v1::Target made = CreateTarget("op-1", receiver_.url(), {"seat.held"}).value();
  v1::TestTargetRequest request;
  request.set_id(made.id());
  grpc::ClientContext context;
  v1::Delivery delivery;
  ASSERT_TRUE(stub_->TestTarget(&context, request, &delivery).ok());
  const auto received = receiver_.WaitFor(1);
  ASSERT_EQ(received.size(), 1);
  EXPECT_EQ(received[0].headers.at("ce-type"), "relay.test");
  v1::GetDeliveryRequest get;
  get.set_id(delivery.id());
  grpc::ClientContext second;
  v1::Delivery found;
  ASSERT_TRUE(stub_->GetDelivery(&second, get, &found).ok());
  EXPECT_EQ(found.body(), received[0].body);
  EXPECT_EQ(WaitForState("delivered").id(), delivery.id());
}

TEST_F(RelayServiceTest, APrivateAddressIsRefusedWhenItIsNamedAndWhenANameLeadsThere) {
  allow_networks_ = "10.9.9.9";
  stub_.reset();
  module_.reset();
  Start();
  const auto named = CreateTarget("op-1", receiver_.url());
  EXPECT_EQ(named.error().code, Code::kInvalidArgument);
  EXPECT_THAT(named.error().detail, testing::StartsWith("url: "));
  std::string by_name = receiver_.url();
  by_name.replace(by_name.find("127.0.0.1"), 9, "localhost");
  ASSERT_TRUE(CreateTarget("op-2", by_name));
  ASSERT_TRUE(bus_->Publish(std::array{Confirmed()}));
  const v1::Delivery delivery = WaitForFailedAttempt();
  EXPECT_EQ(delivery.last_status(), 0);
  EXPECT_THAT(delivery.last_error(), testing::StartsWith("address_refused"));
  EXPECT_TRUE(receiver_.WaitFor(0).empty());
}

TEST_F(RelayServiceTest, ARedirectIsNotFollowed) {
  ASSERT_TRUE(CreateTarget("op-1", receiver_.url()));
  receiver_.SetStatus(307, "3600", receiver_.url());  // no second attempt, however slow the machine is
  ASSERT_TRUE(bus_->Publish(std::array{Confirmed()}));
  EXPECT_EQ(WaitForFailedAttempt().last_status(), 307);
  EXPECT_EQ(receiver_.WaitFor(1).size(), 1);
}

TEST_F(RelayServiceTest, NetworksThatCantBeReadKeepItFromStarting) {
  RelayModule module(*runtime_, RelayConfig{.allow_networks = "10.0.0.0/99"});
  const Result<void> started = module.Start();
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error().reason, "config");
  EXPECT_THAT(started.error().detail, testing::HasSubstr("target.allow_networks: `10.0.0.0/99`"));
}

TEST_F(RelayServiceTest, ADeliveryThatFailsIsTriedAgainOverARestart) {
  ASSERT_TRUE(CreateTarget("op-1", receiver_.url()));
  receiver_.SetStatus(503);
  ASSERT_TRUE(bus_->Publish(std::array{Confirmed()}));
  receiver_.WaitFor(1);
  receiver_.SetStatus(200);  // the next attempt succeeds, also if it comes before the restart
  const v1::Delivery delivery = WaitForFailedAttempt();
  EXPECT_EQ(delivery.last_status(), 503);
  EXPECT_GE(delivery.next_attempt_at_ms() - delivery.created_at_ms(), 4'500) << "5 s, less a tenth by jitter";
  stub_.reset();
  module_.reset();
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
