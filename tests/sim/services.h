// The services as processes: their real cores, batch executors and coroutines on the simulation's databases.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "services/payment/provider.h"
#include "services/payment/service.h"
#include "services/payment/timer.h"
#include "services/reservation/saga/show_service.h"
#include "services/reservation/service.h"
#include "services/seat/service.h"
#include "services/wallet/service.h"
#include "sim/acquirer.h"
#include "sim/network.h"
#include "sim/process.h"
#include "sim/stores.h"

namespace boxoffice::sim {

// Shorter than in production, all in proportion, so that a run has few idle minutes.
[[nodiscard]] reservation::Policy SimPolicy();
// Of one seat on a map, as in seat::SeatMap::View.
[[nodiscard]] int StateAt(const std::string& states, uint32_t seat_no);

class SeatProcess final : public Process {
 public:
  SeatProcess(Ground& ground, std::string name, milliseconds skew, SeatDb& db);
  ~SeatProcess() override;
  void Execute(seat::Command command, int64_t timeout_us, const Answer& answer);
  void Execute(const ShowAsk& ask, const Answer& answer);
  // By an operator; `done` hears the answer if the process lives to give it.
  void Operate(const std::function<void(seat::SeatService&, seat::SeatService::Done)>& asks,
               std::function<void(const Result<seat::Outcome>&)> done);
  // Its show and its map, once it has heard of what the others have saved.
  [[nodiscard]] seat::SeatMapView LookAtMap(int64_t show_id);

 private:
  void Tick();
  std::unique_ptr<seat::SeatService> service_;
};

class WalletProcess final : public Process {
 public:
  WalletProcess(Ground& ground, std::string name, milliseconds skew, WalletDb& db);
  ~WalletProcess() override;
  void Execute(wallet::Command command, int64_t timeout_us,
               std::function<void(const Result<wallet::Outcome>&)> done);

 private:
  std::unique_ptr<wallet::Store> store_;
  std::unique_ptr<wallet::Service> service_;
};

class PaymentProcess final : public Process {
 public:
  PaymentProcess(Ground& ground, std::string name, milliseconds skew, PaymentDb& db, Acquirer& acquirer);
  ~PaymentProcess() override;
  void Execute(payment::Command command, int64_t timeout_us, const Answer& answer);

 private:
  class SimTimer;
  class SimProvider;
  std::unique_ptr<payment::Store> store_;
  std::unique_ptr<payment::Reader> reader_;
  std::unique_ptr<payment::Timer> timer_;
  std::unique_ptr<payment::Provider> provider_;
  std::unique_ptr<payment::Service> service_;
};

class ReservationProcess final : public Process {
 public:
  template <typename T>
  using Begin = std::function<asio::awaitable<Result<T>>(reservation::Service&, reservation::ShowService&)>;
  ReservationProcess(Ground& ground, std::string name, milliseconds skew, ReservationDb& db,
                     Directory& directory, int64_t cancel_fee);
  ~ReservationProcess() override;
  // Runs a request; `done` hears the answer if the process lives to give it.
  template <typename T>
  void Execute(const Begin<T>& begin, std::function<void(const Result<T>&)> done) {
    asio::co_spawn(
        io_, begin(*service_, *shows_),
        [life = life(), done = std::move(done)](const std::exception_ptr& failed, const Result<T>& answer) {
          if (failed) std::rethrow_exception(failed);
          if (!life->dead) done(answer);
        });
  }
  // Runs what is ready in its io_context.
  void Poll();
  [[nodiscard]] int timer() const { return timer_; }

 private:
  asio::io_context io_{1};
  int timer_ = -1;
  std::unique_ptr<reservation::Store> store_;
  std::unique_ptr<reservation::Reader> reader_;
  std::unique_ptr<reservation::ShowStore> show_store_;
  std::unique_ptr<reservation::ShowReader> show_reader_;
  SimParticipants participants_;
  std::unique_ptr<reservation::Service> service_;
  std::unique_ptr<reservation::ShowService> shows_;
};

}  // namespace boxoffice::sim
