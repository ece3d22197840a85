// The real services on SQLite in one process, with faults between the reservation service and the others, a
// clock that can be put forward, and the auditor.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/module.h"
#include "base/clock.h"
#include "base/random.h"
#include "boxoffice/payment/v1/payment.pb.h"
#include "boxoffice/reservation/v1/reservation.pb.h"
#include "platform/bus/bus.h"
#include "platform/module/module.h"
#include "platform/module/service_module.h"
#include "platform/obs/metrics.h"
#include "saga/faults.h"
#include "services/payment/module.h"
#include "services/reservation/module.h"
#include "testing/temp_dir.h"

namespace boxoffice::faults {

// The system's time, put forward by what it was told to jump.
class JumpingClock final : public Clock {
 public:
  [[nodiscard]] Timestamp Now() const override { return system_.Now() + milliseconds(ahead_ms_.load()); }
  void Jump(milliseconds by) { ahead_ms_ += by.count(); }

 private:
  const SystemClock system_;
  std::atomic<int64_t> ahead_ms_{0};
};

struct SeatOwner {
  ReservationId reservation;
  bool sold = false;
};

// Everything that waits waits for little, so that hundreds of sagas recover in seconds; what the system does
// by itself (calls that time out, leases that end, the auditor's rounds) is put out of the way.
[[nodiscard]] reservation::ServiceConfig HastyReservations(milliseconds lease);

// Not thread-safe. What can't be done fails by CHECK: then there is nothing to test.
class World {
 public:
  static constexpr int64_t kTopUp = 10'000'000;
  static constexpr int64_t kCancelFee = 7'000;  // of each seat
  static constexpr milliseconds kHoldTtl = std::chrono::minutes(10);

  // What a test puts between the faults and the real participants.
  using Between = std::function<std::unique_ptr<Participants>(std::unique_ptr<Participants>)>;
  // `lease`: of a saga; by default none ends while a test runs. `works_on_shows`: else its reservation
  // service leaves that to others. `settle`: how long its work on shows gives the seat service to hear of
  // something.
  explicit World(milliseconds lease = std::chrono::hours(1), payment::PaymentConfig payment = {},
                 bool works_on_shows = true, milliseconds settle = milliseconds(0), Between between = {});
  ~World();

  // Brings the buyers into the show: ACTIVE in its queue. Their tokens, in order.
  std::vector<std::string> Enter(const std::vector<std::string>& user_ids);
  void TopUp(const std::vector<std::string>& user_ids);
  // Sends commands to the reservation service, all at once, and awaits every outcome; in order.
  std::vector<reservation::v1::Outcome> Execute(const std::vector<reservation::v1::Command>& commands);
  // The same, where an outcome may be an error. Thread-safe.
  std::vector<reservation::v1::Outcome> Try(const std::vector<reservation::v1::Command>& commands);
  // From now on it is about another show, with as many rows of `row` seats, the last ones cheap.
  void TakeNewShow(int rows, int row = 50, int cheap_rows = 0);
  // A choice of two seats that nobody has been given yet.
  std::vector<uint32_t> NextSeats();
  // A seat that nobody has been given yet, and that costs less than those.
  uint32_t NextCheapSeat();

  // Waits until no saga runs. False: some still do after `limit`.
  [[nodiscard]] bool AwaitQuiet(milliseconds limit = std::chrono::seconds(60));
  // Waits until these reservations satisfy `done`.
  [[nodiscard]] bool AwaitAll(const std::vector<std::string>& ids,
                              const std::function<bool(const reservation::v1::Reservation&)>& done,
                              milliseconds limit = std::chrono::seconds(60));
  void Jump(milliseconds by) { clock_.Jump(by); }

  reservation::v1::Reservation Get(const std::string& id);
  // Nothing where nobody has cancelled the show.
  std::optional<reservation::v1::ShowCancellation> CancellationOf(int64_t show_id);
  void ResolveSaga(const std::string& id, const std::string& action);
  int64_t BalanceOf(const std::string& user_id);
  std::map<uint32_t, SeatOwner> Owners();
  audit::Verdict Audit();
  // What a payment provider sends by itself: "" and what the service made of it, or the reason of its
  // refusal.
  struct WebhookAnswer {
    std::string reason;
    std::string effect;
  };
  WebhookAnswer ReceiveWebhook(const payment::v1::ReceiveWebhookRequest& request);
  std::vector<payment::v1::Payment> PaymentsOf(const std::string& reservation_id);
  [[nodiscard]] const Clock& clock() const { return clock_; }
  // Which modules say that they can't do their work.
  [[nodiscard]] std::vector<std::string> Unhealthy() const;

  [[nodiscard]] FaultyParticipants& participants() { return *participants_; }
  [[nodiscard]] int64_t show_id() const { return show_id_; }
  // For another replica of a service.
  [[nodiscard]] const module::Runtime& runtime() const { return *runtime_; }

 private:
  struct Stubs;
  void AddModules(payment::PaymentConfig payment, reservation::ReservationConfig config, Between between);
  void CreateConcert();
  [[nodiscard]] rpc::InProcess ForThisProcess(std::string_view service) const;
  [[nodiscard]] std::shared_ptr<grpc::Channel> Channel(std::string_view service) const {
    return ForThisProcess(service).channel;
  }
  template <typename Service>
  void Add(std::unique_ptr<Service> service);

  const testbed::TempDir dir_;
  JumpingClock clock_;
  SeededRandom random_{7};
  obs::Registry metrics_;
  std::unique_ptr<bus::Bus> bus_;
  std::unique_ptr<module::Runtime> runtime_;
  std::map<std::string, module::ServiceModule*, std::less<>> services_;
  FaultyParticipants* participants_ = nullptr;
  audit::AuditModule* audit_ = nullptr;
  module::Graph graph_;
  std::unique_ptr<Stubs> stubs_;
  int64_t concert_id_ = 0;
  int64_t show_id_ = 0;
  int shows_ = 0;
  uint32_t next_seat_ = 1;
  uint32_t next_cheap_seat_ = 0;  // from the last on
  uint32_t capacity_ = 0;
};

}  // namespace boxoffice::faults
