#include "platform/auth/signed_token.h"

#include <algorithm>

#include "base/check.h"
#include "platform/auth/base64url.h"

namespace boxoffice::auth {
namespace {

constexpr std::string_view kVersion = "v1.";
constexpr size_t kMacBytes = 16;
// "v1." id "." payload "." mac
static_assert(kVersion.size() + kMaxKeyId + 1 + (kMaxSignedTokenPayload * 4 + 2) / 3 + 1 + 22 <=
              kMaxSignedTokenText);

bool IsKeyId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxKeyId && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

}  // namespace

Result<KeyRing> KeyRing::Make(const std::vector<SigningKey>& keys) {
  const auto invalid = [](std::string detail) {
    return Fail(Code::kInvalidArgument, "key_ring_invalid", std::move(detail));
  };
  if (keys.empty() || keys.size() > kMaxRingKeys) return invalid(fmt::format("{} keys", keys.size()));
  std::vector<Key> ring;
  for (const SigningKey& key : keys) {
    if (!IsKeyId(key.id)) return invalid(fmt::format("key id `{}`", key.id));
    if (key.secret.size() < kMinSecret)
      return invalid(fmt::format("the secret of `{}` is too short", key.id));
    if (std::ranges::any_of(ring, [&](const Key& k) { return k.id == key.id; })) {
      return invalid(fmt::format("key id `{}` appears twice", key.id));
    }
    ring.push_back(Key{key.id, HmacKey(key.secret)});
  }
  return KeyRing(std::move(ring));
}

std::string KeyRing::Sign(std::string_view payload) const {
  CHECK(payload.size() <= kMaxSignedTokenPayload, "a payload of {} bytes", payload.size());
  const Key& key = keys_.front();
  std::string text;
  text.reserve(kVersion.size() + key.id.size() + payload.size() * 4 / 3 + 28);
  text.append(kVersion).append(key.id).push_back('.');
  AppendBase64Url(payload, text);
  const HmacKey::Mac mac = key.hmac.Sign(text);
  text.push_back('.');
  AppendBase64Url({reinterpret_cast<const char*>(mac.data()), kMacBytes}, text);
  return text;
}

bool KeyRing::IsCurrent(std::string_view text) const {
  const std::string_view id = keys_.front().id;
  return text.starts_with(kVersion) && text.substr(kVersion.size()).starts_with(id) &&
         text.substr(kVersion.size() + id.size()).starts_with('.');
}

Result<std::string> KeyRing::Verify(std::string_view text) const {
  const auto malformed = [] { return Fail(Code::kUnauthenticated, "signed_token_malformed"); };
  if (text.size() > kMaxSignedTokenText || !text.starts_with(kVersion)) return malformed();
  const size_t id_end = text.find('.', kVersion.size());
  const size_t payload_end = text.rfind('.');
  if (id_end == std::string_view::npos || payload_end <= id_end) return malformed();
  const std::string_view id = text.substr(kVersion.size(), id_end - kVersion.size());
  std::optional<std::string> payload = DecodeBase64Url(text.substr(id_end + 1, payload_end - id_end - 1));
  const std::optional<std::string> mac = DecodeBase64Url(text.substr(payload_end + 1));
  if (!IsKeyId(id) || !payload || !mac || mac->size() != kMacBytes) return malformed();

  const auto key = std::ranges::find(keys_, id, &Key::id);
  if (key == keys_.end()) return Fail(Code::kUnauthenticated, "signed_token_key", std::string(id));
  if (!key->hmac.Verify(text.substr(0, payload_end), *mac)) {
    return Fail(Code::kUnauthenticated, "signed_token_signature");
  }
  return *std::move(payload);
}

}  // namespace boxoffice::auth
