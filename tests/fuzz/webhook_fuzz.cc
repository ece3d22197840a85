// An acquirer's webhooks: nothing is believed that is not signed by it, now and as it stands; and whatever it
// signs is read.
#include <string>
#include <utility>

#include <fuzzer/FuzzedDataProvider.h>

#include "base/check.h"
#include "platform/auth/webhook_signature.h"
#include "services/payment/provider_http.h"

namespace boxoffice::payment {
namespace {

constexpr int64_t kNowS = 1'800'000'000;
const Timestamp kNow = FromUnixMs(kNowS * 1'000);
const std::string kSecret = "the acquirer's secret";
const std::string kNextSecret = "the one that comes after";

const HttpProvider& Acquirer() {
  static const std::unique_ptr<HttpProvider> provider = [] {
    AcquirerConfig config;
    config.url = "http://127.0.0.1:1";
    config.webhook_secrets = {auth::FormatWebhookSecret(kSecret), auth::FormatWebhookSecret(kNextSecret)};
    static obs::Registry metrics;
    return HttpProvider::Make(std::move(config), metrics).value();
  }();
  return *provider;
}

void CheckRefused(const WebhookRequest& request, std::string_view why) {
  const Result<Notice> notice = Acquirer().ReadWebhook(request, kNow);
  CHECK(!notice && notice.error().code == Code::kUnauthenticated, "believed: {}", why);
}

void CheckRead(const WebhookRequest& request) {
  const Result<Notice> notice = Acquirer().ReadWebhook(request, kNow);
  if (!notice) {
    CHECK(notice.error().reason == "webhook_malformed", "{}", notice.error().reason);
    return;
  }
  if (!notice->relevant) return;
  const Verdict verdict = notice->answer.verdict;
  CHECK(verdict == Verdict::kApproved || verdict == Verdict::kDeclined);
  if (verdict == Verdict::kApproved) CHECK(Currency::Parse(notice->money.currency.code()).has_value());
}

}  // namespace

void Fuzz(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  const uint8_t kind = input.ConsumeIntegralInRange<uint8_t>(0, 3);
  WebhookRequest request;
  request.id = input.ConsumeRandomLengthString(40);
  if (kind == 0) {  // a stranger's
    request.timestamp = input.ConsumeRandomLengthString(24);
    request.signature = input.ConsumeRandomLengthString(120);
    request.body = input.ConsumeRemainingBytesAsString();
    return CheckRefused(request, "without our secret");
  }
  const int64_t skew_s = input.ConsumeIntegral<int16_t>();
  const size_t place = input.ConsumeIntegral<uint16_t>();
  const char other = static_cast<char>(input.ConsumeIntegral<uint8_t>());
  const std::string& secret = input.ConsumeBool() ? kSecret : kNextSecret;
  request.body = input.ConsumeRemainingBytesAsString();
  request.timestamp = std::to_string(kNowS + skew_s);
  request.signature =
      "v2,aaaa v1,bm90aGluZw== " + auth::SignWebhook(secret, request.id, kNowS + skew_s, request.body);
  const bool timely = skew_s >= -300 && skew_s <= 300;
  if (kind == 1)
    return timely ? CheckRead(request) : CheckRefused(request, "though it is old, or of the future");
  // One place of what was signed is another one.
  std::string& part = kind == 2 && !request.body.empty() ? request.body : request.timestamp;
  char& changed = part[place % part.size()];
  if (std::exchange(changed, other) != other) CheckRefused(request, "though it was changed");
}

}  // namespace boxoffice::payment

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  boxoffice::payment::Fuzz(data, size);
  return 0;
}
