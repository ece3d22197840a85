#include "platform/auth/claims.h"

#include <gmock/gmock.h>

namespace boxoffice::auth {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ClaimsTest, OfAClaimThatIsThereTwiceTheLastCounts) {
  const Claims claims = ReadClaims(R"({"sub":"ada","aud":["a"],"sub":"bob","aud":"b"})").value();
  EXPECT_TRUE(claims.user.Is("bob"));
  EXPECT_TRUE(claims.audience.Is("b"));
  EXPECT_THAT(claims.audience.items, IsEmpty());
}

TEST(ClaimsTest, TheItemsOfAnArrayAreItsOwnStringsAlone) {
  const Claims claims = ReadClaims(R"({"aud":["a",7,["b"],{"c":"d"},"e"],"channels":["f"]})").value();
  EXPECT_THAT(claims.audience.items, ElementsAre("a", "e"));
  EXPECT_FALSE(claims.audience.strings_only);
  EXPECT_THAT(claims.channels.items, ElementsAre("f"));
  EXPECT_TRUE(claims.channels.strings_only);
}

TEST(ClaimsTest, WhatStandsInAnObjectIsNoClaimAndNoItem) {
  const Claims claims = ReadClaims(R"({"aud":{"x":"a","sub":"b"},"other":{"sub":"c"},"iss":"d"})").value();
  EXPECT_EQ(claims.audience.kind, Claim::Kind::kOther);
  EXPECT_THAT(claims.audience.items, IsEmpty());
  EXPECT_FALSE(claims.user.given());
  EXPECT_TRUE(claims.issuer.Is("d"));
}

TEST(ClaimsTest, NamesAndTextsMayHaveEscapes) {
  const Claims claims = ReadClaims(R"({"s\u0075b":"\u0061d\u0061"})").value();
  EXPECT_TRUE(claims.user.Is("ada"));
}

TEST(ClaimsTest, ANumberMayHaveAFractionAndIsNoText) {
  const Claims claims = ReadClaims(R"({"exp":1.5,"nbf":-2,"sub":3})").value();
  EXPECT_EQ(claims.expiry.number, 1.5);
  EXPECT_EQ(claims.not_before.number, -2);
  EXPECT_FALSE(claims.user.Is("3"));
}

TEST(ClaimsTest, WhatIsNoObjectHasNoClaims) {
  for (const char* text : {"", "7", "[]", R"(["sub"])", R"({"sub":"a"} x)", R"({"sub":)", "null"})
    EXPECT_FALSE(ReadClaims(text)) << text;
}

}  // namespace
}  // namespace boxoffice::auth
