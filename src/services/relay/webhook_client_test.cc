#include "services/relay/webhook_client.h"

#include <future>

#include <gmock/gmock.h>

#include "platform/http/fixed_server_for_test.h"

namespace boxoffice::relay {
namespace {

// What a target that says this has said, as the dispatcher is told.
Answer AnswerTo(const std::string& text) {
  const http::FixedServer target(text);
  std::promise<Answer> answer;
  HttpSender sender(std::chrono::seconds(10), {}, AddressPolicy(ParseNetworks("127.0.0.1").value()));
  Attempt attempt;
  attempt.url = target.Url() + "/hook";
  attempt.secret = std::string(kSecretBytes, 's');
  attempt.event.body = R"({"type":"seat.held","timestamp":"","data":{}})";
  sender.Send(attempt, FromUnixMs(0), [&](Answer given) { answer.set_value(std::move(given)); });
  return answer.get_future().get();
}

TEST(HttpSenderTest, AnAnswerCountsByItsHeadHoweverLongItsBodyIs) {
  const std::string body(100'000, 'x');
  const std::string length = "Content-Length: 100000\r\n\r\n" + body;
  EXPECT_EQ(AnswerTo("HTTP/1.1 200 OK\r\n" + length).status, 200);
  EXPECT_EQ(AnswerTo("HTTP/1.1 410 Gone\r\n" + length).status, kGone);
  const Answer busy = AnswerTo("HTTP/1.1 429 Busy\r\nRetry-After: 7\r\n" + length);
  EXPECT_EQ(busy.status, kTooManyRequests);
  EXPECT_EQ(busy.retry_after, std::chrono::seconds(7));
}

TEST(HttpSenderTest, AnAnswerWhoseBodyIsCutOffCountsByItsHead) {
  const Answer cut = AnswerTo("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  EXPECT_EQ(cut.status, 200);
  EXPECT_EQ(cut.error, "");
  EXPECT_EQ(AnswerTo("HTTP/1.1 200 OK\r\nContent-Le").status, 0) << "this is none";
}

}  // namespace
}  // namespace boxoffice::relay
