#include "platform/bus/consume.h"

#include <stdexcept>

#include <gmock/gmock.h>

#include "platform/obs/span.h"

namespace boxoffice::bus {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kSampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr std::string_view kUnsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

class ConsumeTraceTest : public ::testing::Test {
 protected:
  ConsumeTraceTest() { obs::StartTracing({.ratio = 0, .slow = std::chrono::seconds(600), .bus = "kafka"}); }
  ~ConsumeTraceTest() override {
    obs::StopTracing();
    (void)Taken();
  }
  static std::vector<obs::Span> Taken() { return obs::ProcessSpans().Take(milliseconds(0), 1); }
  static std::vector<obs::Span> Consume(const std::vector<std::string_view>& traceparents,
                                        const Bus::Consume& consume) {
    std::vector<Record> records(traceparents.size());
    for (size_t i = 0; i < records.size(); ++i) {
      records[i].event.topic = "reservation";
      records[i].event.traceparent = traceparents[i];
    }
    (void)ConsumeGuarded(consume, records, "ranking");
    return Taken();
  }
};

TEST_F(ConsumeTraceTest, EachSampledEventThatIsConsumedIsASpanOfTheOneThatPublishedIt) {
  const auto spans =
      Consume({kSampled, kUnsampled, ""}, [](auto records) { return Consumed{records.size(), {}}; });
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].parent, obs::ParseSpanContext(kSampled).span);
  EXPECT_EQ(spans[0].kind, obs::SpanKind::kConsumer);
  EXPECT_EQ(spans[0].name, "process reservation");
  EXPECT_EQ(spans[0].service, "ranking");
  EXPECT_EQ(std::get<std::string>(spans[0].attributes[0].value), "kafka");
}

TEST_F(ConsumeTraceTest, AnEventThatCanNotBeConsumedIsKeptThoughItIsNotSampledAndWhatWasBehindItHasNoSpan) {
  const auto spans = Consume({kSampled, kUnsampled, kSampled}, [](auto) {
    return Consumed{1, {Code::kInvalidArgument, "event_malformed", {}}};
  });
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_FALSE(spans[0].failed);
  EXPECT_TRUE(spans[1].failed);
  EXPECT_EQ(spans[1].error, "event_malformed");
}

TEST_F(ConsumeTraceTest, AThrowIsTheSpanOfTheEventThatThrew) {
  const auto spans = Consume({kSampled, kUnsampled}, [](auto records) -> Consumed {
    if (records.size() > 1 || records[0].event.traceparent == kUnsampled) throw std::runtime_error("bad");
    return {1, {}};
  });
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_FALSE(spans[0].failed);
  EXPECT_EQ(spans[1].error, "exception");
}

}  // namespace
}  // namespace boxoffice::bus
