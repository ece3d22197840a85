#include "platform/auth/webhook_signature.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <openssl/crypto.h>

#include "base/text.h"
#include "platform/auth/base64.h"
#include "platform/auth/hmac.h"

namespace boxoffice::auth {
namespace {

constexpr std::string_view kSecretPrefix = "whsec_";
constexpr std::string_view kVersion = "v1,";
constexpr size_t kMinSecretBytes = 16;
constexpr size_t kMaxSecretBytes = 64;
constexpr size_t kMaxSignatures = 16;  // in one header

}  // namespace

std::string FormatWebhookSecret(std::string_view secret) {
  return std::string(kSecretPrefix) + EncodeBase64(secret);
}

std::optional<std::string> ParseWebhookSecret(std::string_view text) {
  if (!text.starts_with(kSecretPrefix)) return std::nullopt;
  auto bytes = DecodeBase64(text.substr(kSecretPrefix.size()));
  if (!bytes || bytes->size() < kMinSecretBytes || bytes->size() > kMaxSecretBytes) return std::nullopt;
  return bytes;
}

std::string SignWebhook(std::string_view secret, std::string_view id, int64_t timestamp_s,
                        std::string_view body) {
  const HmacKey::Mac mac = HmacKey(secret).Sign(fmt::format("{}.{}.{}", id, timestamp_s, body));
  return std::string(kVersion) + EncodeBase64({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

Result<void> VerifyWebhook(std::span<const std::string> secrets, std::string_view id,
                           std::string_view timestamp, std::string_view signatures, std::string_view body,
                           Timestamp now) {
  const int64_t seconds = ParseNumber<int64_t>(timestamp).value_or(-1);
  if (seconds < 0) {
    return Fail(Code::kUnauthenticated, "webhook_timestamp", "webhook-timestamp: must be seconds since 1970");
  }
  const std::string signed_text = fmt::format("{}.{}.{}", id, timestamp, body);
  // Anybody may send a large body with many signatures: it is hashed once for each secret.
  std::vector<HmacKey::Mac> genuine;
  for (const std::string& secret : secrets) genuine.push_back(HmacKey(secret).Sign(signed_text));
  bool believed = false;
  for (size_t n = 0; n < kMaxSignatures && !signatures.empty() && !believed; ++n) {
    const size_t space = signatures.find(' ');
    const std::string_view one = signatures.substr(0, space);
    signatures.remove_prefix(space == std::string_view::npos ? signatures.size() : space + 1);
    if (!one.starts_with(kVersion)) continue;  // another scheme's
    const auto mac = DecodeBase64(one.substr(kVersion.size()));
    if (!mac || mac->size() != sizeof(HmacKey::Mac)) continue;
    believed = std::ranges::any_of(genuine, [&](const HmacKey::Mac& ours) {
      return CRYPTO_memcmp(ours.data(), mac->data(), ours.size()) == 0;
    });
  }
  if (!believed)
    return Fail(Code::kUnauthenticated, "webhook_signature", "webhook-signature: not by a secret of ours");
  // Judged after the signature: only the sender's own word about the time counts. By seconds, so that no
  // arithmetic overflows.
  const int64_t now_s = ToUnixMs(now) / 1'000;
  const int64_t tolerance_s = std::chrono::seconds(kWebhookTolerance).count();
  if (seconds < now_s - tolerance_s || seconds > now_s + tolerance_s) {
    return Fail(Code::kUnauthenticated, "webhook_timestamp",
                fmt::format("webhook-timestamp: more than {} s from our clock", tolerance_s));
  }
  return {};
}

}  // namespace boxoffice::auth
