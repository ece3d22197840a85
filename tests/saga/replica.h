// Another replica of the reservation service on the world's database, which may die at any effect of its, or
// be cut off from the participants.
#pragma once

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "base/random.h"
#include "platform/obs/metrics.h"
#include "saga/world.h"
#include "services/reservation/saga/show_service.h"
#include "services/reservation/store_factory.h"

namespace boxoffice::faults {

// What becomes of a replica, as a test has ordered. An effect is a call to another service or a write to the
// database; they are counted from 0. Thread-safe.
class Life {
 public:
  // Before or after its effect number `effect` it dies: from then on it does nothing and hears nothing.
  void DieAt(int effect, bool after) {
    die_at_ = effect;
    after_ = after;
  }
  // From whom the sagas call, and, with the second, whom the work on shows asks.
  void CutOffParticipants(bool cut_off) { sagas_cut_off_ = cut_off; }
  void CutOff(bool cut_off) { sagas_cut_off_ = shows_cut_off_ = cut_off; }

  // Whether the effect is done.
  bool Begin() {
    if (dead_) return false;
    const int number = effects_++;
    if (number == die_at_ && !after_) dead_ = true;
    if (number == die_at_ && after_) dies_ = true;
    return !dead_;
  }
  // Whether it lives to hear the answer.
  bool End() {
    if (dies_) dead_ = true;
    return !dead_;
  }
  [[nodiscard]] bool dead() const { return dead_; }
  [[nodiscard]] bool sagas_cut_off() const { return sagas_cut_off_; }
  [[nodiscard]] bool shows_cut_off() const { return shows_cut_off_; }
  [[nodiscard]] int effects() const { return effects_; }

 private:
  std::atomic<int> effects_ = 0;
  std::atomic<int> die_at_ = -1;
  std::atomic<bool> after_ = false;
  std::atomic<bool> dies_ = false;
  std::atomic<bool> dead_ = false;
  std::atomic<bool> sagas_cut_off_ = false;
  std::atomic<bool> shows_cut_off_ = false;
};

class Replica {
 public:
  Replica(World& world, Life& life, const std::string& owner,
          reservation::ServiceConfig config = HastyReservations(kLease));
  ~Replica();
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  static constexpr milliseconds kLease{15'000};

  // From now on it works on shows, and recovers sagas.
  void Start();
  Result<reservation::Cancellation> Cancel(int64_t show_id);
  Result<reservation::WaitlistEntry> Join(int64_t show_id, const std::string& user_id, uint32_t count);
  Result<reservation::WaitlistEntry> Leave(int64_t show_id, const std::string& user_id);
  // All who were ever on the show's waitlist, by place.
  std::vector<reservation::WaitlistEntry> Waitlist(int64_t show_id);
  // How often any replica has begun to look at that waitlist.
  uint64_t CountLooks(int64_t show_id);

 private:
  template <typename T>
  T Await(asio::awaitable<T> running) {
    return asio::co_spawn(io_, std::move(running), asio::use_future).get();
  }

  SeededRandom random_;
  obs::Registry metrics_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  reservation::OpenedStores stores_;
  std::unique_ptr<Participants> participants_;
  std::unique_ptr<reservation::Shows> shows_;
  std::unique_ptr<reservation::Service> service_;
  std::unique_ptr<reservation::ShowService> show_service_;
  std::thread thread_;
};

}  // namespace boxoffice::faults
