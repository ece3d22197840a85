// What command_stream_test.cc can't bring about with a server: events of one stream in an order that is rare.
#include "platform/rpc/command_client.h"

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>

#include "platform/rpc/fake_wallet_for_test.h"

namespace boxoffice::rpc {
namespace {

using Client = CommandClient<wallet::CommandBatch, wallet::OutcomeBatch>;
using namespace std::chrono_literals;

// A call that the test plays gRPC's part in.
class FakeCall final : public grpc::ClientCallbackReaderWriter<wallet::CommandBatch, wallet::OutcomeBatch> {
 public:
  void Open(Client::Reactor* reactor) {
    reactor_ = reactor;
    BindReactor(reactor);
  }
  void StartCall() override {}
  void Write(const wallet::CommandBatch*, grpc::WriteOptions) override { ++writes_; }
  void WritesDone() override {}
  void Read(wallet::OutcomeBatch*) override {}
  void AddHold(int holds) override { holds_ += holds; }
  void RemoveHold() override { --holds_; }

  [[nodiscard]] Client::Reactor& reactor() const { return *reactor_; }
  [[nodiscard]] int writes() const { return writes_; }
  [[nodiscard]] int holds() const { return holds_; }

 private:
  Client::Reactor* reactor_ = nullptr;
  int writes_ = 0;
  int holds_ = 0;
};

// While it is held, gRPC does not end it, and neither its commands nor Close ever do.
TEST(CommandClientTest, AStreamThatBreaksDuringItsLastWriteIsLetGo) {
  obs::Registry metrics;
  asio::io_context io;
  FakeCall call;
  Client client(
      "test", io.get_executor(), [&](grpc::ClientContext*, Client::Reactor* reactor) { call.Open(reactor); },
      metrics);
  Result<wallet::Outcome> outcome;
  client.Send(TopUp(1), 20s, [&](Result<wallet::Outcome>&& r) { outcome = std::move(r); });
  call.reactor().OnReadInitialMetadataDone(true);
  ASSERT_EQ(call.writes(), 1);
  client.Retire();
  call.reactor().OnReadDone(false);
  EXPECT_EQ(call.holds(), 1) << "it is being written to";
  call.reactor().OnWriteDone(true);
  ASSERT_EQ(call.holds(), 0);
  call.reactor().OnDone(grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone"));
  io.run_for(1ms);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error(), (Error{Code::kUnknown, "connection_lost", "gone"}));
  client.Close();
}

}  // namespace
}  // namespace boxoffice::rpc
