// The clients: buyers who top up, hold, pay, confirm, cancel and ask again until they are told, and an
// operator who moves, and has tried again what was parked. They never die, and write down what they saw.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/world.h"

namespace boxoffice::sim {

class Clients {
 public:
  explicit Clients(World& world) : world_(world) {}

  // What is asked, and with what; `then` is called once it is known what came of it, or never will be.
  struct Wish {
    Operation::Kind kind = Operation::Kind::kHold;
    std::string buyer;
    std::vector<uint32_t> seats;  // of a hold; to give back (none: all); or to move to
    uint32_t best = 0;            // instead of seats of a hold
    int64_t amount = 0;           // of a top-up
    ReservationId reservation;
    std::string method = "sim:ok";
    bool for_show = false;     // a cancellation because its show is cancelled
    bool by_operator = false;  // a cancellation for the buyer
    std::string key;           // of an earlier request, to ask it again; empty: a new one
    bool other_body = false;   // and it is asked something else by it
  };
  using Then = std::function<void(const Operation&)>;
  void Ask(Wish wish, Then then);

  // So many buyers, each with so many wishes by chance.
  void Crowd(int buyers, int wishes);
  // From now on the operator looks now and then for sagas that are parked, and for money that is not given
  // back.
  void WatchParked();
  // In so long an operator cancels the show, and ends all its reservations.
  void CancelShow(milliseconds in);
  // Everybody has had what they wished.
  [[nodiscard]] bool done() const { return open_ == 0; }
  [[nodiscard]] const std::vector<Operation>& history() const { return history_; }
  // How often a saga was to be tried again.
  [[nodiscard]] size_t retried() const { return retried_; }

 private:
  struct Request {
    Wish wish;
    Then then;
    size_t index = 0;  // in history_
    int tries = 0;
    bool answered = false;
  };
  void Send(const std::shared_ptr<Request>& request);
  void SendTopUp(const std::shared_ptr<Request>& request);
  void Hear(const std::shared_ptr<Request>& request, int attempt, const Result<reservation::Answer>& answer);
  void Again(const std::shared_ptr<Request>& request);
  void End(const std::shared_ptr<Request>& request);
  [[nodiscard]] ReservationProcess::Begin<reservation::Answer> BeginOf(const Request& request) const;
  void Live(const std::string& buyer, int wishes);
  [[nodiscard]] std::optional<Wish> Repeat(const std::string& buyer);
  void MeddleWith(const Operation& last);
  void GoOnCancelling();
  void GoOn(const std::string& buyer, int wishes, const Operation& last);

  World& world_;
  std::vector<Operation> history_;
  struct Told {
    Wish wish;
    Operation::Outcome outcome;
  };
  std::map<std::string, std::vector<Told>> told_;  // by buyer: requests that were answered
  size_t retried_ = 0;
  int open_ = 0;
  int last_key_ = 0;
};

}  // namespace boxoffice::sim
