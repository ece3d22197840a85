#include "rehearsal/response_scan.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace boxoffice::rehearsal {
namespace {

const std::string kResponse =
    "HTTP/1.1 201 Created\r\nDate: x\r\ncontent-LENGTH: 4\r\nLocation: /a\r\n\r\nbody";

TEST(ScanResponseTest, ReadsAResponseAndLeavesTheNext) {
  ScannedResponse response;
  const std::string bytes = kResponse + "HTTP/1.1 200";
  ASSERT_EQ(ScanResponse(bytes, response), Scan::kDone);
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.body, "body");
  EXPECT_EQ(response.size, kResponse.size());
  EXPECT_FALSE(response.close);
}

TEST(ScanResponseTest, EveryPrefixNeedsMore) {
  ScannedResponse response;
  for (size_t size = 0; size < kResponse.size(); ++size)
    EXPECT_EQ(ScanResponse(kResponse.substr(0, size), response), Scan::kMore) << size;
}

TEST(ScanResponseTest, WithoutLengthThereIsNoBody) {
  ScannedResponse response;
  ASSERT_EQ(ScanResponse("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", response), Scan::kDone);
  EXPECT_EQ(response.body, "");
  EXPECT_TRUE(response.close);
}

TEST(ScanResponseTest, WhatItDoesNotUnderstandIsMalformed) {
  ScannedResponse response;
  EXPECT_EQ(ScanResponse("SSH-2.0\r\n\r\n", response), Scan::kMalformed);
  EXPECT_EQ(ScanResponse("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", response), Scan::kMalformed);
  EXPECT_EQ(ScanResponse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", response),
            Scan::kMalformed);
}

TEST(FindJsonTextTest, FindsTheMemberNotTheWord) {
  EXPECT_EQ(FindJsonText(R"({"a":"state","state": "CONFIRMED","b":1})", "state"), "CONFIRMED");
  EXPECT_EQ(FindJsonText(R"({"estate":"x","id":"7"})", "state"), "");
  EXPECT_EQ(FindJsonText(R"({"id":7})", "id"), "");
  EXPECT_EQ(FindJsonText("", "id"), "");
}

TEST(FindJsonTextTest, FindsNumbers) {
  EXPECT_EQ(FindJsonInteger(R"({"n": 12,"m":-3})", "n", 0), 12);
  EXPECT_EQ(FindJsonInteger(R"({"n": 12,"m":-3})", "m", 0), -3);
  EXPECT_EQ(FindJsonInteger(R"({"n":"12"})", "n", -1), -1);
  EXPECT_EQ(FindJsonInteger("{}", "n", -1), -1);
  EXPECT_DOUBLE_EQ(FindJsonNumber(R"({"r":2.5E1})", "r", 0), 25);
}

TEST(ScanResponseTest, ReadsWhenToAskAgainAndTheTag) {
  ScannedResponse response;
  ASSERT_EQ(ScanResponse("HTTP/1.1 503 x\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", response),
            Scan::kDone);
  EXPECT_EQ(response.retry_after_s, 7);
  ASSERT_EQ(ScanResponse("HTTP/1.1 304 x\r\nETag: \"5\"\r\nContent-Length: 9\r\n\r\n", response),
            Scan::kDone);
  EXPECT_EQ(response.etag, "\"5\"");
  EXPECT_EQ(response.body, "");
  EXPECT_EQ(response.retry_after_s, 0);
}

}  // namespace
}  // namespace boxoffice::rehearsal
