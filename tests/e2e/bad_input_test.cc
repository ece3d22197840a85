// Every row of the table "Bad input": what is refused, how, and that nothing came of it.
#include <future>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/clock.h"
#include "e2e/system.h"
#include "platform/auth/base64url.h"
#include "platform/auth/development.h"

namespace boxoffice::e2e {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class BadInput : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    system_ = new System();
    if (system_->ready()) show_ = new std::string(system_->CreateShow({.seat_limit = 4}));
  }
  static void TearDownTestSuite() {
    if (system_->ready()) system_->ExpectCleanAudit();
    delete system_;
    delete show_;
  }
  void SetUp() override { ASSERT_TRUE(system_->ready()); }

  // A buyer of a name of their own, admitted to the show, with 10,000 KRW.
  std::unique_ptr<Buyer> Admitted(const std::string& show = *show_) {
    auto buyer = NewBuyer();
    EXPECT_TRUE(buyer->Enter(show));
    EXPECT_EQ(buyer->Charge(10'000).status, 201);
    return buyer;
  }
  std::unique_ptr<Buyer> NewBuyer() {
    static int number = 0;
    return std::make_unique<Buyer>(*system_, fmt::format("buyer{}", ++number));
  }
  static Reply Post(Buyer& buyer, const std::string& path, const std::string& body) {
    return buyer.Call("POST", path, body, {{"Idempotency-Key", NewKey()}});
  }
  static Reply WithJwt(const std::string& jwt) {
    Api api(system_->port());
    return api.Call("GET", "/v1/wallet", {{"Authorization", "Bearer " + jwt}});
  }
  // A free seat that no other test of this file takes.
  static int NextSeat() {
    static int seat = 0;
    return ++seat;
  }

  static System* system_;
  static std::string* show_;
};
System* BadInput::system_ = nullptr;
std::string* BadInput::show_ = nullptr;

TEST_F(BadInput, BodyThatIsNotJsonIs400) {
  auto buyer = Admitted();
  for (const char* body : {"", "{", "[]", "7", "null", R"({"show_id":"1",})"}) {
    const Reply reply = Post(*buyer, "/v1/reservations", body);
    EXPECT_EQ(reply.status, 400) << body << " " << reply;
  }
}

TEST_F(BadInput, WrongTypeIs400AndNamesTheField) {
  auto buyer = Admitted();
  const Reply seats = buyer->Reserve(*show_, R"("seats":"A-1")");
  EXPECT_EQ(seats.status, 400) << seats;
  EXPECT_EQ(seats.at("field"), "seats") << seats;
  const Reply pay = buyer->Reserve(*show_, R"("seats":[1],"pay":"yes")");
  EXPECT_EQ(pay.status, 400) << pay;
  EXPECT_EQ(pay.at("field"), "pay") << pay;
}

TEST_F(BadInput, UnknownFieldIs400AndNamesTheField) {
  auto buyer = Admitted();
  const Reply reply = buyer->Reserve(*show_, R"("seats":[1],"discount":100)");
  EXPECT_EQ(reply.status, 400) << reply;
  EXPECT_EQ(reply.at("field"), "discount") << reply;
}

TEST_F(BadInput, BodyOver64KiBIs413) {
  auto buyer = Admitted();
  const Reply reply =
      buyer->Reserve(*show_, R"("seats":[1],"payment_method":")" + std::string(65 << 10, 'x') + "\"");
  EXPECT_EQ(reply.status, 413) << reply;
}

TEST_F(BadInput, NoJwtIs401) {
  Api api(system_->port());
  const Reply reply = api.Call("GET", "/v1/wallet");
  EXPECT_EQ(reply.status, 401) << reply;
  EXPECT_THAT(reply.header("WWW-Authenticate"), HasSubstr("Bearer"));
}

TEST_F(BadInput, BadJwtIs401) {
  std::string jwt = system_->Token("mina");
  EXPECT_EQ(WithJwt(jwt).status, 200);
  EXPECT_EQ(WithJwt("nonsense").status, 401);
  jwt.back() = jwt.back() == 'A' ? 'B' : 'A';
  jwt[jwt.size() - 5] = jwt[jwt.size() - 5] == 'A' ? 'B' : 'A';
  EXPECT_EQ(WithJwt(jwt).status, 401);
}

