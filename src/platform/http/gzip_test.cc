#include "platform/http/gzip.h"

#include <gtest/gtest.h>

namespace boxoffice::http {
namespace {

TEST(GzipTest, WhoTakesGzipIsToldByNameOrByAStar) {
  for (const char* header : {"gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8", "*", "identity, *;q=0.1",
                             " gzip ", "GZIP", "X-Gzip"}) {
    EXPECT_TRUE(AcceptsCoding(header, "gzip")) << header;
  }
  for (const char* header : {"", "br", "identity", "gzip;q=0", "gzip; q=0.000", "Gzip;q=0", "gzip;Q=0",
                             "*;q=0", "gzip;q=0, *", "gzipped"}) {
    EXPECT_FALSE(AcceptsCoding(header, "gzip")) << header;
  }
}

TEST(GzipTest, WhatIsCompressedIsReadAsItWas) {
  for (const std::string& text :
       {std::string(), std::string("a"), std::string(1 << 20, 'x'), std::string("\0\xff", 2)}) {
    const std::string bytes = Gzip(text);
    EXPECT_EQ(Gunzip(bytes, text.size() + 1), text);
  }
  EXPECT_LT(Gzip(std::string(1 << 20, 'x')).size(), 10'000U);
}

TEST(GzipTest, WhoKeepsWhatIsCompressedKeepsNoMoreThanItsBytes) {
  EXPECT_LT(Gzip(std::string(1 << 20, 'x')).capacity(), 10'000U);
}

TEST(GzipTest, WhatIsReadTakesNoMoreRoomThanItNeedsHoweverMuchItMayTake) {
  EXPECT_LT(Gunzip(Gzip("hello"), 16 << 20).capacity(), 10'000U);
}

TEST(GzipTest, WhatIsNoGzipOrTooLargeIsNothing) {
  EXPECT_EQ(Gunzip("hello", 100), "");
  EXPECT_EQ(Gunzip(Gzip("hello"), 4), "");
}

}  // namespace
}  // namespace boxoffice::http
