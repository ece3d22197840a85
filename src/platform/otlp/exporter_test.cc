#include "platform/otlp/exporter.h"

#include <functional>
#include <map>

#include <gmock/gmock.h>

#include "platform/otlp/collector_for_test.h"
#include "testing/wait.h"

namespace boxoffice::otlp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testbed::Eventually;
using ::testing::HasSubstr;

constexpr std::string_view kSampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

class ExporterTest : public ::testing::Test {
 protected:
  std::unique_ptr<Exporter> Start(TraceConfig config) {
    if (config.endpoint.empty()) config.endpoint = collector_.endpoint();
    config.interval = milliseconds(10);
    auto started = Exporter::Start(config, "postgresql://db/x", "kafka:broker", random_, metrics_);
    EXPECT_TRUE(started.has_value());
    return started ? *std::move(started) : nullptr;
  }
  static obs::Span Ended(std::string name = "x") {
    obs::Span span;
    span.context = obs::ChildOf(obs::ParseSpanContext(kSampled));
    span.parent = obs::ParseSpanContext(kSampled).span;
    span.service = "gateway";
    span.name = std::move(name);
    span.start = obs::SpanNow();
    span.end = span.start + milliseconds(3);
    return span;
  }
  uint64_t Dropped(const std::string& reason) {
    return metrics_.GetCounter("boxoffice_trace_dropped_spans_total", "", {{"reason", reason}}).value();
  }
  uint64_t Exported() { return metrics_.GetCounter("boxoffice_trace_exported_spans_total", "").value(); }

  SeededRandom random_{1};
  obs::Registry metrics_;
  Collector collector_;
};

TEST_F(ExporterTest, ASpanArrivesWithAllThatItSays) {
  const auto exporter = Start({.headers = {"X-Tenant=t=1"}});
  obs::Span span = Ended("GET /x");
  span.kind = obs::SpanKind::kServer;
  span.failed = true;
  span.error = "503";
  span.attributes = {{"http.route", std::string("/x")}, {"http.response.status_code", int64_t{503}}};
  const obs::SpanContext linked = obs::NewTrace();
  span.links = {linked};
  const obs::SpanContext context = span.context;
  obs::Record(std::move(span));
  obs::Span of_other = Ended();
  of_other.service = "seat";
  obs::Record(std::move(of_other));
  ASSERT_TRUE(Eventually([&] { return collector_.Got().size() == 2; }));
  const Seen seen = collector_.Got()[0];
  EXPECT_EQ(fmt::format("00-{}-{}-01", seen.trace, seen.id), obs::ToTraceparent(context));
  EXPECT_EQ(seen.parent, kSampled.substr(36, 16));
  EXPECT_EQ(seen.name, "GET /x");
  EXPECT_EQ(seen.kind, opentelemetry::proto::trace::v1::Span::SPAN_KIND_SERVER);
  EXPECT_EQ(seen.end_ns - seen.start_ns, 3'000'000U);
  EXPECT_TRUE(seen.failed);
  EXPECT_EQ(seen.error, "503");
  EXPECT_EQ(seen.attribute("http.route"), "/x");
  EXPECT_EQ(seen.attribute("http.response.status_code"), "503");
  EXPECT_EQ(seen.links.begin()->first, obs::ToTraceparent(linked).substr(3, 32));
  EXPECT_EQ(seen.service(), "gateway");
  EXPECT_EQ(seen.resource.at("service.namespace"), "boxoffice");
  EXPECT_FALSE(seen.resource.at("service.version").empty());
  EXPECT_EQ(seen.resource.at("service.instance.id").size(), 36U);
  EXPECT_EQ(seen.resource.at("process.pid"), fmt::format("{}", getpid()));
  EXPECT_EQ(collector_.Got()[1].service(), "seat");
  EXPECT_EQ(collector_.last_header("Content-Type"), "application/x-protobuf");
  EXPECT_EQ(collector_.last_header("X-Tenant"), "t=1");
  EXPECT_EQ(obs::StoreSystem(), "postgresql");
  EXPECT_EQ(obs::BusSystem(), "kafka");
}

// A collector refuses a whole request whose text it can't read, and with it the spans of others.
TEST_F(ExporterTest, TextThatIsNoUtf8DoesNotSpoilTheRequest) {
  const auto exporter = Start({});
  obs::Span span = Ended("n\xff");
  span.Fail("e\xc3");
  span.attributes.push_back({"http.route", std::string("/\xed\xa0\x80")});
  span.attributes.push_back({"user", std::string("서울")});
  obs::Record(std::move(span));
  ASSERT_TRUE(Eventually([&] { return collector_.Got().size() == 1; }));
  const Seen seen = collector_.Got()[0];
  EXPECT_EQ(seen.name, "n\ufffd");
  EXPECT_EQ(seen.error, "e\ufffd");
  EXPECT_EQ(seen.attribute("http.route"), "/\ufffd\ufffd\ufffd");
  EXPECT_EQ(seen.attribute("user"), "서울");
}

TEST_F(ExporterTest, WhatWaitsAtTheEndIsSent) {
  {
    TraceConfig config;
    config.batch_size = 10;
    config.flush = seconds(60);
    const auto exporter = Start(config);
    for (int i = 0; i < 35; ++i) obs::Record(Ended());
  }
  EXPECT_EQ(collector_.Got().size(), 35U);
  EXPECT_GE(collector_.requests(), 4U);
  EXPECT_EQ(Exported(), 35U);
  EXPECT_FALSE(obs::TracingOn());
}