TEST_F(BadInput, ExpiredJwtIs401) {
  const ManualClock yesterday(SystemClock().Now() - std::chrono::hours(24));
  const auto config = auth::DevelopmentTokens(system_->data_dir());
  ASSERT_TRUE(config);
  const auto issuer = auth::TokenIssuer::Make(*config, yesterday);
  const Reply reply = WithJwt(issuer->Issue("mina", auth::Role::kBuyer, std::chrono::hours(1)).value());
  EXPECT_EQ(reply.status, 401) << reply;
}

TEST_F(BadInput, WrongAlgorithmIs401) {
  const std::string jwt = system_->Token("mina");
  const std::string claims = jwt.substr(jwt.find('.'), jwt.rfind('.') - jwt.find('.'));
  const std::string none = auth::EncodeBase64Url(R"({"alg":"none","typ":"JWT"})") + claims + ".";
  EXPECT_EQ(WithJwt(none).status, 401);
  const std::string es256 =
      auth::EncodeBase64Url(R"({"alg":"ES256","typ":"JWT"})") + jwt.substr(jwt.find('.'));
  EXPECT_EQ(WithJwt(es256).status, 401);
}

TEST_F(BadInput, OperatorsRouteAsABuyerIs403) {
  auto buyer = NewBuyer();
  for (const auto& [method, path] :
       {std::pair("GET", "/v1/admin/sagas"), {"POST", "/v1/admin/audit"}, {"POST", "/v1/admin/concerts"}}) {
    EXPECT_EQ(buyer->Call(method, path, {}, {{"Idempotency-Key", NewKey()}}).status, 403) << path;
  }
}

TEST_F(BadInput, SomeoneElsesReservationIs404) {
  auto owner = Admitted();
  const Reply held = owner->Reserve(*show_, fmt::format(R"("seats":[{}])", NextSeat()));
  ASSERT_EQ(held.status, 201) << held;
  auto stranger = Admitted();
  EXPECT_EQ(stranger->Get(held.at("id")).status, 404);
  EXPECT_EQ(stranger->Confirm(held.at("id")).status, 404);
  EXPECT_EQ(stranger->Cancel(held.at("id")).status, 404);
  EXPECT_EQ(owner->Get(held.at("id")).at("state"), "HELD");
}

TEST_F(BadInput, UnknownShowIs404) {
  auto buyer = Admitted();
  for (const char* show : {"999999", "0", "abc", "-1"}) {
    EXPECT_EQ(buyer->Call("GET", fmt::format("/v1/shows/{}", show)).status, 404) << show;
    EXPECT_EQ(buyer->Call("GET", fmt::format("/v1/shows/{}/seats", show)).status, 404) << show;
    EXPECT_EQ(buyer->Call("POST", fmt::format("/v1/shows/{}/queue", show)).status, 404) << show;
  }
  EXPECT_EQ(buyer->Reserve("999999", R"("seats":[1])").status, 404);
}

TEST_F(BadInput, UnknownReservationIs404) {
  auto buyer = NewBuyer();
  EXPECT_EQ(buyer->Get("01890a5d-ac96-774b-bcce-b302099a8057").status, 404);
  EXPECT_EQ(buyer->Get("nonsense").status, 404);
  EXPECT_EQ(buyer->Confirm("01890a5d-ac96-774b-bcce-b302099a8057").status, 404);
}

TEST_F(BadInput, UnknownSeatAndSeatOfAnotherShowAre422) {
  const std::string larger = system_->CreateShow({.rows = 20});
  auto buyer = Admitted();
  // Seat 51 exists in the other show, not in this one, which has 50.
  for (const char* seat : {"51", "999999"}) {
    const Reply reply = buyer->Reserve(*show_, fmt::format(R"("seats":[{}])", seat));
    EXPECT_EQ(reply.status, 422) << reply;
    EXPECT_EQ(reply.at("code"), "seat_unknown");
  }
}

