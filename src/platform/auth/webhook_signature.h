// Webhook signatures as Standard Webhooks 1.0 have them (https://www.standardwebhooks.com): the one
// implementation for what is sent and for what is received.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace boxoffice::auth {

// How far a webhook's timestamp may be from our clock: what is older may have been recorded and sent again.
inline constexpr std::chrono::minutes kWebhookTolerance{5};

// A secret as people see it: "whsec_" and the base64 of its bytes.
[[nodiscard]] std::string FormatWebhookSecret(std::string_view secret);
// The bytes of it; nullopt: not of that form, or not 16 to 64 bytes.
[[nodiscard]] std::optional<std::string> ParseWebhookSecret(std::string_view text);

// "v1," and the base64 of HMAC-SHA256 with the secret's bytes over "id.timestamp.body".
[[nodiscard]] std::string SignWebhook(std::string_view secret, std::string_view id, int64_t timestamp_s,
                                      std::string_view body);

// Whether one of the signatures in the header webhook-signature ("v1,… v1,…") is by one of the secrets (two
// while they are rotated), and the header webhook-timestamp is within kWebhookTolerance of `now`. The caller
// drops ids that it has seen. Errors, all kUnauthenticated: webhook_signature, webhook_timestamp. In constant
// time where it matters, and with one MAC for each secret, however many signatures there are.
[[nodiscard]] Result<void> VerifyWebhook(std::span<const std::string> secrets, std::string_view id,
                                         std::string_view timestamp, std::string_view signatures,
                                         std::string_view body, Timestamp now);

}  // namespace boxoffice::auth
