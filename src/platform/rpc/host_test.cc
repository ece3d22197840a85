#include "platform/rpc/host.h"

#include <atomic>
#include <future>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>

#include "platform/rpc/fake_wallet_for_test.h"
#include "testing/free_port.h"
#include "testing/temp_dir.h"

namespace boxoffice::rpc {
namespace {

using namespace std::chrono_literals;
using Generic = grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer>;

grpc::ByteBuffer Bytes(std::string_view text) {
  const grpc::Slice slice(text.data(), text.size());
  return {&slice, 1};
}
std::string Text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  (void)buffer.Dump(&slices);
  std::string text;
  for (const grpc::Slice& slice : slices)
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return text;
}

class HostTest : public ::testing::Test {
 protected:
  void Serve(Host::Health health = {}) {
    address_ = "unix:" + (dir_.path() / "s").string();
    ASSERT_TRUE(host_.Start(service_, {address_}, std::move(health), {}, &service_.streams()));
    channel_ = NetworkChannel(address_);
  }
  // As a load balancer asks: grpc.health.v1, for the whole server. "serving", "not serving", or the failure.
  std::string Health() {
    Generic stub(channel_);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + 20s);
    const grpc::ByteBuffer request = Bytes("");
    grpc::ByteBuffer response;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request, &response,
                   [&](grpc::Status status) { done.set_value(std::move(status)); });
    const grpc::Status status = done.get_future().get();
    if (!status.ok()) return status.error_message();
    const std::string text = Text(response);
    return text == "\x08\x01" ? "serving" : text == "\x08\x02" ? "not serving" : text;
  }

  const testbed::TempDir dir_;
  FakeService service_{Echo};
  Host host_;
  std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(HostTest, HealthIsThatOfTheModule) {
  std::atomic<bool> well = true;
  Serve([&] { return well ? std::string() : "the database is gone"; });
  EXPECT_EQ(Health(), "serving");
  well = false;
  EXPECT_TRUE(Eventually([this] { return Health() == "not serving"; }));
  well = true;
  EXPECT_TRUE(Eventually([this] { return Health() == "serving"; }));
}

TEST_F(HostTest, HealthTurnsWhenItLeavesAndQueriesAreServedOn) {
  Serve([] { return std::string(); });
  EXPECT_EQ(Health(), "serving");
  host_.Leave();
  EXPECT_EQ(Health(), "not serving");
  const auto stub = wallet::WalletService::NewStub(channel_);
  grpc::ClientContext context;
  wallet::GetWalletRequest request;
  request.set_user_id("ada");
  wallet::Wallet found;
  EXPECT_TRUE(stub->GetWallet(&context, request, &found).ok());
}

TEST_F(HostTest, APlaceThatIsTakenIsOneAndAnythingElseIsSaidByItsName) {
  const std::string address = fmt::format("127.0.0.1:{}", testbed::FreePort());
  ASSERT_TRUE(host_.Start(service_, {address}));
  const auto refused = [this](const std::string& where) {
    FakeService service{Echo};
    Host host;
    const auto started = host.Start(service, {where});
    return started ? std::string() : fmt::format("{}: {}", started.error().reason, started.error().detail);
  };
  EXPECT_EQ(refused(address), fmt::format("port_taken: {} is in use by another program", address));
  EXPECT_THAT(refused("192.0.2.1:9001"), testing::StartsWith("listen_failed: 192.0.2.1:9001: Cannot assign"));
  EXPECT_THAT(
      refused("unix:" + (dir_.path() / "none" / "s").string()),
      testing::AllOf(testing::StartsWith("listen_failed: "), testing::EndsWith("No such file or directory")));
}

// gRPC tells of a failure to listen, too.
TEST_F(HostTest, WhatGrpcLogsIsInOurLog) {
  const std::string address = fmt::format("127.0.0.1:{}", testbed::FreePort());
  ASSERT_TRUE(host_.Start(service_, {address}));
  FakeService service{Echo};
  Host host;
  testing::internal::CaptureStderr();
  EXPECT_FALSE(host.Start(service, {address}));
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::AllOf(testing::StartsWith("{"), testing::HasSubstr(R"("event":"grpc")"),
                             testing::Not(testing::ContainsRegex("\n[^{]"))));
}

TEST_F(HostTest, ToBeWellAgainIsNoWarning) {
  std::atomic<bool> well = false;
  testing::internal::CaptureStderr();
  Serve([&] { return well ? std::string() : "the database is gone"; });
  EXPECT_TRUE(Eventually([this] { return Health() == "not serving"; }));
  well = true;
  EXPECT_TRUE(Eventually([this] { return Health() == "serving"; }));
  host_.Shutdown(0ms);
  EXPECT_THAT(
      testing::internal::GetCapturedStderr(),
      testing::ContainsRegex("\"warning\",\"event\":\"health_changed\",\"problem\":\"the database is gone\""
                             "(.|\n)*\"info\",\"event\":\"health_changed\",\"problem\":\"\""));
}