TEST_F(BadInput, QueueTokenMissingOrForgedIs401) {
  auto buyer = Admitted();
  const std::string genuine = buyer->queue_token();
  std::string tampered = genuine;
  tampered[tampered.size() / 2] = tampered[tampered.size() / 2] == 'A' ? 'B' : 'A';
  for (const std::string& token : {std::string(), std::string("forged"), tampered}) {
    buyer->set_queue_token(token);
    const Reply reply = buyer->Reserve(*show_, R"("seats":[50])");
    EXPECT_EQ(reply.status, 401) << token << " " << reply;
    EXPECT_THAT(reply.at("code"), HasSubstr("queue_token"));
  }
}

TEST_F(BadInput, QueueTokenOfAnotherUserOrShowIs403) {
  auto thief = Admitted();
  auto owner = Admitted();
  const std::string others = owner->queue_token();
  thief->set_queue_token(others);
  const Reply stolen = thief->Reserve(*show_, R"("seats":[50])");
  EXPECT_EQ(stolen.status, 403) << stolen;
  EXPECT_EQ(stolen.at("code"), "queue_token_wrong_user");
  EXPECT_EQ(thief->Call("GET", "/v1/queue").status, 403);

  const std::string other_show = system_->CreateShow();
  const Reply elsewhere = owner->Reserve(other_show, R"("seats":[50])");
  EXPECT_EQ(elsewhere.status, 403) << elsewhere;
  EXPECT_EQ(elsewhere.at("code"), "queue_token_wrong_show");
}

TEST_F(BadInput, WaitingQueueTokenIs409WithItsState) {
  const std::string show = system_->CreateShow();
  ASSERT_EQ(
      system_->Admin("PATCH", fmt::format("/v1/admin/shows/{}/queue", show), R"({"state":"PAUSED"})").status,
      200);
  auto buyer = NewBuyer();
  ASSERT_EQ(buyer->Join(show).at("state"), "WAITING");
  const Reply reply = buyer->Reserve(show, R"("seats":[1])");
  EXPECT_EQ(reply.status, 409) << reply;
  EXPECT_EQ(reply.at("queue_state"), "WAITING");
}

TEST_F(BadInput, QueueTokenThatHasEndedIs409WithItsState) {
  auto buyer = Admitted();
  ASSERT_EQ(buyer->Call("DELETE", "/v1/queue").status, 204);
  const Reply reply = buyer->Reserve(*show_, R"("seats":[50])");
  EXPECT_EQ(reply.status, 409) << reply;
  EXPECT_EQ(reply.at("queue_state"), "EXPIRED");
}

TEST_F(BadInput, ClosedQueueIs409) {
  const std::string show = system_->CreateShow();
  ASSERT_EQ(
      system_->Admin("PATCH", fmt::format("/v1/admin/shows/{}/queue", show), R"({"state":"CLOSED"})").status,
      200);
  const Reply reply = NewBuyer()->Join(show);
  EXPECT_EQ(reply.status, 409) << reply;
  EXPECT_EQ(reply.at("code"), "queue_closed");
}

