#include "platform/auth/signed_token.h"

#include <string>

#include <gtest/gtest.h>

#include "platform/auth/base64url.h"

namespace boxoffice::auth {
namespace {

const SigningKey kOld{"2026a", "an old secret of some length"};
const SigningKey kNew{"2026b", "a new secret of some length"};

std::string Reason(const KeyRing& ring, std::string_view text) {
  const Result<std::string> payload = ring.Verify(text);
  return payload ? "ok" : payload.error().reason;
}

TEST(KeyRing, GivesBackAnyBytes) {
  const KeyRing ring = *KeyRing::Make({kNew});
  for (const std::string& payload : {std::string(), std::string("x"), std::string("\0\xff.", 3),
                                     std::string(kMaxSignedTokenPayload, 'z')}) {
    const std::string text = ring.Sign(payload);
    EXPECT_LE(text.size(), kMaxSignedTokenText);
    EXPECT_EQ(ring.Verify(text), payload);
  }
}

TEST(KeyRing, SigningIsDeterministic) {
  const KeyRing ring = *KeyRing::Make({kNew});
  EXPECT_EQ(ring.Sign("show 7"), ring.Sign("show 7"));
}

TEST(KeyRing, RotatedKeyStillVerifiesAndNoLongerSigns) {
  const std::string ticket = KeyRing::Make({kOld})->Sign("p");
  const KeyRing both = *KeyRing::Make({kNew, kOld});
  EXPECT_EQ(both.Verify(ticket), "p");
  EXPECT_TRUE(both.Sign("p").starts_with("v1.2026b."));
  EXPECT_EQ(Reason(*KeyRing::Make({kNew}), ticket), "signed_token_key");
}

TEST(KeyRing, ForgedPayloadIsRefused) {
  const KeyRing ring = *KeyRing::Make({kNew});
  const std::string mine = ring.Sign("sequence 9");
  const std::string better = EncodeBase64Url("sequence 1");
  const std::string forged = "v1.2026b." + better + mine.substr(mine.rfind('.'));
  EXPECT_EQ(Reason(ring, forged), "signed_token_signature");
}

TEST(KeyRing, ForgedKeyIdIsRefused) {
  // The MAC covers the key id, so that a ticket of one key can't pass as another's even if secrets were
  // equal.
  const KeyRing ring = *KeyRing::Make({kNew, {"twin", kNew.secret}});
  std::string text = ring.Sign("p");
  text.replace(3, 5, "twin");
  EXPECT_EQ(Reason(ring, text), "signed_token_signature");
}

TEST(KeyRing, EveryChangedCharacterIsRefused) {
  const KeyRing ring = *KeyRing::Make({kNew, kOld});
  const std::string text = ring.Sign("some payload");
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_NE(Reason(ring, changed), "ok") << changed;
  }
}

TEST(KeyRing, SpellingIsUnique) {
  // The last character of a MAC has four bits that carry nothing: they must be zero.
  const KeyRing ring = *KeyRing::Make({kNew});
  const std::string text = ring.Sign("p");
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  int accepted = 0;
  for (const char c : kAlphabet) {
    std::string changed = text;
    changed.back() = c;
    if (Reason(ring, changed) == "ok") ++accepted;
  }
  EXPECT_EQ(accepted, 1);
}

TEST(KeyRing, Malformed) {
  const KeyRing ring = *KeyRing::Make({kNew});
  const std::string good = ring.Sign("p");
  for (const std::string& text :
       {std::string(), std::string("v1."), std::string("v1.2026b"), std::string("v1.2026b.cA"),
        std::string("v2") + good.substr(2), good + "=", good + ".", good.substr(0, good.size() - 1),
        "v1.." + good, good + std::string(600, 'A'), std::string("v1.2026b.c!.") + std::string(22, 'A')}) {
    EXPECT_EQ(Reason(ring, text), "signed_token_malformed") << text;
  }
}

TEST(KeyRing, UnfitKeysAreRefused) {
  const auto reason = [](std::vector<SigningKey> keys) { return KeyRing::Make(keys).error().reason; };
  EXPECT_EQ(reason({}), "key_ring_invalid");
  EXPECT_EQ(reason({{"a.b", kNew.secret}}), "key_ring_invalid");
  EXPECT_EQ(reason({{"", kNew.secret}}), "key_ring_invalid");
  EXPECT_EQ(reason({{"a", "short"}}), "key_ring_invalid");
  EXPECT_EQ(reason({kNew, kNew}), "key_ring_invalid");
}

// RFC 4231, test cases 1 and 6 (a key longer than a block).
TEST(HmacKey, PublishedVectors) {
  const auto hex = [](const HmacKey::Mac& mac) {
    std::string text;
    for (const uint8_t byte : mac) text += fmt::format("{:02x}", byte);
    return text;
  };
  EXPECT_EQ(hex(HmacKey(std::string(20, '\x0b')).Sign("Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(
      hex(HmacKey(std::string(131, '\xaa')).Sign("Test Using Larger Than Block-Size Key - Hash Key First")),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Base64Url, RoundTripsAndIsStrict) {
  for (size_t size = 0; size < 20; ++size) {
    const std::string bytes(size, '\xfb');
    EXPECT_EQ(DecodeBase64Url(EncodeBase64Url(bytes)), bytes);
  }
  EXPECT_EQ(EncodeBase64Url("\xfb\xff"), "-_8");
  for (const char* bad : {"A", "AA==", "+/8", "AB", "A A", "AAAAA"})
    EXPECT_FALSE(DecodeBase64Url(bad)) << bad;
}

TEST(KeyRing, TheCurrentKeyIsTheOneThatATicketNames) {
  const auto ring = KeyRing::Make({{"new", "sixteen bytes or more"}, {"n", "another sixteen bytes"}});
  EXPECT_TRUE(ring->IsCurrent(ring->Sign("payload")));
  EXPECT_FALSE(ring->IsCurrent(KeyRing::Make({{"n", "another sixteen bytes"}})->Sign("payload")));
  EXPECT_FALSE(ring->IsCurrent(KeyRing::Make({{"newer", "another sixteen bytes"}})->Sign("payload")));
  EXPECT_FALSE(ring->IsCurrent(""));
  EXPECT_FALSE(ring->IsCurrent("new.x.y"));
}

}  // namespace
}  // namespace boxoffice::auth
