// A gateway on a free port with services that a test plays. It has two threads, which requests go to in turn.
// Every answer is held to the contract.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/random.h"
#include "gateway/contract_for_test.h"
#include "gateway/fake_services_for_test.h"
#include "gateway/module.h"
#include "platform/http/client.h"

namespace boxoffice::gateway {

// Verifies, and signs no more.
inline const auth::SigningKey kOldKey{"k0", "an older secret of sixteen bytes"};
inline constexpr std::string_view kReservation = "01890a5d-ac96-774b-bcce-b302099a8057";

class GatewayTest : public testing::Test {
 protected:
  struct Options {
    std::string user = "ada";  // empty: no token is sent
    auth::Role role = auth::Role::kBuyer;
    std::string key;          // Idempotency-Key
    std::string queue_token;  // X-Queue-Token
    http::HeaderList headers;
    std::vector<std::string> channels{};  // of the user
  };

  void SetUp() override {
    auth::TokenConfig tokens;
    tokens.algorithm = auth::Algorithm::kHs256;
    tokens.key = "a secret of thirty-two characters";
    tokens.issuer = "test";
    tokens.audience = "boxoffice";
    issuer_ = std::make_unique<auth::TokenIssuer>(*auth::TokenIssuer::Make(tokens, clock_));
    keys_ = std::make_shared<const auth::KeyRing>(
        *auth::KeyRing::Make({{"k1", "sixteen bytes or more"}, kOldKey}));
    GatewayConfig config;
    config.port = 0;
    config.threads = 2;
    config.tokens = tokens;
    config.queue_keys = keys_;
    // The services answer at once; on a busy machine that may take longer than people are to wait.
    config.limits.query_timeout = config.limits.command_timeout = std::chrono::seconds(20);
    Configure(config);
    gateway_ = std::make_unique<GatewayModule>(runtime_, config);
    services_.seat.GetShow_.answer = [](const seat::v1::GetShowRequest& request) -> Result<seat::v1::Show> {
      if (request.id() != 1) return Fail(Code::kNotFound, "show_not_found");
      return AShow();
    };
    services_.queue.GetHeads_.answer = [this](const auto&) -> Result<queue::v1::GetHeadsResponse> {
      const std::scoped_lock lock(mutex_);
      queue::v1::GetHeadsResponse heads;
      if (head_) *heads.add_queues() = *head_;
      return heads;
    };
    const Result<void> started = gateway_->Start();
    ASSERT_TRUE(started.has_value()) << started.error().detail;
  }
  void TearDown() override { gateway_->Stop(); }

  // What a test changes before the start.
  virtual void Configure(GatewayConfig&) {}

