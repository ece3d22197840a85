// A service as its callers see it: its module on a folder of its own, with a bus and a clock that stands
// still, reached through the in-process channel.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/thread_pool.hpp>
#include <gtest/gtest.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/random.h"
#include "platform/bus/sqlite_bus.h"
#include "platform/module/service_module.h"
#include "platform/module/store_url.h"
#include "platform/rpc/command_client.h"
#include "testing/temp_dir.h"

namespace boxoffice::testbed {

// `Contract` is the generated class of the service (v1::WalletService). A test derives from it, starts the
// module in its constructor, and may stop and start it again on the same folder. Use it from one thread.
template <typename Module, typename Contract, typename CommandBatch, typename OutcomeBatch>
class ServiceFixture : public ::testing::Test {
 protected:
  using Client = rpc::CommandClient<CommandBatch, OutcomeBatch>;
  using Command = typename Client::Command;
  using Outcome = typename Client::Outcome;

  ~ServiceFixture() override { StopModule(); }

  template <typename Config>
  void StartModule(Config config) {
    CHECK(module_ == nullptr, "the module runs already");
    module_ = std::make_unique<Module>(runtime_, std::move(config));
    const auto started = module_->Start();
    CHECK(started.has_value(), "{}", started.error().detail);
    stub_ = Contract::NewStub(module_->ForThisProcess().channel);
    client_ = std::make_unique<Client>(
        "test", pool_.get_executor(),
        [this](auto* context, auto* reactor) { stub_->async()->Execute(context, reactor); }, metrics_);
  }
  // As a process stops it, so what the outbox holds is published. Again: no effect.
  void StopModule() {
    client_.reset();
    stub_.reset();
    if (module_ == nullptr) return;
    module_->Drain(std::chrono::milliseconds(100));
    module_->Stop();
    module_.reset();
  }

  std::future<Result<Outcome>> Send(Command command) {
    auto promise = std::make_shared<std::promise<Result<Outcome>>>();
    client_->Send(std::move(command), std::chrono::seconds(30),
                  [promise](Result<Outcome> outcome) { promise->set_value(std::move(outcome)); });
    return promise->get_future();
  }
  // The outcome of a command; the test fails if it has none.
  Outcome Run(Command command) {
    auto outcome = Send(std::move(command)).get();
    EXPECT_TRUE(outcome.has_value()) << outcome.error().reason << outcome.error().detail;
    return outcome ? *std::move(outcome) : Outcome();
  }
  // The error of a command; the test fails if it has none.
  Error RunError(Command command) {
    auto outcome = Send(std::move(command)).get();
    EXPECT_FALSE(outcome.has_value());
    return outcome ? Error{} : outcome.error();
  }
  // The 16 bytes of a new id.
  std::string NewId() { return std::string(SagaId::Make(clock_.Now(), random_).bytes()); }

  TempDir dir_;
  ManualClock clock_;
  SeededRandom random_{5};
  obs::Registry metrics_;
  std::unique_ptr<bus::SqliteBus> bus_ =
      *bus::SqliteBus::Open({.file = dir_.path() / "bus.db"}, clock_, metrics_);
  module::Runtime runtime_{
      clock_, random_, metrics_, *bus_, {}, dir_.path(), {}, module::DefaultStoreUrl(dir_.path()), {}};
  boost::asio::thread_pool pool_{1};
  std::unique_ptr<Module> module_;
  std::unique_ptr<typename Contract::Stub> stub_;
  std::unique_ptr<Client> client_;
};

}  // namespace boxoffice::testbed