// Recording takes a lock for as long as it takes to put a span into a list; a collector has no part in it.
TEST_F(ExporterTest, ACollectorThatDoesNotAnswerHoldsUpNobodyAndWhatIsTooMuchIsCounted) {
  collector_.Answer(200, seconds(600));
  TraceConfig config;
  config.queue_size = 100;
  config.timeout = seconds(60);
  auto exporter = Start(config);
  obs::Record(Ended());
  ASSERT_TRUE(Eventually([&] { return collector_.requests() == 1; }));
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 10'000; ++i) obs::Record(Ended());
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(30));
  exporter.reset();  // does not wait for the collector's minute
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(50));
  EXPECT_GE(Dropped("queue_full"), 9'000U);
  EXPECT_EQ(Dropped("queue_full") + Dropped("collector_unavailable"), 10'001U);
}

TEST_F(ExporterTest, ACollectorThatIsAwayForAMomentGetsWhatItMissed) {
  collector_.Answer(503);
  const auto exporter = Start({});
  obs::Record(Ended());
  ASSERT_TRUE(Eventually([&] { return collector_.requests() >= 1; }));
  EXPECT_TRUE(collector_.Got().empty());
  collector_.Answer(200);
  EXPECT_TRUE(Eventually([&] { return collector_.Got().size() == 1; }));
  EXPECT_TRUE(Eventually([&] { return Exported() == 1; }));
}

TEST_F(ExporterTest, WhatACollectorRefusesIsNotRepeatedButCounted) {
  collector_.Answer(400);
  const auto exporter = Start({});
  obs::Record(Ended());
  ASSERT_TRUE(Eventually([&] { return Dropped("collector_refused") == 1; }));
  collector_.Answer(200);
  obs::Record(Ended("later"));
  ASSERT_TRUE(Eventually([&] { return collector_.Got().size() == 1; }));
  EXPECT_EQ(collector_.Got()[0].name, "later");
}

TEST_F(ExporterTest, WhatACollectorTakesInPartIsCountedAsSuch) {
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse partial;
  partial.mutable_partial_success()->set_rejected_spans(2);
  collector_.Answer(200, {}, partial.SerializeAsString());
  const auto exporter = Start({});
  for (int i = 0; i < 3; ++i) obs::Record(Ended());
  EXPECT_TRUE(Eventually(
      [&] { return Dropped("collector_refused") >= 2 && Exported() + Dropped("collector_refused") == 3; }));
}

TEST_F(ExporterTest, ItsOwnRequestsAreNotTraced) {
  const auto exporter = Start({.sample_ratio = 1});
  obs::Record(Ended());
  ASSERT_TRUE(Eventually([&] { return collector_.Got().size() == 1; }));
  EXPECT_EQ(collector_.last_header("traceparent"), "");
}

TEST_F(ExporterTest, WithoutAnEndpointThereIsNoTracing) {
  const auto started = Exporter::Start({}, "", "", random_, metrics_);
  ASSERT_TRUE(started.has_value());
  EXPECT_EQ(*started, nullptr);
  EXPECT_FALSE(obs::TracingOn());
}

TEST(TraceConfigTest, AnEndpointThatIsNoUrlAndAHeaderWithoutANameAreToldByTheirKeys) {
  const auto of = [](const TraceConfig& config) {
    const auto checked = CheckTraceConfig(config);
    return checked ? std::string() : checked.error().detail;
  };
  EXPECT_EQ(of({}), "");
  EXPECT_EQ(of({.endpoint = "https://collector:4318/base/"}), "");
  EXPECT_THAT(of({.endpoint = "collector:4318"}), HasSubstr("trace.endpoint"));
  EXPECT_THAT(of({.endpoint = "http://c:4318", .headers = {"no name"}}), HasSubstr("trace.headers"));
  EXPECT_THAT(of({.endpoint = "http://c:4318", .headers = {"a=b\r\nc: d"}}), HasSubstr("trace.headers"));
}

TEST(TraceConfigTest, TheStandardVariablesAreDefaultsAndOursAreOverThem) {
  using Variables = std::map<std::string, std::string, std::less<>>;
  const auto load = [](const Variables& variables) {
    const auto environment = [&](std::string_view name) -> const char* {
      const auto found = variables.find(name);
      return found == variables.end() ? nullptr : found->second.c_str();
    };
    TraceConfig config;
    config::Keys keys;
    AddTraceKeys(keys, config, environment);
    EXPECT_TRUE(keys.Load(std::nullopt, environment).has_value());
    EXPECT_THAT(keys.Print(), ::testing::Not(HasSubstr("secret")));
    return config;
  };
  EXPECT_EQ(load({}).endpoint, "");
  Variables variables{{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"},
                      {"OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret,tenant=7"}};
  EXPECT_EQ(load(variables).endpoint, "http://collector:4318");
  EXPECT_THAT(load(variables).headers, ::testing::ElementsAre("api-key=secret", "tenant=7"));
  // The specification of OpenTelemetry's exporter: as W3C Baggage, percent-encoded, blanks around are none's.
  variables["OTEL_EXPORTER_OTLP_HEADERS"] = "Authorization=Basic%20YTpi , x = a%2Cb=,half=50%";
  EXPECT_THAT(load(variables).headers,
              ::testing::ElementsAre("Authorization=Basic YTpi", "x=a,b=", "half=50%"));
  variables["BOXOFFICE_TRACE_ENDPOINT"] = "http://ours:4318";
  EXPECT_EQ(load(variables).endpoint, "http://ours:4318");
}

}  // namespace
}  // namespace boxoffice::otlp