TEST(CheckListenAddressTest, IsAnIpAddressWithAPortOrASocket) {
  const std::string longest = "unix:" + std::string(kMaxSocketPath, 's');
  for (const std::string& right : {std::string("127.0.0.1:9001"), std::string("[::]:9001"), longest})
    EXPECT_TRUE(CheckListenAddress(right)) << right;
  for (const std::string& wrong : {std::string(), std::string("127.0.0.1"), std::string("127.0.0.1:99999"),
                                   std::string("seat.internal:9001"), std::string("unix:"), longest + "s"})
    EXPECT_EQ(CheckListenAddress(wrong).error().reason, "address_invalid") << wrong;
}

// What stands behind a series' name and labels in the exposition; "": it is not there.
std::string ValueOf(const obs::Registry& metrics, const std::string& series) {
  const std::string text = metrics.Render();
  const size_t at = text.find("\n" + series + " ");
  if (at == std::string::npos) return "";
  const size_t begin = at + series.size() + 2;
  return text.substr(begin, text.find('\n', begin) - begin);
}

TEST_F(HostTest, UnaryCallsAreCountedByMethodAndOutcomeAndHealthChecksAreNot) {
  obs::Registry metrics;
  address_ = "unix:" + (dir_.path() / "s").string();
  Listen listen{address_};
  listen.metrics = &metrics;
  ASSERT_TRUE(host_.Start(service_, listen, [] { return std::string(); }, {}, &service_.streams()));
  channel_ = NetworkChannel(address_);
  EXPECT_EQ(Health(), "serving");
  const auto stub = wallet::WalletService::NewStub(channel_);
  for (const char* user : {"ada", "eve", ""}) {
    grpc::ClientContext context;
    wallet::GetWalletRequest request;
    request.set_user_id(user);
    wallet::Wallet found;
    EXPECT_EQ(stub->GetWallet(&context, request, &found).ok(), *user != '\0');
  }
  const std::string method = R"(method="boxoffice.wallet.v1.WalletService/GetWallet")";
  const auto requests = [&](const char* outcome) {
    return ValueOf(metrics,
                   "boxoffice_rpc_server_requests_total{" + method + ",outcome=\"" + outcome + "\"}");
  };
  // The status goes out before it is counted.
  EXPECT_TRUE(Eventually([&] { return requests("ok") == "2" && requests("not_found") == "1"; }));
  EXPECT_EQ(ValueOf(metrics, "boxoffice_rpc_server_request_seconds_count{" + method + "}"), "3");
  EXPECT_THAT(metrics.Render(), testing::Not(testing::HasSubstr("Health")));
  host_.Shutdown(0ms);  // before its metrics go
}

// A caller of before there were farewells: it keeps its stream, and sends when it likes.
class OldCaller final : public grpc::ClientBidiReactor<wallet::CommandBatch, wallet::OutcomeBatch> {
 public:
  explicit OldCaller(wallet::WalletService::Stub& stub) {
    *command_.add_commands() = TopUp(1);
    stub.async()->Execute(&context_, this);
    AddHold();
    StartRead(&outcome_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    answers_ += outcome_.outcomes_size();
    StartRead(&outcome_);
  }
  void OnDone(const grpc::Status&) override { done_.set_value(); }
  void SendOne() { StartWrite(&command_); }
  [[nodiscard]] int answers() const { return answers_; }
  void AwaitEnd() {
    RemoveHold();
    done_.get_future().wait();
  }

 private:
  grpc::ClientContext context_;
  wallet::CommandBatch command_;
  wallet::OutcomeBatch outcome_;
  std::atomic<int> answers_ = 0;
  std::promise<void> done_;
};

TEST_F(HostTest, ACallerThatDoesNotUnderstandIsServedAndThenCutOff) {
  Serve();
  const auto stub = wallet::WalletService::NewStub(channel_);
  OldCaller caller(*stub);
  host_.Leave();
  caller.SendOne();
  EXPECT_TRUE(Eventually([&] { return caller.answers() == 1; }));
  host_.Drain(500ms);  // returns
  caller.AwaitEnd();
}

// One message out, one in.
class ListServices final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  std::string Ask(Generic& stub) {
    stub.PrepareBidiStreamingCall(&context_, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                  {}, this);
    StartWriteLast(&request_, {});
    StartRead(&response_);
    StartCall();
    done_.get_future().wait();
    return Text(response_);
  }
  void OnDone(const grpc::Status&) override { done_.set_value(); }

 private:
  grpc::ClientContext context_;
  const grpc::ByteBuffer request_ = Bytes(std::string_view("\x3a\x00", 2));  // list_services: ""
  grpc::ByteBuffer response_;
  std::promise<void> done_;
};

TEST_F(HostTest, ReflectionTellsWhatIsServed) {
  Serve();
  Generic stub(channel_);
  ListServices list;
  EXPECT_THAT(list.Ask(stub), testing::HasSubstr("boxoffice.wallet.v1.WalletService"));
}

TEST_F(HostTest, DrainDoesNotConcernCallersInThisProcess) {
  ASSERT_TRUE(host_.Start(service_, {}));
  const auto stub = wallet::WalletService::NewStub(host_.InProcessChannel());
  host_.Drain(20s);
  grpc::ClientContext context;
  wallet::GetWalletRequest request;
  request.set_user_id("ada");
  wallet::Wallet found;
  EXPECT_TRUE(stub->GetWallet(&context, request, &found).ok());
}

}  // namespace
}  // namespace boxoffice::rpc
