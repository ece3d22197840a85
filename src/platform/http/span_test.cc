// The spans of requests, at both ends.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "platform/http/client_span.h"
#include "platform/http/server_fixture.h"

namespace boxoffice::http {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kSampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr std::string_view kUnsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

class HttpSpanTest : public ::testing::Test {
 protected:
  HttpSpanTest() {
    obs::StartTracing({.ratio = 0, .slow = std::chrono::seconds(600)});
    Router router;
    for (const auto& [path, status] :
         {std::pair{"/v1/shows/{id}", 200}, {"/fails", 503}, {"/healthz", 503}}) {
      router.Add(Method::kGet, path, [this, status = status](Request& request) -> asio::awaitable<Response> {
        traceparent_ = request.traceparent();
        Response response;
        response.status = status;
        co_return response;
      });
    }
    ServerOptions options;
    options.traced_as = "gateway";
    options.untraced = {"/healthz"};
    server_ = std::make_unique<TestServer>(std::move(router), options);
  }
  ~HttpSpanTest() override {
    server_.reset();
    obs::StopTracing();
    (void)Taken();
  }
  static std::vector<obs::Span> Taken() { return obs::ProcessSpans().Take(milliseconds(0), 1); }
  // Until the span of the answer is there: that comes after the answer.
  static std::vector<obs::Span> Await() { return obs::ProcessSpans().Take(std::chrono::seconds(20), 1); }
  std::vector<obs::Span> Get(std::string_view path, std::string_view traceparent) {
    ClientRequest request;
    request.url = server_->Url(path);
    if (!traceparent.empty()) request.headers = {{"traceparent", std::string(traceparent)}};
    EXPECT_TRUE(FetchBlocking(std::move(request)).has_value());
    // Of a next request that has one: whatever the first had is there by then.
    ClientRequest last;
    last.url = server_->Url("/v1/shows/last");
    last.headers = {{"traceparent", std::string(kSampled)}};
    EXPECT_TRUE(FetchBlocking(std::move(last)).has_value());
    std::vector<obs::Span> spans;
    while (spans.empty() || Text(spans.back(), "url.path") != "/v1/shows/last") {
      for (obs::Span& span : Await()) spans.push_back(std::move(span));
    }
    spans.pop_back();
    return spans;
  }
  static std::string Text(const obs::Span& span, std::string_view key) {
    for (const obs::Attribute& attribute : span.attributes) {
      if (attribute.key != key) continue;
      const auto* text = std::get_if<std::string>(&attribute.value);
      return text != nullptr ? *text : fmt::format("{}", std::get<int64_t>(attribute.value));
    }
    return {};
  }

  std::string traceparent_;  // as the last handler saw it
  std::unique_ptr<TestServer> server_;
};

TEST_F(HttpSpanTest, ARequestIsASpanOfItsCallersTraceAndWhatItCallsIsOfThatSpan) {
  ClientRequest request;
  request.url = server_->Url("/v1/shows/7");
  request.headers = {{"traceparent", std::string(kSampled)}};
  EXPECT_TRUE(FetchBlocking(std::move(request)).has_value());
  const std::vector<obs::Span> spans = Await();
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].parent, obs::ParseSpanContext(kSampled).span);
  EXPECT_EQ(obs::ToTraceparent(spans[0].context), traceparent_);
  EXPECT_EQ(spans[0].name, "GET /v1/shows/{id}");
  EXPECT_EQ(spans[0].service, "gateway");
  EXPECT_EQ(Text(spans[0], "http.request.method"), "GET");
  EXPECT_EQ(Text(spans[0], "http.response.status_code"), "200");
  EXPECT_EQ(Text(spans[0], "url.path"), "/v1/shows/7");
}

TEST_F(HttpSpanTest, OfATraceThatIsNotSampledOnlyFailuresAreKept) {
  EXPECT_TRUE(Get("/v1/shows/7", kUnsampled).empty());
  EXPECT_TRUE(Get("/v1/shows/7", "").empty());
  EXPECT_TRUE(Get("/nowhere", kUnsampled).empty());
  const std::vector<obs::Span> failed = Get("/fails", kUnsampled);
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_TRUE(failed[0].failed);
  EXPECT_EQ(Text(failed[0], "error.type"), "503");
  EXPECT_EQ(Text(failed[0], "boxoffice.kept"), "error");
}

TEST_F(HttpSpanTest, WhatProbesAskHasNoSpan) { EXPECT_TRUE(Get("/healthz", kSampled).empty()); }

TEST_F(HttpSpanTest, ARequestOfOursCarriesItsOwnSpanAndTellsNoSecretOfItsUrl) {
  ClientRequest request;
  request.method = "POST";
  request.url = "https://platform.example/hook?token=secret#secret";
  request.headers = {{"traceparent", std::string(kUnsampled)}};
  ClientSpan span("relay", request);
  const obs::SpanContext sent = obs::ParseSpanContext(request.headers[0].second);
  EXPECT_NE(sent.span, obs::ParseSpanContext(kUnsampled).span);
  ClientResponse response;
  response.status = 500;
  span.End(response);
  const std::vector<obs::Span> spans = Taken();
  ASSERT_EQ(spans.size(), 1U) << "an error is kept";
  EXPECT_EQ(spans[0].context, sent);
  EXPECT_EQ(spans[0].parent, obs::ParseSpanContext(kUnsampled).span);
  EXPECT_EQ(Text(spans[0], "url.full"), "https://platform.example/hook");
  EXPECT_EQ(Text(spans[0], "server.address"), "platform.example");
  EXPECT_EQ(Text(spans[0], "server.port"), "443");
  EXPECT_EQ(Text(spans[0], "error.type"), "500");

  request.url = "https://user:secret@platform.example/hook";
  ClientSpan("relay", request).End(Fail(Code::kInvalidArgument, "url_malformed"));
  const std::vector<obs::Span> of_user = Taken();
  ASSERT_EQ(of_user.size(), 1U);
  for (const obs::Attribute& attribute : of_user[0].attributes)
    EXPECT_THAT(Text(of_user[0], attribute.key), Not(HasSubstr("secret"))) << attribute.key;
}

}  // namespace
}  // namespace boxoffice::http
