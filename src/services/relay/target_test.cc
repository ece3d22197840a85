#include "services/relay/target.h"

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
  EXPECT_TRUE(Matches(target, "seat.held", now));
  EXPECT_FALSE(Matches(target, "seat.sold", now));
  target.event_types.clear();
  EXPECT_TRUE(Matches(target, "seat.sold", now));
}

TEST(TargetTest, ATargetGetsNothingThatHappenedBeforeItWasMade) {
  const Target target{.created_at = FromUnixMs(1000)};
  EXPECT_FALSE(Matches(target, "seat.held", FromUnixMs(999)));
}

TEST(TargetTest, ADisabledOrDeletedTargetGetsNothing) {
  EXPECT_FALSE(Matches({.enabled = false}, "seat.held", FromUnixMs(1)));
  EXPECT_FALSE(Matches({.deleted = true}, "seat.held", FromUnixMs(1)));
}

}  // namespace
}  // namespace boxoffice::relay
