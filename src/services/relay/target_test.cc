#include "services/relay/target.h"

#include <limits>

#include <gmock/gmock.h>

namespace boxoffice::relay {
namespace {

using testing::ElementsAre;

std::string WhyNot(std::string_view url) {
  const Result<void> checked = CheckUrl(url);
  return checked ? "" : checked.error().detail;
}

TEST(TargetTest, HttpAndHttpsUrlsAreTaken) {
  EXPECT_TRUE(CheckUrl("https://data.example/hooks/1?a=b"));
  EXPECT_TRUE(CheckUrl("http://127.0.0.1:8081"));
  EXPECT_TRUE(CheckUrl("http://[::1]:8081/x"));
  EXPECT_TRUE(CheckUrl("http://[::1]/x:y"));
}

TEST(TargetTest, OtherSchemesAreRefused) {
  EXPECT_THAT(WhyNot("ftp://example"), testing::HasSubstr("http"));
  EXPECT_THAT(WhyNot("file:///etc/passwd"), testing::HasSubstr("http"));
  EXPECT_THAT(WhyNot(""), testing::HasSubstr("http"));
}

TEST(TargetTest, CredentialsAreRefused) {
  EXPECT_THAT(WhyNot("https://user:secret@example/"), testing::HasSubstr("credentials"));
  EXPECT_TRUE(CheckUrl("https://example/a@b"));
}

TEST(TargetTest, AUrlOver2048BytesIsRefused) {
  const std::string base = "https://example/";
  EXPECT_TRUE(CheckUrl(base + std::string(2048 - base.size(), 'x')));
  EXPECT_THAT(WhyNot(base + std::string(2049 - base.size(), 'x')), testing::HasSubstr("2048"));
}

TEST(TargetTest, AUrlThatWouldBreakTheRequestIsRefused) {
  for (const char* url : {"http://a b/", "http://a/\r\nX: y", "http://a/\xc3\xa9"})
    EXPECT_FALSE(CheckUrl(url)) << url;
  EXPECT_FALSE(CheckUrl(std::string_view("http://a/\0", 10)));
}

TEST(TargetTest, AUrlWithoutHostOrWithABadPortOrAFragmentIsRefused) {
  for (const char* url : {"http://", "http:///x", "http://:80/", "http://a:0/", "http://a:65536/",
                          "http://a:x/", "http://a:/", "http://a/#b"}) {
    EXPECT_FALSE(CheckUrl(url)) << url;
  }
}

TEST(TargetTest, AHostThatIsAnAddressInAnOddFormIsRefused) {
  for (const char* url : {"http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://127.1:80/",
                          "https://0x7f000001", "http://1.2.3.4.5/", "http://a.0x10/"}) {
    EXPECT_FALSE(CheckUrl(url)) << url;
  }
  for (const char* url :
       {"http://127.0.0.1/", "https://1.example/", "https://0x.example", "http://[::1]:80/", "http://a1/"}) {
    EXPECT_TRUE(CheckUrl(url)) << url;
  }
}

TEST(TargetTest, AnUnknownEventTypeIsRefusedByName) {
  const auto checked = CheckEventTypes({"seat.held", "seat.eaten"});
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error().detail, testing::HasSubstr("seat.eaten"));
}

TEST(TargetTest, EventTypesAreSortedAndEachOnce) {
  EXPECT_THAT(CheckEventTypes({"seat.sold", "seat.held", "seat.sold"}).value(),
              ElementsAre("seat.held", "seat.sold"));
}

TEST(TargetTest, ATargetGetsTheTypesThatItAskedForOrAll) {
  const Timestamp now = FromUnixMs(1000);
  Target target{.event_types = {"seat.held"}, .created_at = now};
  EXPECT_TRUE(Matches(target, "seat.held", 7, now));
  EXPECT_FALSE(Matches(target, "seat.sold", 7, now));
  target.event_types.clear();
  EXPECT_TRUE(Matches(target, "seat.sold", 7, now));
}

TEST(TargetTest, ATargetGetsNothingThatHappenedBeforeItWasMade) {
  const Target target{.created_at = FromUnixMs(1000)};
  EXPECT_FALSE(Matches(target, "seat.held", 7, FromUnixMs(999)));
}

TEST(TargetTest, ADisabledOrDeletedTargetGetsNothing) {
  EXPECT_FALSE(Matches({.enabled = false}, "seat.held", 7, FromUnixMs(1)));
  EXPECT_FALSE(Matches({.deleted = true}, "seat.held", 7, FromUnixMs(1)));
}

TEST(TargetTest, ATargetGetsTheShowsThatItAskedForAndNothingThatNamesNone) {
  const Timestamp now = FromUnixMs(1000);
  const Target target{.show_ids = {7, 9}};
  EXPECT_TRUE(Matches(target, "seat.held", 7, now));
  EXPECT_TRUE(Matches(target, "reservation.confirmed", 9, now));
  EXPECT_FALSE(Matches(target, "seat.held", 8, now));
  EXPECT_FALSE(Matches(target, "wallet.charged", 0, now));
  EXPECT_FALSE(Wants(target, "payment.approved"));
}

std::string WhyNotChosen(Target target, const AddressPolicy& addresses = {}) {
  if (target.url.empty()) target.url = "http://example/";
  const Result<void> checked = CheckChoices(target, addresses);
  return checked ? "" : checked.error().detail;
}

TEST(TargetTest, ShowsWithATypeThatNamesNoneAreRefused) {
  EXPECT_THAT(WhyNotChosen({.event_types = {"wallet.charged"}, .show_ids = {7}}),
              testing::StartsWith("event_types: wallet.charged"));
  EXPECT_EQ(WhyNotChosen({.event_types = {"wallet.charged"}}), "");
  EXPECT_THAT(WhyNotChosen({.show_ids = {0}}), testing::StartsWith("show_ids"));
  EXPECT_THAT(WhyNotChosen({.show_ids = std::vector<int64_t>(1'000, 7)}), "") << "each counts once";
}

TEST(TargetTest, ARateOutOfRangeIsRefused) {
  for (const double rate : {-1.0, 0.01, 1'001.0, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THAT(WhyNotChosen({.rate_per_s = rate}), testing::StartsWith("rate_per_s")) << rate;
  }
  EXPECT_EQ(WhyNotChosen({.rate_per_s = 0.1}), "");
}

TEST(TargetTest, AnAddressThatIsNotPublicIsRefusedUnlessItsNetworkIsAllowed) {
  for (const char* url :
       {"http://127.0.0.1/", "https://10.0.0.1:8443/x", "http://[::1]:80/", "http://[fe80::1]"}) {
    EXPECT_THAT(WhyNotChosen({.url = url}), testing::StartsWith("url: ")) << url;
  }
  EXPECT_EQ(WhyNotChosen({.url = "http://127.0.0.1/"}, AddressPolicy(ParseNetworks("127.0.0.1").value())),
            "");
  EXPECT_EQ(WhyNotChosen({.url = "http://8.8.8.8/"}), "");
}

TEST(TargetTest, AChangeLeavesWhatIsNotGiven) {
  const Target before{.url = "http://a/", .event_types = {"seat.held"}, .rate_per_s = 2, .enabled = true};
  const Target after = Change(before, {.payload = Payload::kFull}, {}).value();
  EXPECT_EQ(after.event_types, before.event_types);
  EXPECT_EQ(after.rate_per_s, 2);
  EXPECT_EQ(after.payload, Payload::kFull);
  const Target off = Change(before, {.enabled = false}, {}).value();
  EXPECT_EQ(off.disabled_reason, "by an operator");
  EXPECT_EQ(Change(off, {.enabled = true}, {})->disabled_reason, "");
  EXPECT_FALSE(Change(before, {.url = "ftp://a/"}, {}));
}

TEST(TargetTest, TheSecretBeforeCountsForAsLongAsItIsKept) {
  const Timestamp now = FromUnixMs(1000);
  const Target first = Rotate({.secret = "a"}, "r1", "b", std::chrono::hours(1), now);
  EXPECT_EQ(first.secret, "b");
  EXPECT_EQ(first.old_secret, "a");
  EXPECT_EQ(first.old_secret_until, now + std::chrono::hours(1));
  const Target second = Rotate(first, "r2", "c", std::chrono::hours(1), now);
  EXPECT_EQ(second.old_secret, "b") << "the one before that counts no more";
  EXPECT_EQ(Rotate(first, "r2", "c", milliseconds(0), now).old_secret, "");
}

}  // namespace
}  // namespace boxoffice::relay
