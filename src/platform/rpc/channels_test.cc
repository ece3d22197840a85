// The channel of a caller that has no Peer, to a service with several replicas.
#include "platform/rpc/channels.h"

#include <cstdlib>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include "platform/rpc/fake_wallet_for_test.h"
#include "platform/rpc/host.h"
#include "testing/free_port.h"
#include "testing/wait.h"

namespace boxoffice::rpc {
namespace {

// Where nobody listens now.
std::string FreeAddress() { return fmt::format("127.0.0.1:{}", testbed::FreePort()); }

bool Answers(wallet::WalletService::Stub& stub) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  wallet::GetWalletRequest request;
  request.set_user_id("ann");
  wallet::Wallet response;
  return stub.GetWallet(&context, request, &response).ok();
}

TEST(ChannelFactoryTest, AProxyForTheWorldOutsideIsNotOneBetweenServices) {
  const std::string address = FreeAddress();
  FakeService service([](const wallet::Command&, const Intake::Reply&) {});
  Host host;
  ASSERT_TRUE(host.Start(service, {address}));
  const std::string nobody = "http://" + FreeAddress();
  for (const char* name : {"no_proxy", "no_grpc_proxy", "grpc_proxy", "https_proxy"}) ::unsetenv(name);
  ::setenv("http_proxy", nobody.c_str(), /*overwrite=*/1);
  const auto stub = wallet::WalletService::NewStub(NetworkChannel(address));
  const bool answers = Answers(*stub);
  ::unsetenv("http_proxy");
  EXPECT_TRUE(answers);
}

TEST(ChannelFactoryTest, OfSeveralReplicasTheChannelLeadsToOneThatCanBeReached) {
  const std::string first = FreeAddress();
  const std::string second = FreeAddress();
  // By name, as in a configuration.
  const std::string list = fmt::format("localhost{},{}", first.substr(first.rfind(':')), second);
  const auto channels = ChannelFactory::Network([list](std::string_view) { return list; });
  const auto stub = wallet::WalletService::NewStub(channels("wallet"));
  FakeService service([](const wallet::Command&, const Intake::Reply&) {});
  {
    Host host;
    ASSERT_TRUE(host.Start(service, {second}));
    EXPECT_TRUE(testbed::Eventually([&] { return Answers(*stub); })) << "the first one stands by";
  }
  EXPECT_FALSE(Answers(*stub));
  Host host;
  ASSERT_TRUE(host.Start(service, {first}));
  EXPECT_TRUE(testbed::Eventually([&] { return Answers(*stub); })) << "it serves now";
}

}  // namespace
}  // namespace boxoffice::rpc
