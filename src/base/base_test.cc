#include <cerrno>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <pthread.h>
#include <sched.h>

#include "base/big_endian.h"
#include "base/burst.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/host_port.h"
#include "base/id.h"
#include "base/money.h"
#include "base/result.h"
#include "base/scheduling.h"
#include "base/shared.h"
#include "base/sort_unique.h"
#include "base/sync_folder.h"
#include "base/text.h"

namespace boxoffice {
namespace {

TEST(BigEndianTest, TheMostSignificantByteComesFirstAndNumbersComeBack) {
  std::string bytes;
  AppendBigEndian(bytes, int32_t{-2});
  AppendBigEndian<uint64_t, 6>(bytes, 0xffff010203040506);  // the lowest six
  AppendBigEndian(bytes, uint8_t{7});
  EXPECT_EQ(bytes, (std::string{"\xff\xff\xff\xfe\x01\x02\x03\x04\x05\x06\x07"}));
  const std::string_view all = bytes;
  EXPECT_EQ(ReadBigEndian<int32_t>(all), -2);
  EXPECT_EQ((ReadBigEndian<uint64_t, 6>(all.substr(4))), 0x010203040506);
  EXPECT_EQ(ReadBigEndian<uint8_t>(all.substr(10)), 7);
}

TEST(ParseHostPortTest, TakesNamesAndIpv6InBracketsAndNothingWithoutAPort) {
  EXPECT_EQ(ParseHostPort("seat.internal:9001")->host, "seat.internal");
  const auto parsed = ParseHostPort("[::1]:80");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->host, "::1");
  EXPECT_EQ(parsed->port, 80);
  for (const char* wrong : {"", "9001", ":9001", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:x"})
    EXPECT_EQ(ParseHostPort(wrong).error().reason, "address_invalid") << wrong;
}

TEST(UuidTest, Version7CarriesItsTimeAndRoundTrips) {
  SeededRandom random(1);
  const Timestamp now = FromUnixMs(1'790'000'000'123);
  const Uuid uuid = Uuid::MakeV7(now, random);
  EXPECT_EQ(uuid.Time(), now);
  const std::string text = uuid.ToString();
  EXPECT_EQ(text[14], '7');
  EXPECT_THAT(std::string("89ab"), testing::HasSubstr(text.substr(19, 1)));
  EXPECT_EQ(Uuid::Parse(text), uuid);
  EXPECT_EQ(Uuid::FromBytes(uuid.bytes()), uuid);
}

TEST(UuidTest, LaterIsGreater) {
  SeededRandom random(1);
  EXPECT_LT(Uuid::MakeV7(FromUnixMs(1000), random), Uuid::MakeV7(FromUnixMs(1001), random));
}

TEST(UuidTest, RefusesWhatIsNoUuid) {
  EXPECT_FALSE(Uuid::Parse(""));
  EXPECT_FALSE(Uuid::Parse("01890a5d-ac96-774b-bcce-b302099a805"));
  EXPECT_FALSE(Uuid::Parse("01890a5d+ac96-774b-bcce-b302099a8057"));
  EXPECT_FALSE(Uuid::Parse("01890a5g-ac96-774b-bcce-b302099a8057"));
  EXPECT_FALSE(Uuid::FromBytes("short"));
}

TEST(SharedTest, WhoChangesItDoesNotChangeOthersCopies) {
  Shared<std::string> one = std::string("a value");
  const Shared<std::string> other = one;
  EXPECT_EQ(&*one, &*other) << "nothing is copied as long as nobody changes it";
  one.Own() += " that is longer";
  EXPECT_EQ(*one, "a value that is longer");
  EXPECT_EQ(*other, "a value");
  EXPECT_NE(one, other);
}

TEST(SharedTest, WhoHasItAloneChangesItInPlace) {
  Shared<std::string> one = std::string("a value");
  const std::string* const place = &*one;
  Shared<std::string> moved = std::move(one);
  moved.Own() = "another";
  {
    const Shared<std::string> gone = moved;
  }
  moved.Own() = "a third";
  EXPECT_EQ(&*moved, place);
  one = moved;
  EXPECT_EQ(*one, "a third");
}

TEST(BurstTest, WorkWaitsForTheEndOfTheOutermostInOrder) {
  std::vector<int> ran;
  {
    const Burst burst;
    Burst::AtEnd([&] { ran.push_back(1); });
    {
      const Burst inner;
      Burst::AtEnd([&] { ran.push_back(2); });
    }
    EXPECT_TRUE(ran.empty());
  }
  EXPECT_THAT(ran, testing::ElementsAre(1, 2));
}

TEST(BurstTest, OutsideOfOneAndAtItsEndWorkRunsAtOnce) {
  std::vector<int> ran;
  Burst::AtEnd([&] { ran.push_back(1); });
  EXPECT_THAT(ran, testing::ElementsAre(1));
  {
    const Burst burst;
    Burst::AtEnd([&] {
      Burst::AtEnd([&] { ran.push_back(2); });
      ran.push_back(3);
    });
  }
  EXPECT_THAT(ran, testing::ElementsAre(1, 2, 3));
}

TEST(BurstTest, IsOfItsThread) {
  const Burst burst;
  bool ran = false;
  std::thread([&] { Burst::AtEnd([&] { ran = true; }); }).join();
  EXPECT_TRUE(ran);
}

TEST(BytesTest, AByteOfTheKindIsFoundWhereverItIs) {
  const auto control_or_quote = [](uint64_t word) { return AnyBelow(word, ' ') | AnyEqual(word, '"'); };
  for (size_t size = 0; size < 20; ++size) {
    const std::string text(size, 'a');
    EXPECT_FALSE(AnyByte(text, 'a', control_or_quote)) << size;
    for (size_t at = 0; at < size; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string other = text;
        other[at] = static_cast<char>(byte);
        EXPECT_EQ(AnyByte(other, 'a', control_or_quote), byte < ' ' || byte == '"') << size << ' ' << at;
      }
    }
  }
}

TEST(SchedulingTest, WhoWakesInTurnPassesItOnUntilSomebodyWakesAtOnce) {
  const auto policy = [] {
    int policy = -1;
    sched_param parameters{};
    pthread_getschedparam(pthread_self(), &policy, &parameters);
    return policy;
  };
  std::thread([&] {
    WakeInTurn();
    EXPECT_EQ(policy(), SCHED_BATCH);
    std::thread([&] {
      EXPECT_EQ(policy(), SCHED_BATCH);
      WakeAtOnce();
      EXPECT_EQ(policy(), SCHED_OTHER);
    }).join();
    EXPECT_EQ(policy(), SCHED_BATCH);
  }).join();
}

TEST(MoneyTest, CurrencyIsThreeUpperCaseLetters) {
  EXPECT_EQ(Currency::Parse("KRW")->code(), "KRW");
  EXPECT_FALSE(Currency::Parse("krw"));
  EXPECT_FALSE(Currency::Parse("KR"));
  EXPECT_FALSE(Currency::Parse("KRWX"));
}

TEST(ClockTest, WritesRfc3339InUtcWithMilliseconds) {
  EXPECT_EQ(ToRfc3339(FromUnixMs(1'790'000'000'007)), "2026-09-21T14:13:20.007Z");
  EXPECT_EQ(ToRfc3339(FromUnixMs(0)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(ToRfc3339(FromUnixMs(1'709'251'199'999)), "2024-02-29T23:59:59.999Z");
  EXPECT_EQ(ToRfc3339(FromUnixMs(253'402'300'799'999)), "9999-12-31T23:59:59.999Z");
  EXPECT_TRUE(HasRfc3339(FromUnixMs(253'402'300'799'999)));
  EXPECT_FALSE(HasRfc3339(FromUnixMs(253'402'300'800'000))) << "the year 10000";
  EXPECT_EQ(ToRfc3339(FromUnixMs(-62'167'219'200'000)), "0000-01-01T00:00:00.000Z");
  EXPECT_TRUE(HasRfc3339(FromUnixMs(-62'167'219'200'000)));
  EXPECT_FALSE(HasRfc3339(FromUnixMs(-62'167'219'200'001))) << "the year -1";
}

Result<int> Half(int n) {
  if (n % 2 != 0) return Fail(Code::kInvalidArgument, "odd", "an even number is needed");
  return n / 2;
}
Result<int> Quarter(int n) {
  BOXOFFICE_ASSIGN(const int half, Half(n));
  BOXOFFICE_TRY(Half(half));
  return half / 2;
}

TEST(ResultTest, MacrosPassTheFirstErrorOn) {
  EXPECT_EQ(Quarter(8), 2);
  EXPECT_EQ(Quarter(6).error().reason, "odd");
  EXPECT_EQ(Quarter(5).error().code, Code::kInvalidArgument);
}

TEST(Text, TrimTakesBlanksFromBothEndsAndNoneFromTheMiddle) {
  EXPECT_EQ(Trim(" \ta b\t "), "a b");
  EXPECT_EQ(Trim("a\r"), "a\r");
  EXPECT_EQ(Trim("a\r", " \r"), "a");
  EXPECT_EQ(Trim(" \t"), "");
  EXPECT_EQ(Trim(""), "");
}

TEST(Text, VisibleIsAsciiWithoutBlanksAndControls) {
  EXPECT_TRUE(IsVisible("!key-1~"));
  EXPECT_TRUE(IsVisible(""));
  for (const std::string_view text : {"a b", "a\n", "a\x7f", "\xc3\xa9"})
    EXPECT_FALSE(IsVisible(text)) << text;
}

TEST(Text, ControlCharactersAreFoundAndOtherLettersAreNot) {
  EXPECT_FALSE(HasControl("여름 · Zwölf\xc2\xa0é"));
  for (const std::string_view text : {"a\nb", "a\x1b[2J", "\t", "a\x7f", "a\xc2\x9b", "\xc2\x80"}) {
    EXPECT_TRUE(HasControl(text)) << text;
  }
  EXPECT_TRUE(HasControl(std::string_view("a\0b", 3)));
  EXPECT_EQ(FindControl("a\nb\nc", 2), 3U);
}

TEST(Text, ANumberIsAllOfTheTextOrNothing) {
  EXPECT_EQ(ParseNumber<int>("0"), 0);
  EXPECT_EQ(ParseNumber<int>("-007"), -7);
  EXPECT_EQ(ParseNumber<uint16_t>("65535"), 65535);
  EXPECT_EQ(ParseNumber<int64_t>("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(ParseNumber<double>("-1.5e1"), -15.0);
  for (const char* text : {"", "-", "+1", " 1", "1 ", "1x", "1.0", "0x1", "2147483648"}) {
    EXPECT_EQ(ParseNumber<int>(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseNumber<uint16_t>("65536"), std::nullopt);
  EXPECT_EQ(ParseNumber<uint16_t>("-1"), std::nullopt);
  EXPECT_EQ(ParseNumber<double>("1.5 "), std::nullopt);
}

TEST(Text, PercentDecodingTakesTwoHexadecimalDigitsOrNothing) {
  EXPECT_EQ(PercentDecodeBytes(""), "");
  EXPECT_EQ(PercentDecodeBytes("a+b"), "a+b");
  EXPECT_EQ(PercentDecodeBytes("%41%3a%3Ab%ff%25"), "A::b\xff%");
  for (const char* text : {"%", "a%4", "%%41", "%g1", "%1g", "%-1", "% 1"}) {
    EXPECT_EQ(PercentDecodeBytes(text), std::nullopt) << text;
  }
}

TEST(Text, AHashIsTheSameInEveryProgramAndGoesOn) {
  EXPECT_EQ(Fnv1a(""), 0xcbf29ce484222325);
  EXPECT_EQ(Fnv1a("foobar"), 0x85944171f73967e8);
  EXPECT_EQ(Fnv1a("bar", Fnv1a("foo")), Fnv1a("foobar"));
}

TEST(SyncFolderTest, SaysWhyItCanNot) {
  EXPECT_TRUE(SyncFolder("/tmp"));
  EXPECT_FALSE(SyncFolder("/no/such/folder"));
  EXPECT_EQ(errno, ENOENT);
}

TEST(SortUniqueTest, SortsAndKeepsEachOnce) {
  std::vector<int> numbers{3, 1, 3, 2, 1};
  SortUnique(numbers);
  EXPECT_THAT(numbers, testing::ElementsAre(1, 2, 3));
}

}  // namespace
}  // namespace boxoffice
