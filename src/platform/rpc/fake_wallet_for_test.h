// A service for the tests of this room.
#pragma once

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/thread_pool.hpp>

#include "boxoffice/wallet/v1/wallet.grpc.pb.h"
#include "platform/rpc/command_link.h"
#include "platform/rpc/command_server.h"
#include "platform/rpc/unary.h"
#include "testing/wait.h"

namespace boxoffice::rpc {

namespace wallet = boxoffice::wallet::v1;
using Intake = CommandIntake<wallet::CommandBatch, wallet::OutcomeBatch>;

// Any service would do: what is tested here is how it is reached.
class FakeService final : public wallet::WalletService::CallbackService {
 public:
  static constexpr size_t kMaxWaiting = 50;  // queries

  explicit FakeService(Intake::Handler handler) : commands_(std::move(handler)) {}
  ~FakeService() override { HoldQueries(false); }
  grpc::ServerBidiReactor<wallet::CommandBatch, wallet::OutcomeBatch>* Execute(
      grpc::CallbackServerContext*) override {
    return new CommandServer(commands_);
  }
  grpc::ServerUnaryReactor* GetWallet(grpc::CallbackServerContext* context,
                                      const wallet::GetWalletRequest* request,
                                      wallet::Wallet* response) override {
    ++asked_;
    return Answer<wallet::Wallet>(context, pool_, response,
                                  [this, user = request->user_id()]() -> Result<wallet::Wallet> {
                                    ++begun_;
                                    holding_.wait(true);
                                    if (refusing_)
                                      return Fail(Code::kUnavailable, "database_unavailable", "gone");
                                    if (user.empty())
                                      return Fail(Code::kNotFound, "wallet_not_found", "no user");
                                    wallet::Wallet found;
                                    found.set_user_id(user);
                                    return found;
                                  });
  }

  // For which there is room where buyers' queries have none.
  grpc::ServerUnaryReactor* Audit(grpc::CallbackServerContext* context, const wallet::AuditRequest*,
                                  wallet::AuditResponse* response) override {
    ++asked_;
    return Answer<wallet::AuditResponse>(
        context, pool_, response, []() -> Result<wallet::AuditResponse> { return wallet::AuditResponse(); },
        resilience::Priority::kFinishing);
  }

  [[nodiscard]] OpenStreams& streams() { return commands_; }
  // Whether the query whose turn it is waits from now on, and with it all behind it.
  void HoldQueries(bool hold) {
    holding_ = hold;
    holding_.notify_all();
  }
  // Whether queries are refused from now on.
  void RefuseQueries(bool refuse) { refusing_ = refuse; }
  // How many queries have come.
  [[nodiscard]] int asked() const { return asked_; }
  // Whether one more, that is no audit, may wait.
  [[nodiscard]] bool HasRoom() const { return pool_.Admits(resilience::Priority::kNormal); }
  // How many of them, audits aside, have had their turn.
  [[nodiscard]] int begun() const { return begun_; }

 private:
  std::atomic<bool> holding_ = false;
  std::atomic<int> begun_ = 0;
  std::atomic<bool> refusing_ = false;
  std::atomic<int> asked_ = 0;
  Intake commands_;
  WorkerPool pool_{1, kMaxWaiting};
};

// Answers with the amount as balance.
inline void Echo(wallet::Command command, Intake::Reply reply) {
  wallet::Outcome outcome;
  outcome.mutable_wallet()->mutable_balance()->set_amount(command.top_up().money().amount());
  reply(std::move(outcome));
}

inline wallet::Command TopUp(int64_t amount) {
  wallet::Command command;
  command.mutable_top_up()->mutable_money()->set_amount(amount);
  return command;
}

inline constexpr int kThreads = 4;
inline constexpr int kOfEachThread = 5'000;

// Sends commands to an Echo from several threads at once; how many got their own outcome.
inline int RightOutcomesOfManyThreads(CommandLink<wallet::CommandBatch, wallet::OutcomeBatch>& link) {
  std::atomic<int> right = 0;
  std::promise<void> all;
  std::atomic<int> left = kThreads * kOfEachThread;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kOfEachThread; ++i) {
        const int64_t amount = t * 1'000'000 + i;
        auto done = [&, amount](Result<wallet::Outcome>&& outcome) {
          if (outcome && outcome->wallet().balance().amount() == amount) ++right;
          if (--left == 0) all.set_value();
        };
        link.Send(TopUp(amount), std::chrono::seconds(20), std::move(done), resilience::Priority::kNormal,
                  nullptr);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  all.get_future().wait();
  return right;
}

using testbed::Eventually;
using testbed::Pause;

}  // namespace boxoffice::rpc
