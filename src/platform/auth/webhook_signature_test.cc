#include "platform/auth/webhook_signature.h"

#include <algorithm>
#include <chrono>
#include <ctime>

#include <gtest/gtest.h>

namespace boxoffice::auth {
namespace {

using namespace std::chrono_literals;

const Timestamp kNow = FromUnixMs(1'614'265'330'000);
const std::string kTime = "1614265330";

class WebhookSignature : public ::testing::Test {
 protected:
  std::string Judge(std::string_view id, std::string_view timestamp, std::string_view signature,
                    std::string_view body, Timestamp now = kNow) {
    const auto verdict = VerifyWebhook(secrets_, id, timestamp, signature, body, now);
    if (verdict) return "";
    EXPECT_EQ(verdict.error().code, Code::kUnauthenticated);
    return verdict.error().reason;
  }
  std::vector<std::string> secrets_{std::string(24, 'k')};
  std::string signature_ = SignWebhook(secrets_[0], "msg_1", 1'614'265'330, "{}");
};

// The example of the reference implementations of Standard Webhooks.
TEST_F(WebhookSignature, IsThatOfTheReferenceImplementation) {
  const auto secret = ParseWebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  ASSERT_TRUE(secret.has_value());
  EXPECT_EQ(SignWebhook(*secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1'614'265'330, R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  EXPECT_EQ(FormatWebhookSecret(*secret), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
}

TEST_F(WebhookSignature, WhatWasSignedIsBelieved) { EXPECT_EQ(Judge("msg_1", kTime, signature_, "{}"), ""); }

TEST_F(WebhookSignature, WhatWasChangedIsForged) {
  EXPECT_EQ(Judge("msg_1", kTime, signature_, "{ }"), "webhook_signature");
  EXPECT_EQ(Judge("msg_2", kTime, signature_, "{}"), "webhook_signature");
  EXPECT_EQ(Judge("msg_1", "1614265331", signature_, "{}"), "webhook_signature");
  for (const std::string forged : {"", "v1,", "v1,AAAA", "v1a,xx", "v1,!!!!", "garbage"}) {
    EXPECT_EQ(Judge("msg_1", kTime, forged, "{}"), "webhook_signature") << forged;
  }
  secrets_ = {};
  EXPECT_EQ(Judge("msg_1", kTime, signature_, "{}"), "webhook_signature") << "nobody's secret signs nothing";
}

TEST_F(WebhookSignature, PaddingInTheMiddleIsNoSignature) {
  const std::string genuine = signature_.substr(3);
  for (const std::string& odd : {std::string(88, '='), std::string("===="), std::string("A==="),
                                 "=" + genuine.substr(1), genuine.substr(0, 20) + "====" + genuine.substr(24),
                                 "  " + genuine.substr(2), std::string(88, '=') + "acmv0000"}) {
    EXPECT_EQ(Judge("msg_1", kTime, "v1," + odd, "{}"), "webhook_signature") << odd;
    EXPECT_EQ(ParseWebhookSecret("whsec_" + odd), std::nullopt) << odd;
  }
}

TEST_F(WebhookSignature, WhatIsSentAgainLaterIsTooOld) {
  EXPECT_EQ(Judge("msg_1", kTime, signature_, "{}", kNow + 5min), "");
  EXPECT_EQ(Judge("msg_1", kTime, signature_, "{}", kNow + 5min + 1s), "webhook_timestamp");
  EXPECT_EQ(Judge("msg_1", kTime, signature_, "{}", kNow - 5min - 1s), "webhook_timestamp");
  for (const std::string odd : {"", "now", "1614265330.5", "-1", "99999999999999999999"}) {
    EXPECT_EQ(Judge("msg_1", odd, signature_, "{}"), "webhook_timestamp") << odd;
  }
}

TEST_F(WebhookSignature, WhileSecretsAreRotatedEitherCounts) {
  secrets_ = {std::string(24, 'n'), std::string(24, 'k')};
  EXPECT_EQ(Judge("msg_1", kTime, signature_, "{}"), "");
  const std::string both =
      "v2,other " + SignWebhook(std::string(24, 'x'), "msg_1", 1'614'265'330, "{}") + " " + signature_;
  EXPECT_EQ(Judge("msg_1", kTime, both, "{}"), "") << "and the sender may sign with two";
}

// By the thread's own clock, and the least of several, so that what else the machine does hardly counts.
TEST_F(WebhookSignature, SixteenForgedSignaturesCostWhatOneDoes) {
  const std::string body(64 << 10, 'x');
  const std::string forged = SignWebhook(std::string(24, 'x'), "msg_1", 1'614'265'330, body);
  std::string many = forged;
  for (int i = 1; i < 16; ++i) many += " " + forged;
  const auto cost = [&](const std::string& signatures) {
    const auto used = [] {
      timespec time{};
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
      return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    };
    auto least = std::chrono::nanoseconds::max();
    for (int i = 0; i < 20; ++i) {
      const std::chrono::nanoseconds begun = used();
      EXPECT_EQ(Judge("msg_1", kTime, signatures, body), "webhook_signature");
      least = std::min(least, used() - begun);
    }
    return least;
  };
  const std::chrono::nanoseconds one = cost(forged);
  EXPECT_LT(cost(many), 4 * one);
}

TEST_F(WebhookSignature, ASecretHasItsForm) {
  for (const std::string odd : {"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA",
                                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"}) {
    EXPECT_EQ(ParseWebhookSecret(odd), std::nullopt) << odd;
  }
}

}  // namespace
}  // namespace boxoffice::auth