TEST_F(BadInput, SeatsTakenAre409ListingWhichAndWhy) {
  const int sold = NextSeat(), held = NextSeat(), free = NextSeat();
  auto first = Admitted();
  ASSERT_EQ(first->Reserve(*show_, fmt::format(R"("seats":[{}],"pay":true)", sold)).status, 201);
  auto second = Admitted();
  ASSERT_EQ(second->Reserve(*show_, fmt::format(R"("seats":[{}])", held)).status, 201);
  auto third = Admitted();
  for (const char* pay : {"false", "true"}) {
    const Reply reply =
        third->Reserve(*show_, fmt::format(R"("seats":[{},{},{}],"pay":{})", sold, held, free, pay));
    ASSERT_EQ(reply.status, 409) << reply;
    EXPECT_EQ(reply.at("code"), "seats_taken");
    const json::array& conflicts = reply.body.at("conflicts").as_array();
    ASSERT_EQ(conflicts.size(), 2U) << reply;
    EXPECT_EQ(conflicts[0].at("seat_no"), sold);
    EXPECT_EQ(conflicts[0].at("reason"), "sold");
    EXPECT_EQ(conflicts[1].at("seat_no"), held);
    EXPECT_EQ(conflicts[1].at("reason"), "held");
  }
  EXPECT_EQ(third->Balance(), 10'000);
  const Reply taken = third->Reserve(*show_, fmt::format(R"("seats":[{}],"pay":true)", free));
  EXPECT_EQ(taken.status, 201) << "all or nothing left it free: " << taken;
}

TEST_F(BadInput, OwnLimitPassedIs409) {
  auto buyer = Admitted();
  const Reply at_once = buyer->Reserve(*show_, R"("best_available":{"count":5})");
  EXPECT_EQ(at_once.status, 409) << at_once;
  EXPECT_EQ(at_once.at("code"), "seat_limit");
  EXPECT_EQ(at_once.number("seat_limit"), 4);

  const std::string show = system_->CreateShow({.seat_limit = 2});
  ASSERT_TRUE(buyer->Enter(show));
  ASSERT_EQ(buyer->Reserve(show, R"("best_available":{"count":2},"pay":true)").status, 201);
  ASSERT_TRUE(buyer->AwaitPlaceCompleted());
  ASSERT_TRUE(buyer->Enter(show));
  const Reply later = buyer->Reserve(show, R"("best_available":{"count":1})");
  EXPECT_EQ(later.status, 409) << later;
  EXPECT_EQ(later.at("code"), "seat_limit");
  EXPECT_EQ(later.number("seats_owned"), 2);
}

TEST_F(BadInput, EmptyRepeatedOrMoreThanEightSeatsAre422) {
  auto buyer = Admitted();
  for (const auto& [choice, code] : {std::pair(R"("seats":[])", "no_seats"),
                                     {R"("seats":[49,49])", "duplicate_seat"},
                                     {R"("seats":[40,41,42,43,44,45,46,47,48])", "too_many_seats"},
                                     {R"("best_available":{"count":0})", "no_seats"},
                                     {R"("best_available":{"count":9})", "too_many_seats"}}) {
    const Reply reply = buyer->Reserve(*show_, choice);
    EXPECT_EQ(reply.status, 422) << choice << " " << reply;
    EXPECT_EQ(reply.at("code"), code) << choice;
  }
}

TEST_F(BadInput, IdempotencyKeyMissingIs400) {
  auto buyer = Admitted();
  for (const char* path : {"/v1/reservations", "/v1/wallet/charges",
                           "/v1/reservations/01890a5d-ac96-774b-bcce-b302099a8057/confirm",
                           "/v1/reservations/01890a5d-ac96-774b-bcce-b302099a8057/cancel"}) {
    const Reply reply = buyer->Call("POST", path, "{}");
    EXPECT_EQ(reply.status, 400) << path << " " << reply;
    EXPECT_EQ(reply.at("code"), "idempotency_key_missing") << path;
  }
}

TEST_F(BadInput, IdempotencyKeyReusedWithAnotherBodyIs422) {
  auto buyer = Admitted();
  const std::string key = NewKey();
  ASSERT_EQ(buyer->Reserve(*show_, fmt::format(R"("seats":[{}])", NextSeat()), key).status, 201);
  const Reply reply = buyer->Reserve(*show_, R"("seats":[50])", key);
  EXPECT_EQ(reply.status, 422) << reply;
  EXPECT_EQ(reply.at("code"), "idempotency_key_reused");

  const http::HeaderList same{{"Idempotency-Key", NewKey()}};
  ASSERT_EQ(buyer->Call("POST", "/v1/wallet/charges", R"({"amount":10,"currency":"KRW"})", same).status, 201);
  ASSERT_EQ(buyer->Call("POST", "/v1/wallet/charges", R"({"amount":10,"currency":"KRW"})", same).status, 201);
  EXPECT_EQ(buyer->Call("POST", "/v1/wallet/charges", R"({"amount":11,"currency":"KRW"})", same).status, 422);
  EXPECT_EQ(buyer->Balance(), 10'010) << "charged once";
}

TEST_F(BadInput, IdempotencyKeyOfARunningRequestIs409) {
  auto buyer = Admitted();
  Buyer same(*system_, buyer->user());  // on a connection of its own
  same.set_queue_token(buyer->queue_token());
  const std::string key = NewKey();
  const std::string choice =
      fmt::format(R"("seats":[{}],"pay":true,"payment_method":"sandbox:slow")", NextSeat());
  // The provider takes 2 s to answer, so whichever comes second finds the other one running.
  auto other = std::async(std::launch::async, [&] { return same.Reserve(*show_, choice, key); });
  Reply done = buyer->Reserve(*show_, choice, key);
  Reply running = other.get();
  if (done.status == 409) std::swap(done, running);
  EXPECT_EQ(done.status, 201) << done;
  EXPECT_EQ(running.status, 409) << running;
  EXPECT_EQ(running.at("code"), "idempotency_key_running");
  EXPECT_EQ(buyer->Balance(), 9'000);
}

TEST_F(BadInput, ImpossibleAmountsAre422) {
  auto buyer = NewBuyer();
  for (const char* amount :
       {"0", "-1", "9223372036854775807", "9223372036854775808", "1000000000000001", "1.5", "1e3"}) {
    const Reply reply =
        Post(*buyer, "/v1/wallet/charges", fmt::format(R"({{"amount":{},"currency":"KRW"}})", amount));
    EXPECT_EQ(reply.status, 422) << amount << " " << reply;
  }
  EXPECT_EQ(buyer->Balance(), 0);
}

// A show that would take this plan.
std::string ShowBody(const std::string& concert, const std::string& plan) {
  return fmt::format(
      R"({{"concert_id":"{}","starts_at":"2099-06-01T19:00:00Z","currency":"KRW","seating_plan":{},"prices":{{"A":1000}}}})",
      concert, plan);
}

TEST_F(BadInput, BadSeatPlansAre422WithLineOrPathAndImportNothing) {
  const Reply concert =
      system_->Admin("POST", "/v1/admin/concerts", R"({"title":"T","artist":"A","venue":"V"})");
  ASSERT_EQ(concert.status, 201) << concert;
  const std::string id = concert.at("id");
  const auto create = [&](const std::string& plan) {
    return system_->Admin("POST", "/v1/admin/shows", ShowBody(id, plan));
  };

  std::string duplicate = SeatingPlan({.rows = 1, .seats_per_row = 3});
  duplicate.replace(duplicate.find(R"("seat_guid":"3")"), 15, R"("seat_guid":"1")");
  const Reply twice = create(duplicate);
  EXPECT_EQ(twice.status, 422) << twice;
  EXPECT_THAT(twice.at("detail"), HasSubstr("zones[0].rows[0].seats[2]"));

  const Reply no_zone = create(R"({"name":"Hall","categories":[{"name":"A","color":"red"}],"zones":[]})");
  EXPECT_EQ(no_zone.status, 422) << no_zone;
  EXPECT_THAT(no_zone.at("detail"), HasSubstr("zones"));

  const Reply too_large = create(SeatingPlan({.rows = 400, .seats_per_row = 500}));
  EXPECT_EQ(too_large.status, 422) << too_large.status;
  EXPECT_THAT(too_large.at("detail"), HasSubstr("100"));

  for (const char* broken : {R"({"name":"Hall",
"zones":[}})",
                             R"({"name":"Hall","zones":[{"rows":[})"}) {
    const Reply reply = create(broken);
    EXPECT_EQ(reply.status, 422) << reply;
    EXPECT_THAT(reply.at("detail"), HasSubstr("line"));
  }
  const Reply after = system_->Admin("GET", "/v1/admin/concerts/" + id);
  EXPECT_TRUE(after.body.at("shows").as_array().empty()) << after;
  EXPECT_EQ(create(SeatingPlan({})).status, 201);
}

// Of which PostgreSQL can't store a NUL, so that what took it could not move there.
TEST_F(BadInput, AControlCharacterInATextIs422AndNamesTheField) {
  const Reply concert =
      system_->Admin("POST", "/v1/admin/concerts", R"({"title":"a\u0000b","artist":"A","venue":"V"})");
  EXPECT_EQ(concert.status, 422) << concert;
  EXPECT_EQ(concert.at("field"), "title") << concert;
  const Reply cancel =
      system_->Admin("POST", "/v1/admin/shows/" + *show_ + "/cancel", R"({"reason":"a\u0000b"})");
  EXPECT_EQ(cancel.status, 422) << cancel;
  EXPECT_EQ(cancel.at("field"), "reason") << cancel;
}

}  // namespace
}  // namespace boxoffice::e2e
