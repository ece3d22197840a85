#include "platform/rpc/rpc_span.h"

#include <gmock/gmock.h>

#include "boxoffice/wallet/v1/wallet.pb.h"
#include "platform/rpc/status.h"

namespace boxoffice::rpc {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kSampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr std::string_view kUnsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

class RpcSpanTest : public ::testing::Test {
 protected:
  RpcSpanTest() { obs::StartTracing({.ratio = 0, .slow = std::chrono::seconds(600)}); }
  ~RpcSpanTest() override {
    obs::StopTracing();
    (void)Taken();
  }
  static std::vector<obs::Span> Taken() { return obs::ProcessSpans().Take(milliseconds(0), 1); }
  static wallet::v1::Command Debit(std::string_view traceparent) {
    wallet::v1::Command command;
    command.mutable_debit();
    command.mutable_header()->set_traceparent(std::string(traceparent));
    return command;
  }
  static ServerSpan Serve(wallet::v1::Command& command) {
    return {*command.mutable_header(), *wallet::v1::Command::descriptor(),
            static_cast<int>(command.body_case())};
  }
};

TEST_F(RpcSpanTest, ACommandIsASpanOfItsCallerAndWhatItLeadsToIsOfThatSpan) {
  wallet::v1::Command command = Debit(kSampled);
  Serve(command).End(nullptr);
  const auto spans = Taken();
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].name, "boxoffice.wallet.v1.WalletService/Debit");
  EXPECT_EQ(spans[0].service, "wallet");
  EXPECT_EQ(spans[0].kind, obs::SpanKind::kServer);
  EXPECT_EQ(spans[0].parent, obs::ParseSpanContext(kSampled).span);
  EXPECT_EQ(command.header().traceparent(), obs::ToTraceparent(spans[0].context));
}

TEST_F(RpcSpanTest, ACommandThatFailedIsKeptThoughItIsNotSampledAndOneWithoutATraceIsNot) {
  wallet::v1::Command command = Debit(kUnsampled);
  const ServerSpan span = Serve(command);
  span.End(nullptr);
  EXPECT_TRUE(Taken().empty());
  const v1::Error error = ToProto(Error{Code::kUnavailable, "database_unavailable", {}});
  span.End(&error);
  const auto spans = Taken();
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].error, "database_unavailable");
  wallet::v1::Command untraced = Debit("");
  Serve(untraced).End(&error);
  EXPECT_TRUE(Taken().empty());
  EXPECT_TRUE(untraced.header().traceparent().empty());
}

TEST_F(RpcSpanTest, ACallHasTheNameOfItsMethodAndTheServiceThatCalls) {
  const ClientSpan span(kSampled, *wallet::v1::GetWalletRequest::descriptor(), 0);
  ASSERT_TRUE(span);
  const std::string sent = span.traceparent();
  const Error error{Code::kUnknown, "timeout", {}};
  span.End("gateway_wallet", &error);
  const auto spans = Taken();
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].name, "boxoffice.wallet.v1.WalletService/GetWallet");
  EXPECT_EQ(spans[0].service, "gateway");
  EXPECT_EQ(spans[0].kind, obs::SpanKind::kClient);
  EXPECT_EQ(spans[0].error, "timeout");
  EXPECT_EQ(obs::ToTraceparent(spans[0].context), sent);
  EXPECT_FALSE(ClientSpan(kUnsampled, *wallet::v1::GetWalletRequest::descriptor(), 0));
}

}  // namespace
}  // namespace boxoffice::rpc
