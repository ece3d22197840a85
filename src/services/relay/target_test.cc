#include "services/relay/target.h"

#include <limits>

#include <gmock/gmock.h>

#include "platform/http/client.h"

namespace boxoffice::relay {
namespace {

using testing::ElementsAre;
using Types = std::vector<std::string>;
using Shows = std::vector<int64_t>;

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

TEST(TargetTest, AHostWithColonsOrBracketsIsAnAddressInBracketsOrRefused) {
  for (const char* url :
       {"http://2606:4700::1111/x", "http://fe80::abcd/", "http://host.example:80:90/x", "http://[::1",
        "http://[::1/x", "http://::1]/", "http://[::1]x/", "http://[::1]x:80/", "http://[::1]:80]/",
        "http://[host.example]/", "http://[]/", "http://[fe80::1%25eth0]/", "http://a]:80/"}) {
    EXPECT_THAT(WhyNot(url), testing::HasSubstr("http://[2001:db8::1]:8080/")) << url;
  }
}

TEST(TargetTest, AUrlThatIsTakenCanBeSentTo) {
  for (const char* url : {"https://data.example/hooks/1?a=b", "http://[2606:4700::1111]/x", "http://[::1]:81",
                          "http://8.8.8.8:65535?x", "http://a/:80:90/[x]"}) {
    EXPECT_TRUE(CheckUrl(url)) << url;
    EXPECT_TRUE(http::IsUrl(url)) << url;
  }
}

TEST(TargetTest, AHostThatCanBeNoNameIsRefused) {
  const std::string longest = std::string(63, 'a');
  const std::string name = longest + "." + longest + "." + longest + "." + std::string(61, 'a');
  for (const std::string& url :
       {std::string("http://a..b/"), std::string("http://.a/"), std::string("http://./"),
        std::string("http://a../"), "http://a" + longest + "/", "http://" + name + "a/"}) {
    EXPECT_THAT(WhyNot(url), testing::HasSubstr("no name")) << url;
  }
  for (const std::string& url : {std::string("http://a./"), std::string("http://data_1.example/"),
                                 "http://" + longest + ".example/", "http://" + name + "./"}) {
    EXPECT_TRUE(CheckUrl(url)) << url;
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
  const Target after = Change(before, {.payload = Payload::kFull}, {}, FromUnixMs(1)).value();
  EXPECT_EQ(after.event_types, before.event_types);
  EXPECT_EQ(after.rate_per_s, 2);
  EXPECT_EQ(after.payload, Payload::kFull);
  EXPECT_EQ(after.wants_since, before.wants_since);
  EXPECT_TRUE(after.past_filters.empty());
  const Target off = Change(before, {.enabled = false}, {}, FromUnixMs(1)).value();
  EXPECT_EQ(off.disabled_reason, "by an operator, " + ToRfc3339(FromUnixMs(1)));
  EXPECT_EQ(Change(off, {.enabled = true}, {}, FromUnixMs(1))->disabled_reason, "");
  EXPECT_FALSE(Change(before, {.url = "ftp://a/"}, {}, FromUnixMs(1)));
}

TEST(TargetTest, ATargetWhoseUrlWouldBeRefusedNowCanBeDisabled) {
  const Target before{.url = "http://host.example:80:90/x"};
  EXPECT_FALSE(Change(before, {.enabled = false}, {}, FromUnixMs(1))->enabled);
  EXPECT_FALSE(Change(before, {.payload = Payload::kFull, .enabled = false}, {}, FromUnixMs(1)));
  const Target off{.url = before.url, .enabled = false};
  EXPECT_FALSE(Change(off, {.enabled = true}, {}, FromUnixMs(1)));
}

TEST(TargetTest, ATargetGetsNothingThatHappenedBeforeItWasEnabledAgain) {
  const Timestamp at = FromUnixMs(1000);
  Target target{.url = "http://a/", .created_at = FromUnixMs(1)};
  target = Change(target, {.enabled = false}, {}, at - milliseconds(500)).value();
  target = Change(target, {.enabled = true}, {}, at).value();
  EXPECT_FALSE(Matches(target, "seat.held", 7, at - milliseconds(1)));
  EXPECT_TRUE(Matches(target, "seat.held", 7, at));
  target = Change(target, {.enabled = true}, {}, at + milliseconds(500)).value();
  EXPECT_TRUE(Matches(target, "seat.held", 7, at)) << "it was enabled";
}

TEST(TargetTest, AWiderFilterSendsNothingThatHappenedBeforeIt) {
  const Timestamp at = FromUnixMs(1000);
  const Timestamp before = at - milliseconds(1);
  const Target narrow{.url = "http://a/", .event_types = {"seat.held"}, .show_ids = {7}};
  const Target more_types = Change(narrow, {.event_types = Types{"seat.held", "seat.sold"}}, {}, at).value();
  EXPECT_FALSE(Matches(more_types, "seat.sold", 7, before));
  EXPECT_TRUE(Matches(more_types, "seat.sold", 7, at));
  const Target more_shows = Change(narrow, {.show_ids = Shows{7, 8}}, {}, at).value();
  EXPECT_FALSE(Matches(more_shows, "seat.held", 8, before));
  EXPECT_TRUE(Matches(more_shows, "seat.held", 8, at));
  const Target all = Change(narrow, {.event_types = Types(), .show_ids = Shows()}, {}, at).value();
  EXPECT_FALSE(Matches(all, "wallet.charged", 0, before));
  EXPECT_TRUE(Matches(all, "wallet.charged", 0, at));
}

TEST(TargetTest, WhatWasUnderWayWhileTheFilterWasChangedIsSentIfItWasWantedBeforeAndAfter) {
  const auto ms = [](int64_t time) { return FromUnixMs(time); };
  Target target{.url = "http://a/", .event_types = {"seat.held", "seat.sold"}};
  target = Change(target, {.event_types = Types{"seat.held"}}, {}, ms(1000)).value();
  EXPECT_TRUE(Matches(target, "seat.held", 7, ms(999)));
  EXPECT_FALSE(Matches(target, "seat.sold", 7, ms(999)));
  target = Change(target, {.event_types = Types{"seat.held", "seat.sold"}}, {}, ms(2000)).value();
  EXPECT_TRUE(Matches(target, "seat.sold", 7, ms(999))) << "by the filter of that time";
  EXPECT_FALSE(Matches(target, "seat.sold", 7, ms(1000)));
  EXPECT_TRUE(Matches(target, "seat.held", 7, ms(1000)));
  EXPECT_TRUE(Matches(target, "seat.sold", 7, ms(2000)));
}

TEST(TargetTest, OfManyChangesOfTheFilterTheOldestCountAsOneByWhichIsWantedWhatAllNamed) {
  Target target{.url = "http://a/", .event_types = {"seat.held", "seat.sold"}, .show_ids = {7, 8}};
  constexpr int64_t kChanges = kMaxPastFilters + 3;
  for (int64_t i = 1; i < kChanges; ++i) {
    const Types types = i % 2 == 1 ? Types{"seat.held"} : Types{"seat.held", "seat.sold"};
    const TargetChange change{.event_types = types, .show_ids = Shows{7, 100 + i}};
    target = Change(target, change, {}, FromUnixMs(i * 1000)).value();
  }
  const TargetChange all{.event_types = Types(), .show_ids = Shows()};
  target = Change(target, all, {}, FromUnixMs(kChanges * 1000)).value();
  EXPECT_EQ(target.past_filters.size(), kMaxPastFilters);
  for (int64_t ms = 500; ms < kChanges * 1000; ms += 1000) {
    EXPECT_TRUE(Matches(target, "seat.held", 7, FromUnixMs(ms))) << "all named it; at " << ms;
    EXPECT_FALSE(Matches(target, "seat.held", 99, FromUnixMs(ms))) << "none named it; at " << ms;
    EXPECT_FALSE(Matches(target, "wallet.charged", 0, FromUnixMs(ms)));
  }
  EXPECT_FALSE(Matches(target, "seat.sold", 7, FromUnixMs(1500))) << "of a type that was not named then";
  EXPECT_TRUE(Matches(target, "wallet.charged", 0, FromUnixMs(kChanges * 1000)));
}

TEST(TargetTest, OfManyChangesThatHadNothingInCommonTheOldestIsForgottenWithWhatHappenedUnderIt) {
  Target target{.url = "http://a/", .show_ids = {7}};
  constexpr int64_t kChanges = kMaxPastFilters + 1;
  for (int64_t i = 1; i <= kChanges; ++i) {
    const Shows shows = i == kChanges ? Shows() : Shows{100 + i};
    target = Change(target, {.show_ids = shows}, {}, FromUnixMs(i * 1000)).value();
  }
  EXPECT_EQ(target.past_filters.size(), kMaxPastFilters);
  EXPECT_FALSE(Matches(target, "seat.held", 7, FromUnixMs(999)));
  EXPECT_TRUE(Matches(target, "seat.held", 101, FromUnixMs(1000)));
  EXPECT_FALSE(Matches(target, "seat.held", 102, FromUnixMs(1000)));
}

TEST(TargetTest, PastFiltersAreSplitAsTheyWereJoined) {
  const std::vector<PastFilter> filters = {
      {FromUnixMs(1), {}, {}}, {FromUnixMs(2), {"seat.held", "seat.sold"}, {7, 9}}, {FromUnixMs(3), {}, {7}}};
  EXPECT_EQ(SplitPastFilters(JoinPastFilters(filters)), filters);
  EXPECT_EQ(JoinPastFilters({}), "");
  EXPECT_TRUE(SplitPastFilters("").empty());
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