  static seat::v1::Show AShow() {
    seat::v1::Show show;
    show.set_id(1);
    show.set_concert_id(1);
    show.set_starts_at_ms(1'800'000'000'000);
    show.set_on_sale_at_ms(1'700'000'000'000);
    show.set_currency("KRW");
    show.set_capacity(50);
    show.set_seat_limit(8);
    show.set_hold_ttl_ms(300'000);
    show.set_state(seat::v1::ON_SALE);
    seat::v1::PriceCategory& category = *show.add_price_categories();
    category.set_name("R");
    category.set_color("#ff0000");
    category.set_price(110'000);
    category.set_seats(50);
    show.set_free(50);
    return show;
  }

  static reservation::v1::Reservation AReservation(reservation::v1::ReservationState state,
                                                   const std::string& user = "ada") {
    reservation::v1::Reservation reservation;
    reservation.set_id(std::string(ReservationId::Parse(kReservation)->bytes()));
    reservation.set_user_id(user);
    reservation.set_show_id(1);
    seat::v1::SeatPrice& seat = *reservation.add_seats();
    seat.set_seat_no(7);
    seat.set_label("A 1-7");
    seat.set_price(110'000);
    reservation.set_amount(110'000);
    reservation.set_currency("KRW");
    reservation.set_state(state);
    if (state == reservation::v1::HELD) reservation.set_hold_expires_at_ms(1'800'000'300'000);
    reservation.mutable_saga()->set_id(reservation.id());
    reservation.mutable_saga()->set_kind("one_shot");
    reservation.mutable_saga()->set_status("done");
    reservation.mutable_saga()->set_attempt(1);
    reservation::v1::TimelineEntry& entry = *reservation.mutable_saga()->add_timeline();
    entry.set_step("hold-seats");
    entry.set_outcome("done");
    entry.set_at_ms(1'800'000'000'000);
    reservation.set_created_at_ms(1'800'000'000'000);
    reservation.set_updated_at_ms(1'800'000'000'000);
    return reservation;
  }

  std::string Jwt(const std::string& user, auth::Role role = auth::Role::kBuyer,
                  const std::vector<std::string>& channels = {}) const {
    return *issuer_->Issue(user, role, std::chrono::hours(1), channels);
  }
  std::string QueueToken(const std::string& user = "ada", int64_t show_id = 1, uint64_t sequence = 5) const {
    queue::v1::TokenClaims claims;
    claims.set_show_id(show_id);
    claims.set_user_id(user);
    claims.set_sequence(sequence);
    claims.set_expires_at_ms(ToUnixMs(clock_.Now()) + 3'600'000);
    return keys_->Sign(claims.SerializeAsString());
  }

  // Sends a request, and fails the test if the answer is not as the contract has it.
  http::ClientResponse Call(std::string_view method, std::string_view path, std::string_view body,
                            Options options) {
    http::ClientResponse answer = CallUnjudged(method, path, body, std::move(options));
    if (answer.status == 0) return answer;
    EXPECT_EQ(
        contract_.Judge(method, path, answer.status, answer.header("Content-Type").value_or(""), answer.body),
        "");
    return answer;
  }
  // The same for what is not in the contract. Without an answer the test has failed, and the status is 0.
  http::ClientResponse CallUnjudged(std::string_view method, std::string_view path, std::string_view body,
                                    Options options) {
    http::ClientRequest request;
    request.method = method;
    request.url = fmt::format("http://127.0.0.1:{}{}", gateway_->port(), path);
    request.body = body;
    request.max_response = 64 << 20;
    request.headers = options.headers;
    if (!options.user.empty())
      request.headers.emplace_back("Authorization",
                                   "Bearer " + Jwt(options.user, options.role, options.channels));
    if (!options.key.empty()) request.headers.emplace_back("Idempotency-Key", options.key);
    if (!options.queue_token.empty()) request.headers.emplace_back("X-Queue-Token", options.queue_token);
    Result<http::ClientResponse> answer = http::FetchBlocking(std::move(request));
    if (!answer) {
      ADD_FAILURE() << answer.error().reason << ": " << answer.error().detail;
      return {};
    }
    EXPECT_TRUE(answer->header("X-Request-Id").has_value());
    return *std::move(answer);
  }
  http::ClientResponse Call(std::string_view method, std::string_view path, std::string_view body = {}) {
    return Call(method, path, body, Options());
  }
  http::ClientResponse CallAsOperator(std::string_view method, std::string_view path,
                                      std::string_view body = {}) {
    Options options;
    options.user = "root";
    options.role = auth::Role::kOperator;
    options.key = "k1";
    return Call(method, path, body, options);
  }
  // POST /v1/reservations with all that it needs.
  http::ClientResponse Reserve(std::string_view body, std::vector<std::string> channels = {}) {
    Options options;
    options.channels = std::move(channels);
    options.key = "k1";
    options.queue_token = QueueToken();
    return Call("POST", "/v1/reservations", body, options);
  }

  static boost::json::value Json(const http::ClientResponse& answer) {
    return boost::json::parse(answer.body);
  }
  static std::string CodeOf(const http::ClientResponse& answer) {
    const boost::json::value body = Json(answer);
    return std::string(body.at("code").as_string());
  }

  // What the reservation service answers to every command.
  void AnswerReservations(reservation::v1::ReservationState state,
                          const reservation::v1::Refusal& refusal = {}) {
    services_.reservation.commands.answer = [=, this](const reservation::v1::Command& command) {
      const std::scoped_lock lock(mutex_);
      commands_.push_back(command);
      reservation::v1::Outcome outcome;
      *outcome.mutable_reservation() = AReservation(state);
      if (!refusal.code().empty()) *outcome.mutable_refusal() = refusal;
      return Result<reservation::v1::Outcome>(outcome);
    };
  }
  void FailReservations(Code code, const std::string& reason) {
    services_.reservation.commands.answer =
        [=](const reservation::v1::Command&) -> Result<reservation::v1::Outcome> {
      return Fail(code, reason);
    };
  }
  void SetHead(uint64_t head_sequence) {
    const std::scoped_lock lock(mutex_);
    head_.emplace();
    head_->set_show_id(1);
    head_->set_head_sequence(head_sequence);
    head_->set_last_sequence(2'000'000);
    head_->set_rate_per_s(10);
    head_->set_state(queue::v1::OPEN);
  }

  GatewayModule& gateway() { return *gateway_; }
  const Contract& contract() const { return contract_; }

  ManualClock clock_;
  SeededRandom random_{1};
  obs::Registry metrics_;
  FakeBus bus_;
  FakeServices services_;
  module::Runtime runtime_{clock_, random_, metrics_, bus_, services_.Channels(), {}, {}};
  Contract contract_;
  std::unique_ptr<auth::TokenIssuer> issuer_;
  std::shared_ptr<const auth::KeyRing> keys_;
  std::mutex mutex_;
  std::optional<queue::v1::Queue> head_;
  std::vector<reservation::v1::Command> commands_;
  std::unique_ptr<GatewayModule> gateway_;
};

}  // namespace boxoffice::gateway
