// A server whose answers can't be read: of another release, or with a text that is no UTF-8.
#include "platform/rpc/answer_check.h"

#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/slice.h>
#include <gtest/gtest.h>

#include "platform/rpc/channels.h"
#include "platform/rpc/command_client.h"
#include "platform/rpc/fake_wallet_for_test.h"
#include "platform/rpc/host.h"
#include "platform/rpc/replica_for_test.h"
#include "testing/temp_dir.h"

namespace boxoffice::rpc {
namespace {

using Client = CommandClient<wallet::CommandBatch, wallet::OutcomeBatch>;
using namespace std::chrono_literals;

constexpr std::string_view kNoMessage = "\xff\xff\xff";  // a field's number without an end

// Answers each message with bytes that are none. A call ends with that; a stream stays open.
class Garbled final : public grpc::CallbackGenericService {
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    explicit Reactor(bool is_stream) : is_stream_(is_stream) {
      StartSendInitialMetadata();
      StartRead(&request_);
    }
    void OnReadDone(bool ok) override {
      if (!ok) {
        Finish(grpc::Status::CANCELLED);
      } else if (is_stream_) {
        StartWrite(&answer_);
        StartRead(&request_);
      } else {
        StartWriteAndFinish(&answer_, {}, grpc::Status::OK);
      }
    }
    void OnDone() override { delete this; }

   private:
    const bool is_stream_;
    grpc::ByteBuffer request_;
    const grpc::Slice text_{kNoMessage.data(), kNoMessage.size()};
    const grpc::ByteBuffer answer_{&text_, 1};
  };

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    return new Reactor(context->method().ends_with("/Execute"));
  }
};

class GarbledServer {
 public:
  explicit GarbledServer(const std::string& address) {
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(&service_);
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    server_ = builder.BuildAndStart();
    EXPECT_NE(server_, nullptr);
  }
  ~GarbledServer() { Stop(); }
  GarbledServer(const GarbledServer&) = delete;
  GarbledServer& operator=(const GarbledServer&) = delete;
  void Stop() {
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }

 private:
  Garbled service_;
  std::unique_ptr<grpc::Server> server_;
};

class UnreadableTest : public testing::Test {
 protected:
  void TearDown() override {
    server_.Stop();
    client_.reset();
    work_.reset();
    thread_.join();
  }

  const testbed::TempDir dir_;
  const std::string address_ = "unix:" + (dir_.path() / "s").string();
  GarbledServer server_{address_};
  obs::Registry metrics_;
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread thread_{[this] { io_.run(); }};
  std::unique_ptr<wallet::WalletService::Stub> stub_ =
      wallet::WalletService::NewStub(NetworkChannel(address_));
  std::unique_ptr<Client> client_;
};

TEST_F(UnreadableTest, OfAnAnswerThatCantBeReadTheOutcomeIsUnknown) {
  OpenCalls calls;
  auto start = [this](auto... arguments) { stub_->async()->GetWallet(arguments...); };
  auto call = Call<wallet::Wallet>(io_.get_executor(), calls, wallet::GetWalletRequest(), 20s, start);
  const auto answer = asio::co_spawn(io_, std::move(call), asio::use_future).get();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kUnknown);
  EXPECT_EQ(answer.error().reason, "answer_unreadable");
}

TEST_F(UnreadableTest, AlsoOfWhoeverBlocks) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 20s);
  wallet::Wallet answer;
  const grpc::Status status = stub_->GetWallet(&context, wallet::GetWalletRequest(), &answer);
  EXPECT_EQ(FromStatus(status).reason, "answer_unreadable") << status.error_message();
}

TEST_F(UnreadableTest, AStreamWithOutcomesThatCantBeReadEndsAndWhatWasSentIsUnknown) {
  client_ = std::make_unique<Client>(
      "test", io_.get_executor(),
      [this](auto* context, auto* reactor) { stub_->async()->Execute(context, reactor); }, metrics_);
  const auto outcome = std::make_shared<std::promise<Result<wallet::Outcome>>>();
  std::future<Result<wallet::Outcome>> answer = outcome->get_future();
  client_->Send(TopUp(1), 60s, [outcome](Result<wallet::Outcome>&& r) { outcome->set_value(std::move(r)); });
  ASSERT_EQ(answer.wait_for(20s), std::future_status::ready) << "nobody ends the stream";
  EXPECT_EQ(answer.get().error().reason, "connection_lost");
}

class UnreadableReplicaTest : public ReplicaTest {};

TEST_F(UnreadableReplicaTest, ItHasAnsweredAndItsBreakerStaysClosed) {
  const std::string address = Socket("garbled");
  const GarbledServer server(address);
  Connect(address);
  for (int i = 0; i < 30; ++i) ASSERT_EQ(Query("ada").error().reason, "answer_unreadable") << i;
  EXPECT_EQ(channels_.board().Read()[0].breaker.state, resilience::Breaker::State::kClosed);
}

// Says that every wallet is this user's.
class NamingService final : public wallet::WalletService::CallbackService {
 public:
  explicit NamingService(std::string user) : user_(std::move(user)) {}

 private:
  grpc::ServerUnaryReactor* GetWallet(grpc::CallbackServerContext* context, const wallet::GetWalletRequest*,
                                      wallet::Wallet* response) override {
    response->set_user_id(user_);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  const std::string user_;
};

TEST(TooLargeTest, AnAnswerThatIsTooLargeIsNotTakenForARefusal) {
  NamingService service(std::string(1'000, 'a'));  // more than its caller takes
  Host host;
  const testbed::TempDir dir;
  const std::string address = "unix:" + (dir.path() / "s").string();
  ASSERT_TRUE(host.Start(service, {address}));
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(100);
  const auto stub = wallet::WalletService::NewStub(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 20s);
  wallet::Wallet answer;
  const grpc::Status status = stub->GetWallet(&context, wallet::GetWalletRequest(), &answer);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_EQ(FromStatus(status).code, Code::kUnknown) << "it was done";
  EXPECT_EQ(FromStatus(status).reason, "answer_unreadable");
}

TEST(UnreadableInProcessTest, NoMoreIsItTakenForAnAnswerInOneProcess) {
  NamingService service("Zo\xeb");  // no UTF-8, which proto3 writes and does not read
  Host host;
  ASSERT_TRUE(host.Start(service, {}));
  const auto stub = wallet::WalletService::NewStub(host.InProcessChannel());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 20s);
  wallet::Wallet answer;
  const grpc::Status status = stub->GetWallet(&context, wallet::GetWalletRequest(), &answer);
  EXPECT_EQ(FromStatus(status).reason, "answer_unreadable") << status.error_message();
}

}  // namespace
}  // namespace boxoffice::rpc
