#include "platform/rpc/field.h"

#include <gmock/gmock.h>

#include "base/id.h"

namespace boxoffice::rpc {
namespace {

using ::testing::StartsWith;

template <typename T>
void ExpectInvalid(const Result<T>& parsed, std::string_view field) {
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().code, Code::kInvalidArgument);
  EXPECT_EQ(parsed.error().reason, "invalid_field");
  EXPECT_THAT(parsed.error().detail, StartsWith(std::string(field) + ": "));
}

money::v1::Money MoneyOf(int64_t amount, const std::string& currency) {
  money::v1::Money money;
  money.set_amount(amount);
  money.set_currency(currency);
  return money;
}

TEST(FieldTest, AnIdIsSixteenBytesAndNotNil) {
  const auto id = *SagaId::Parse("01890a5d-ac96-774b-bcce-b302099a8057");
  EXPECT_EQ(ParseId<SagaId>("saga_id", id.bytes()), id);
  for (const std::string& bytes :
       {std::string(), std::string(15, 'x'), std::string(17, 'x'), id.ToString(), std::string(16, '\0')}) {
    ExpectInvalid(ParseId<SagaId>("saga_id", bytes), "saga_id");
  }
}

TEST(FieldTest, AnOptionalTextMayBeEmptyAndHasNoNul) {
  EXPECT_EQ(OptionalText("reason", "", 3), "");
  EXPECT_EQ(OptionalText("reason", "abc", 3), "abc");
  ExpectInvalid(OptionalText("reason", "abcd", 3), "reason");
  ExpectInvalid(OptionalText("reason", std::string("a\0b", 3), 3), "reason");
}

TEST(FieldTest, ATextHasOneByteAtLeastAndItsBoundAtMost) {
  EXPECT_EQ(ParseText("name", "a", 3), "a");
  EXPECT_EQ(ParseText("name", "abc", 3), "abc");
  ExpectInvalid(ParseText("name", "", 3), "name");
  ExpectInvalid(ParseText("name", "abcd", 3), "name");
}

TEST(FieldTest, ATextHasNoNul) {
  ExpectInvalid(ParseText("name", std::string("a\0b", 3), 3), "name");
  ExpectInvalid(ParseText("name", std::string(1, '\0'), 3), "name");
}

TEST(FieldTest, APageHasOneRowAtLeastAndItsBoundAtMost) {
  EXPECT_TRUE(CheckLimit(1, 200).has_value());
  EXPECT_TRUE(CheckLimit(200, 200).has_value());
  ExpectInvalid(CheckLimit(0, 200), "limit");
  ExpectInvalid(CheckLimit(201, 200), "limit");
}

TEST(FieldTest, MoneyIsPositiveBoundedAndOfACurrency) {
  EXPECT_EQ(ParseMoney(MoneyOf(1, "KRW")), (Money{1, *Currency::Parse("KRW")}));
  EXPECT_EQ(ParseMoney(MoneyOf(kMaxAmount, "USD")), (Money{kMaxAmount, *Currency::Parse("USD")}));
  for (const int64_t amount : {int64_t{0}, int64_t{-1}, kMaxAmount + 1}) {
    EXPECT_EQ(ParseMoney(MoneyOf(amount, "KRW")).error().reason, "amount_out_of_range") << amount;
  }
  for (const char* currency : {"", "won", "KR", "KRWX"}) {
    ExpectInvalid(ParseMoney(MoneyOf(1, currency)), "money.currency");
  }
}

}  // namespace
}  // namespace boxoffice::rpc
