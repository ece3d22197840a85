// Users' tokens (JWT): whatever a header says, none verifies without a signature by our key; and whatever a
// genuine one claims, who it names is a user as others may count on.
#include <string>
#include <string_view>

#include <boost/json/parse.hpp>
#include <fuzzer/FuzzedDataProvider.h>

#include "base/check.h"
#include "platform/auth/base64url.h"
#include "platform/auth/hmac.h"
#include "platform/auth/token.h"

namespace boxoffice::auth {
namespace {

constexpr std::string_view kSecret = "a secret of thirty-two characters";
const Timestamp kNow = FromUnixMs(1'800'000'000'000);

std::string Join(std::string_view header, std::string_view claims) {
  return EncodeBase64Url(header) + "." + EncodeBase64Url(claims);
}
std::string SignatureOf(std::string_view text) {
  const HmacKey::Mac mac = HmacKey(kSecret).Sign(text);
  return EncodeBase64Url({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

// A genuine token names a user and channels of the right form, and says by itself that it is HS256, ours and
// not over.
void CheckPrincipal(const Principal& principal, const std::string& header, const std::string& claims) {
  CHECK(IsUserName(principal.user));
  CHECK(principal.channels.size() <= kMaxChannels);
  for (const std::string& channel : principal.channels) CHECK(IsChannel(channel));
  CHECK(boost::json::parse(header).at("alg") == "HS256");
  const boost::json::value claimed = boost::json::parse(claims);
  CHECK(claimed.at("iss") == "test" && std::string_view(claimed.at("sub").as_string()) == principal.user);
  CHECK(claimed.at("exp").to_number<double>() > 1'800'000'000 - 31);
  const bool is_operator = claimed.as_object().contains("role") && claimed.at("role") == "operator";
  CHECK((principal.role == Role::kOperator) == is_operator);
}

}  // namespace

void Fuzz(const uint8_t* data, size_t size) {
  static ManualClock clock(kNow);
  static const TokenVerifier verifier =
      TokenVerifier::Make({Algorithm::kHs256, std::string(kSecret), "test", "boxoffice"}, clock).value();
  FuzzedDataProvider input(data, size);
  if (input.ConsumeBool()) {
    const std::string text = input.ConsumeRemainingBytesAsString();
    const Result<Principal> judged = verifier.Verify(text);
    if (judged)
      CHECK(text.ends_with("." + SignatureOf(text.substr(0, text.rfind('.')))),
            "a token that we did not sign");
    return;
  }
  const std::string header = input.ConsumeRandomLengthString(200);
  const bool sign = input.ConsumeBool();
  const std::string signature = sign ? "" : input.ConsumeRandomLengthString(40);
  const std::string claims = input.ConsumeRemainingBytesAsString();
  const std::string text = Join(header, claims);
  const Result<Principal> judged =
      verifier.Verify(text + "." + (sign ? SignatureOf(text) : EncodeBase64Url(signature)));
  if (!judged) {
    CHECK(judged.error().code == Code::kUnauthenticated, "{}", judged.error().reason);
    return;
  }
  CHECK(sign, "a token without our signature");
  CheckPrincipal(*judged, header, claims);
}

}  // namespace boxoffice::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  boxoffice::auth::Fuzz(data, size);
  return 0;
}
